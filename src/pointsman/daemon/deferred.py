"""The page on 9090 and what the control socket offers: loaded after the start, or when somebody asks before.

Their modules are a quarter of what a start would load, and traffic does not wait for them. They are loaded even if
nobody asks, because a process is not to meet files of another version that is installed over its own. Invariant:
everything else goes on while they are loaded; an application is made once, and all who ask meanwhile wait for that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from pointsman.control.control import Control
from pointsman.identity.user import Users
from pointsman.web.answer import App, Receive, Scope, Send

LOAD_SECONDS = 3.0
"""How long after the start they are loaded: traffic is served, and what came with the start is done."""
_log = logging.getLogger(__name__)


class Deferred:
    """An application that comes into being with the first request, or before."""

    def __init__(self, load: Callable[[], Callable[[], App]]) -> None:
        """`load` runs in a thread, and gives what makes the application, which runs in the loop."""
        self._load = load
        self._app: App | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await (self._app or await self.made())(scope, receive, send)

    async def made(self) -> App:
        """The application itself. Raises what its modules raise when they cannot be loaded."""
        async with self._making:
            if self._app is None:
                self._app = (await asyncio.to_thread(self._load))()
            return self._app


def page(
    control: Control,
    users: Users,
    health: Callable[[], str],
    rest_port: Callable[[], int],
    languages: Path,
) -> Deferred:
    """The application for 9090; for the parameters see `web.ui.app`."""

    def load() -> Callable[[], App]:
        from pointsman.web.ui.app import make_app  # delayed: see above

        return lambda: make_app(control, users, health=health, rest_port=rest_port, languages=languages)

    return Deferred(load)


def local(control: Control, users: Users) -> Deferred:
    """The application for the control socket; see `web.local.app`."""

    def load() -> Callable[[], App]:
        from pointsman.web.local.app import make_app  # delayed: see above

        return lambda: make_app(control, users)

    return Deferred(load)


async def load_soon(applications: Iterable[Deferred]) -> None:
    """Makes them after `LOAD_SECONDS`, one after the other."""
    await asyncio.sleep(LOAD_SECONDS)
    for application in applications:
        try:
            await application.made()
        except Exception:  # whoever asks for it next is told
            _log.exception("a part of the page could not be loaded")
