"""The search over pages, objects with their ports and addresses, nodes, settings and wizards: a page of its own, and
the list that opens over any page.

Invariant: only what the user may see is found; it is answered from memory and in bounded time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.forms.label import label_of, section_label
from pointsman.web.ui.objects.kinds import KINDS, pages_of_section
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.services.tree import row_id
from pointsman.web.ui.site import TABS
from pointsman.web.ui.visit import Visit
from pointsman.web.ui.wizards.registry import WIZARDS

MOST = 40
_LONGEST = 200


@dataclass(frozen=True, order=True)
class Hit:
    """Something found; the least `rank` first."""

    rank: int
    title: str
    what: str
    path: str


class Search:
    """Handlers of the search."""

    def __init__(self, desk: Desk, names: Names) -> None:
        self._desk = desk
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [self._desk.get("/search", self.page), self._desk.get("/search/found", self.found)]

    async def page(self, visit: Visit) -> Response:
        """GET /search?q=: the page."""
        words = visit.query("q")[:_LONGEST]
        return await self._desk.page(
            visit, "search.html", heading=say("Search"), words=words, hits=self.hits(visit, words)
        )

    async def found(self, visit: Visit) -> Response:
        """GET /search/found?q=: the list alone."""
        words = visit.query("q")[:_LONGEST]
        return self._desk.part(visit, "found.html", words=words, hits=self.hits(visit, words))

    def hits(self, visit: Visit, words: str) -> list[Hit]:
        """What is found for some words, all of which must occur; the best first."""
        wanted = words.lower().split()
        found = (hit for hit in self._all(visit, wanted) if hit is not None)
        return heapq.nsmallest(MOST, found, key=lambda hit: (hit.rank, hit.title.lower(), hit))

    def _all(self, visit: Visit, wanted: list[str]) -> Iterator[Hit | None]:
        for tab in TABS:
            for place in tab.places:
                if visit.may(place.permission):
                    yield _hit(
                        wanted,
                        say(place.title),
                        say("Page, {tab}", tab=say(tab.title)),
                        place.path,
                        place.words,
                        0,
                    )
        for wizard in WIZARDS:
            if visit.may(wizard.permission, write=True):
                yield _hit(wanted, say(wizard.title), say("Wizard"), wizard.path, wizard.what, 1)
        for pages in KINDS:
            if not visit.may(pages.permission):
                continue
            kind = pages.kind
            if kind.kind is not Kind.SINGLETON:
                if kind.creatable and visit.may(pages.writing, write=True):
                    yield _hit(
                        wanted,
                        say("New {title}", title=say(kind.title)),
                        say("Action"),
                        f"{pages.path}/-/new",
                        "add create make",
                        1,
                    )
                if wanted:
                    for name in self._names(kind.path):
                        identity = ObjectId(kind.path, name)
                        words = self._listens(identity)
                        yield _hit(wanted, name, say(kind.title), address_of(identity), words, 0)
            if wanted:
                for key in kind.keys:
                    where = pages.path
                    if kind.kind is Kind.SINGLETON:
                        on = pages_of_section(kind.path, key.section) or pages
                        where = f"{on.path}#section-{key.section}"
                    what = say(
                        "Setting, {kind}, {section}",
                        kind=say(kind.title),
                        section=section_label(key.section),
                    )
                    yield _hit(wanted, label_of(key.name), what, where, key.path, 3)
        if wanted and visit.may("Pools"):
            yield from self._nodes(wanted)

    def _listens(self, identity: ObjectId) -> str:
        """The port of a virtual server, and the addresses of what has any."""
        match self._desk.control.snapshot.objects.get(identity):
            case VirtualServer(basic=basic):
                return " ".join((str(basic.port), *basic.listen_on_hosts))
            case TrafficIpGroup(basic=basic):
                return " ".join(basic.ipaddresses)
        return ""

    def _nodes(self, wanted: list[str]) -> Iterator[Hit | None]:
        """Each node of each pool, in its row on the pool's page."""
        for name, pool in self._desk.control.snapshot.all("pools", Pool):
            what = say("Node of pool {pool}", pool=name)
            path = address_of(ObjectId("pools", name))
            for row in pool.basic.nodes_table:
                yield _hit(wanted, row.node, what, f"{path}#{row_id(row.node)}", "", 1)


def _hit(wanted: list[str], title: str, what: str, path: str, words: str, rank: int) -> Hit | None:
    """A hit where every word occurs; one that is called so, or whose title begins so, ranks before the others."""
    lower = title.lower()
    text = f"{lower} {what.lower()} {words.lower()}"
    if any(word not in text for word in wanted):
        return None
    if wanted and lower.startswith(" ".join(wanted)):
        rank -= 1 + (lower == " ".join(wanted))
    elif wanted and any(word not in lower for word in wanted):
        rank += 2
    return Hit(rank, title, what, path)
