"""How pages look in this browser (light, dark, or as its system says), and their language.

Invariant: a choice is a cookie of the browser's own and says nothing about who uses it.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import AUTOMATIC
from pointsman.console.language.choice import COOKIE as LANGUAGE_COOKIE
from pointsman.console.login import local_path
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.visit import THEME_COOKIE, THEMES, Refused, Visit

_SECONDS = 365 * 86_400


class Appearance:
    """Handlers of the choices."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [self._desk.post("/theme", self.choose), self._desk.post("/language", self.choose_language)]

    async def choose(self, visit: Visit) -> Response:
        """POST /theme with theme and next."""
        theme = visit.form.text("theme")
        if theme not in THEMES:
            raise Refused(f"There is no appearance of that name; choose one of {', '.join(THEMES)}.")
        return _kept(visit, THEME_COOKIE, theme)

    async def choose_language(self, visit: Visit) -> Response:
        """POST /language with language and next."""
        code = visit.form.text("language")
        if code != AUTOMATIC and code not in self._desk.pages.languages():
            raise Refused("There is no catalog of that language here; choose one of the list.")
        return _kept(visit, LANGUAGE_COOKIE, code)


def _kept(visit: Visit, name: str, value: str) -> Response:
    response = back_to(local_path(visit.form.text("next")))
    response.set_cookie(name, value, max_age=_SECONDS, path="/", secure=True, httponly=True, samesite="lax")
    return response
