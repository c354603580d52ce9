"""The home page: what is wrong now, what there is, how its services fare, and what happened last.

Invariant: it changes nothing but what one browser no longer wants to see; what it shows is at most a second old.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.telemetry.event_log import EventQuery
from pointsman.telemetry.history import TOTAL
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.events.filters import AUDIT, AUDIT_TAG
from pointsman.web.ui.events.listing import ShownEvent, shown_events
from pointsman.web.ui.home_view import HomeView, Spark, home_view, spark
from pointsman.web.ui.licences import ADD, LICENSES, UNLICENSED
from pointsman.web.ui.overview import Overview
from pointsman.web.ui.visit import Visit

LIVE = "/live"
DISMISSED = "pointsman-begun"
"""The cookie of a browser whose user does not want to see the first steps any more."""
_YEAR = 365 * 86_400
_EVENTS = 10
_SECONDS = 600.0


@dataclass(frozen=True)
class Step:
    """One of the first steps: whether it is done, and where it is."""

    text: str
    done: bool
    path: str


class Home:
    """Handlers of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: tuple[Overview | None, HomeView | None] = (None, None)

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get("/", self.page, "MainIndex"),
            self._desk.get(LIVE, self.fragment, "MainIndex"),
            self._desk.post("/first-steps/dismiss", self.dismiss),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /: the whole page."""
        control = self._desk.control
        if control.licensing.choice_open and visit.may(ADD, write=True):
            return RedirectResponse(UNLICENSED, 303)
        view = await self._view()
        return await self._desk.page(
            visit,
            "home.html",
            live=LIVE,
            certificate=control.certificate.view,
            steps=self._steps(visit, view),
            **await self._values(visit, view),
        )

    async def fragment(self, visit: Visit) -> Response:
        """GET /live: what changes on the page, for its script."""
        return self._desk.part(visit, "home_live.html", **await self._values(visit, await self._view()))

    async def dismiss(self, visit: Visit) -> Response:
        """POST /first-steps/dismiss: this browser does not show them again."""
        response = back_to("/")
        response.set_cookie(
            DISMISSED, "yes", max_age=_YEAR, path="/", secure=True, httponly=True, samesite="lax"
        )
        return response

    async def _view(self) -> HomeView:
        seen = await self._desk.look.fresh()
        known, made = self._made
        if made is None or known is not seen:
            clustering = self._desk.control.clustering
            made = home_view(seen, None if clustering is None else clustering.view())
            self._made = (seen, made)
        return made

    async def _values(self, visit: Visit, view: HomeView) -> dict[str, Any]:
        return {
            "view": view,
            "events": await self._events(visit),
            "sparks": self._sparks(visit),
            "now": view.overview.now,
        }

    async def _events(self, visit: Visit) -> Sequence[ShownEvent] | None:
        """The newest events; None where there is no log to read, or not for this user."""
        log = self._desk.control.live.events
        if log is None or not visit.may("Event_Log"):
            return None
        try:
            return shown_events(
                await log.find(EventQuery(limit=_EVENTS, without_tag="" if visit.may(AUDIT) else AUDIT_TAG))
            )
        except sqlite3.Error:
            return None

    def _sparks(self, visit: Visit) -> list[tuple[str, str, Spark | None]]:
        history = self._desk.control.live.history
        if history is None or not visit.may("Monitoring"):
            return []
        points = history.recent(TOTAL, _SECONDS)
        return [
            (title, unit, spark(points, of, visit.now, _SECONDS))
            for title, unit, of in (
                ("Requests", "a second", "requests"),
                ("Connections", say("open"), "connections"),
            )
        ]

    def _steps(self, visit: Visit, view: HomeView) -> list[Step]:
        """The first steps; none once all are done, or where this browser does not want them."""
        if visit.request.cookies.get(DISMISSED) == "yes" or not visit.may("Virtual_Servers!Edit", write=True):
            return []
        control = self._desk.control
        services = view.overview.status.services
        served = any(service.figures.get("total_requests") for service in services)
        if served:
            return []
        generated = (control.backups.home / "admin-password").exists()
        return [
            Step("Choose a licence", not control.licensing.choice_open, LICENSES),
            Step("Replace the generated password by one of your own", not generated, "/account"),
            Step("Make the first service", bool(services), "/wizards"),
            Step(
                "Send it the first request",
                served,
                "/services/virtual-servers" if services else "/diagnose/explain",
            ),
        ]
