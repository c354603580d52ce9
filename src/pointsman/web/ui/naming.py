"""The one-way switch "Replace Traffic Manager Name" of System > Traffic Managers: an address for the host name.

Invariant: only the administrator uses it, by the session's own form; what is refused is shown as text.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.login import read_form
from pointsman.console.template import Pages
from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.identity.session import same_token
from pointsman.identity.user import ADMIN
from pointsman.store import Author
from pointsman.web.ui.clusters import TRAFFIC_MANAGERS

REPLACE = f"{TRAFFIC_MANAGERS}/replace-name"
"""Where the form is, and where it goes."""


class Naming:
    """Handlers of the form."""

    def __init__(self, control: Control, pages: Pages) -> None:
        self._control = control
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route(REPLACE, self.show), Route(REPLACE, self.replace, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """GET: the form by itself."""
        return self._page(request)

    async def replace(self, request: Request) -> Response:
        """POST with csrf, address and confirm."""
        form = await read_form(request)
        if form is None:
            return self._page(request, "This is not the form that the page sends. Please use it.", 400)
        session = request.state.session
        if not same_token(session.csrf, form.get("csrf", "")):
            return self._page(request, "The form is not from this session. Please send it again.", 403)
        if session.user != ADMIN:
            return self._page(request, "Only the administrator may replace the name. Log in as admin.", 403)
        if form.get("confirm") != "yes":
            return self._page(request, "Please confirm that the name shall be replaced.", 400)
        author = Author(session.user, request.client.host if request.client else "", "ui")
        try:
            restarts = await self._control.renaming.use_address(author, form.get("address", ""))
        except ControlError as error:
            text = str(error)
            return self._page(request, f"{text[:1].upper()}{text[1:]}.", 400)
        when = (
            "The control plane starts again for that, which takes a few seconds; traffic goes on. Log in again then."
            if restarts
            else "That happens when the control plane is started again."
        )
        values = {"title": self._control.identity.name, "text": f"The name will be replaced. {when}"}
        return self._pages.render("message.html", values)

    def _page(self, request: Request, complaint: str = "", status: int = 200) -> Response:
        session = request.state.session
        values: dict[str, Any] = {
            "title": self._control.identity.name,
            "version": self._control.identity.version,
            "user": session.user,
            "csrf": session.csrf,
            "names": self._control.renaming.names(),
            "action": REPLACE,
            "complaint": complaint,
        }
        return self._pages.render("replace_name.html", values, status)
