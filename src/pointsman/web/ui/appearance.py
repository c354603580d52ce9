"""How pages look in this browser: light, dark, or as its system says.

Invariant: the choice is a cookie of the browser's own and says nothing about who uses it.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.login import local_path
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.visit import THEME_COOKIE, THEMES, Refused, Visit

_SECONDS = 365 * 86_400


class Appearance:
    """Handler of the choice."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [self._desk.post("/theme", self.choose)]

    async def choose(self, visit: Visit) -> Response:
        """POST /theme with theme and next."""
        theme = visit.form.text("theme")
        if theme not in THEMES:
            raise Refused(f"There is no appearance of that name; choose one of {', '.join(THEMES)}.")
        response = back_to(local_path(visit.form.text("next")))
        response.set_cookie(
            THEME_COOKIE, theme, max_age=_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
        )
        return response
