"""Services: the map of virtual servers, their pools and nodes; and all nodes of all pools in one list.

Invariant: a page shows at most `PAGE_SIZE` services or nodes and says how many there are; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.status import NodeView
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.columns import Columns, hidden_columns, written
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import BAD, NODE_MARKS, Mark
from pointsman.web.ui.services.acts import NODES, SERVERS
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.tree import CHOICES, ServiceMap, is_of, place, why_path
from pointsman.web.ui.visit import Visit

SERVICES = "/services"
ALL_NODES = "/services/nodes"
PAGE_SIZE = 50
NODE_PAGE_SIZE = 200
_LONGEST = 200
_COLUMNS = ("Pool", "State", "Since", "Connections", "Requests", "Errors")


@dataclass(frozen=True)
class NodeLine:
    """A node of a pool in the list of all nodes; `word` names it in a form."""

    pool: str
    node: NodeView
    mark: Mark
    word: str
    pool_path: str
    path: str


class ServicesOverview:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, maps: Maps) -> None:
        self._desk = desk
        self._maps = maps

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(SERVICES, self.show, "Virtual_Servers"),
            get(f"{SERVICES}/live", self.live, "Virtual_Servers"),
            get(ALL_NODES, self.nodes, "Pools"),
            get(f"{ALL_NODES}/live", self.nodes_live, "Pools"),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /services?q=&state=&page=: the map."""
        values = await self._map(visit)
        return await self._desk.page(visit, "services.html", **values)

    async def live(self, visit: Visit) -> Response:
        """GET /services/live: what changes on it."""
        return self._desk.part(visit, "services_live.html", **await self._map(visit))

    async def nodes(self, visit: Visit) -> Response:
        """GET /services/nodes?q=&state=&page=: every node of every pool."""
        return await self._desk.page(visit, "nodes.html", heading=say("Nodes"), **await self._lines(visit))

    async def nodes_live(self, visit: Visit) -> Response:
        """GET /services/nodes/live: what changes on it."""
        return self._desk.part(visit, "nodes_live.html", **await self._lines(visit))

    async def _map(self, visit: Visit) -> dict[str, Any]:
        found = await self._maps.fresh()
        words, choice = visit.query("q")[:_LONGEST], visit.query("state")
        chosen = found.chosen(choice, words)
        page = visit.number("page", 1, 1, max(1, -(-len(chosen) // PAGE_SIZE)))
        shown = chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        snapshot = self._desk.control.snapshot
        return {
            **_listing(SERVICES, words, choice, page, len(chosen), PAGE_SIZE),
            "map": found,
            "trees": [found.tree(service, snapshot) for service in shown],
            "place": place,
            "why_path": why_path,
            "node_acts": NODES,
            "server_acts": SERVERS,
            "may_nodes": visit.may("Pools!Edit", write=True),
            "may_servers": visit.may("Virtual_Servers!Edit", write=True),
            "may_make": visit.may("Virtual_Servers!Edit", write=True),
        }

    async def _lines(self, visit: Visit) -> dict[str, Any]:
        found = await self._maps.fresh()
        words, choice = visit.query("q")[:_LONGEST], visit.query("state")
        hidden, may_nodes = hidden_columns(visit, len(_COLUMNS)), visit.may("Pools!Edit", write=True)
        lines = _node_lines(found, choice, words)
        page = visit.number("page", 1, 1, max(1, -(-len(lines) // NODE_PAGE_SIZE)))
        shown = lines[(page - 1) * NODE_PAGE_SIZE : page * NODE_PAGE_SIZE]
        return {
            **_listing(ALL_NODES, words, choice, page, len(lines), NODE_PAGE_SIZE, written(hidden)),
            "columns": Columns(_COLUMNS, hidden, before=2 if may_nodes else 1),
            "all": found.node_tally.all,
            "lines": [_line(pool, node) for pool, node in shown],
            "node_acts": NODES,
            "may_nodes": may_nodes,
        }


def _listing(
    path: str, words: str, choice: str, page: int, count: int, size: int, hide: str = ""
) -> dict[str, Any]:
    """What the pages share: filter, choices as links, and turning over."""

    def at(**changed: Any) -> str:
        return listed(
            {"q": words, "state": choice, "hide": hide, "page": page if page > 1 else "", **changed}
        )

    return {
        "path": path,
        "words": words,
        "choice": choice,
        "hide": hide,
        "choices": [(label, path + at(state=value, page=""), value == choice) for value, label in CHOICES],
        "count": count,
        "page": page,
        "more": page * size < count,
        "turned": lambda number: path + at(page=number),
        "live": f"{path}/live{at()}",
        "here": path + at(),
    }


def _node_lines(found: ServiceMap, choice: str, words: str) -> Sequence[tuple[str, NodeView]]:
    """The nodes of a choice, those in trouble first."""
    wanted = words.lower().split()
    lines = [
        (pool.name, node)
        for pool in found.status.pools
        for node in pool.nodes
        if is_of(NODE_MARKS[node.state], choice)
        and all(word in f"{node.node} {pool.name}".lower() for word in wanted)
    ]
    lines.sort(key=lambda line: BAD[NODE_MARKS[line[1].state]])
    return lines


def _line(pool: str, node: NodeView) -> NodeLine:
    return NodeLine(
        pool,
        node,
        NODE_MARKS[node.state],
        place(pool, node.node),
        f"/services/pools/{segment(pool)}",
        why_path(pool, node.node),
    )
