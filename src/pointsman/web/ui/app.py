"""The web pages on 9090: login, one page with services, pools and nodes as they are now, and those about licences,
names and backups.

Invariant: nothing but the pages about licences, names and backups changes anything; what is shown comes from
`Control.status`, at most a second old. An instance whose licence is not chosen yet asks for that before it shows
anything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pointsman.console.defence import Defence
from pointsman.console.login import Login
from pointsman.console.old_browser import OldBrowser
from pointsman.console.template import Pages
from pointsman.control.control import Control
from pointsman.control.status import Status
from pointsman.identity.user import Users
from pointsman.web.ui.backups import BACKUPS, BackupPages
from pointsman.web.ui.clusters import TRAFFIC_MANAGERS, TrafficManagers
from pointsman.web.ui.licences import LICENSES, UNLICENSED, Licences
from pointsman.web.ui.naming import Naming
from pointsman.web.ui.overview import Overview, overview

FRESH_SECONDS = 1.0
LIVE = "/live"
COOKIE_DIGITS = 12


def make_app(control: Control, users: Users, *, health: Callable[[], str]) -> ASGIApp:
    """The application for 9090, to be served over TLS only.

    `health` gives "ok", or the one word that /healthz answers with 503.
    """
    pages = Pages([Path(__file__).parent / "templates"])
    login = Login(
        users,
        pages,
        instance="".join(c for c in control.identity.uuid if c.isalnum())[:COOKIE_DIGITS],
        title=control.identity.name,
        surface="UI",
        record=control.record,
    )
    screen = _Screen(control, pages)

    async def healthz(request: Request) -> Response:
        word = health()
        return PlainTextResponse(f"{word}\n", 200 if word == "ok" else 503)

    routes = [
        Route("/", screen.page),
        Route(LIVE, screen.fragment),
        Route("/login", login.show),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        *Licences(control, pages).routes,
        *BackupPages(control, users, pages).routes,
        *Naming(control, pages).routes,
        *(() if control.clustering is None else TrafficManagers(control, control.clustering, pages).routes),
        Route("/healthz", healthz),
        Route("/static/{digest}/{name}", pages.static),
    ]
    missing = {404: screen.missing, 405: screen.missing, 500: screen.failed}
    gated = login.gate(Starlette(routes=routes, exception_handlers=missing), frozenset({LIVE}))
    return Defence(OldBrowser(gated, pages, control.identity.name))


class _Screen:
    """The page itself. Many browsers share one look at the data plane a second."""

    def __init__(self, control: Control, pages: Pages) -> None:
        self._control = control
        self._pages = pages
        self._looking = asyncio.Lock()
        self._seen: tuple[float, Overview] | None = None
        self._status: Status | None = None

    async def page(self, request: Request) -> Response:
        """GET /: the whole page."""
        if self._control.licensing.choice_open:
            return RedirectResponse(UNLICENSED, 303)
        session = request.state.session
        values = {
            "view": await self._look(),
            "user": session.user,
            "csrf": session.csrf,
            "live": LIVE,
            "licenses": LICENSES,
            "backups": BACKUPS,
            "traffic_managers": TRAFFIC_MANAGERS,
            "certificate": self._control.certificate.view,
        }
        return self._pages.render("overview.html", values)

    async def fragment(self, request: Request) -> Response:
        """GET /live: what changes on the page, for its script."""
        return self._pages.render("live.html", {"view": await self._look()})

    async def missing(self, request: Request, error: Exception) -> Response:
        """Whatever is not here."""
        status = getattr(error, "status_code", 404)
        text = "There is no such page." if status == 404 else "The page does not take this kind of request."
        return self._pages.render(
            "message.html", {"title": self._control.identity.name, "text": text}, status
        )

    async def failed(self, request: Request, error: Exception) -> Response:
        """A fault of ours; what it was is in the log, not on the page."""
        text = "Something went wrong here. The log of the traffic manager says what."
        return self._pages.render("message.html", {"title": self._control.identity.name, "text": text}, 500)

    async def _look(self) -> Overview:
        async with self._looking:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] > FRESH_SECONDS:
                before = self._seen
                status = await self._control.status()
                elapsed = now - before[0] if before else 0.0
                self._seen = (now, overview(status, time.time(), self._status, elapsed))
                self._status = status
            return self._seen[1]
