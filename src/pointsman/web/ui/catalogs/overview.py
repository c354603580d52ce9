"""Catalogs: what each of them is for, how many objects it has, how many of them nothing uses or are in trouble.

Invariant: every catalogue that this version has is on the page, and none that it has not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.condition import Standing
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.objects.kinds import KINDS, ObjectPages
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Visit

CATALOGS = "/catalogs"
_NEVER_REFERRED = frozenset({"extra_files", "custom"})
"""Types that no setting refers to: that nothing uses them says nothing."""


@dataclass(frozen=True)
class Card:
    """One catalogue. `unused` is None where that cannot be told."""

    pages: ObjectPages
    count: int
    unused: int | None
    rejected: int
    warned: int
    may_write: bool


class CatalogOverview:
    """Handler of the page."""

    def __init__(self, desk: Desk, names: Names) -> None:
        self._desk = desk
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [self._desk.get(CATALOGS, self.show, "Catalog")]

    async def show(self, visit: Visit) -> Response:
        """GET /catalogs."""
        control = self._desk.control
        used_there = Counter(
            identity.type for identity in control.mentions() if identity in control.snapshot.objects
        )
        worst: dict[tuple[str, str], Standing] = {}
        for condition in control.conditions():
            key = (condition.subject.type, condition.subject.name)
            if condition.standing is Standing.REJECTED:
                worst[key] = Standing.REJECTED
            elif condition.standing is Standing.WARNING:
                worst.setdefault(key, Standing.WARNING)
        standings = Counter((type_path, standing) for (type_path, _), standing in worst.items())
        cards = [
            Card(
                pages=pages,
                count=(count := len(self._names(pages.type))),
                unused=None if pages.type in _NEVER_REFERRED else count - used_there[pages.type],
                rejected=standings[pages.type, Standing.REJECTED],
                warned=standings[pages.type, Standing.WARNING],
                may_write=visit.may(pages.writing, write=True),
            )
            for pages in KINDS
            if pages.path.startswith(f"{CATALOGS}/") and visit.may(pages.permission)
        ]
        return await self._desk.page(visit, "catalogs.html", heading=say("Catalogs"), cards=cards)
