"""Activity > Draining Nodes: what is left on each, how fast it goes, and what shall be done when nothing is left.

Invariant: removing is offered only for a node without connections; a wish for later is shown with who made it, and
with what it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.draining import DrainingNode
from pointsman.control.sessions import MOST
from pointsman.schema.persistence import Persistence
from pointsman.schema.problem import ObjectId
from pointsman.schema.stream import Sessions
from pointsman.web.ui.address import segment
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.services.acts import NODES
from pointsman.web.ui.services.tree import place, why_path
from pointsman.web.ui.visit import Refused, Visit

DRAINING = "/activity/draining"
SHOWN = 200
_KEEPS = {"ip": "table", "cookie": "table", "transparent": "cookie"}
"""Where the sessions of a persistence class are, by its type; other types are not acted on."""
_WISHES = {"disable-when-empty": "disable", "remove-when-empty": "remove", "keep": ""}


@dataclass(frozen=True)
class DrainingLine:
    """A node that drains; `since` is when that was set, 0 when unknown, `by` who did.

    `keeps` is how the pool keeps sessions: "table", "cookie" (only the clients have it), "" for not at all. `bound` is
    how many sessions are the node's, None where that was not counted; `table` how many the pool has, None where the
    engine did not say.
    """

    node: DrainingNode
    since: float
    by: str
    word: str
    pool_path: str
    path: str
    keeps: str
    bound: int | None
    table: int | None


class DrainingPage:
    """Handlers of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._control = desk.control

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [
            self._desk.get(DRAINING, self.show, "Draining"),
            self._desk.get(f"{DRAINING}/live", self.live, "Draining"),
            self._desk.post(f"{DRAINING}/wish", self.wish, "Pools!Edit"),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET: the page."""
        return await self._desk.page(visit, "draining.html", **await self._values(visit))

    async def live(self, visit: Visit) -> Response:
        """GET …/live: what changes on it."""
        return self._desk.part(visit, "draining_live.html", **await self._values(visit))

    async def wish(self, visit: Visit) -> Response:
        """POST with `one` ("wish pool/node")."""
        what, _, word = visit.form.text("one").partition(" ")
        pool, slash, node = word.partition("/")
        if what not in _WISHES or not slash:
            raise Refused("The form says nothing that can be done. Open the page again.")
        one = (unquote(pool), unquote(node))
        await self._control.draining.wish(one, _WISHES[what], visit.author)
        told = {"disable": "will be disabled", "remove": "will be removed"}.get(_WISHES[what])
        visit.tell(
            f"Node {one[1]} {told} as soon as no connection is left on it."
            if told
            else f"Node {one[1]} drains on."
        )
        return back_to(DRAINING)

    async def _values(self, visit: Visit) -> dict[str, Any]:
        nodes = sorted(self._control.draining.nodes(), key=lambda node: -node.connections)
        peers = self._control.draining.peers()
        looker = self._control.live.sessions
        kept = {node.pool for node in nodes[:SHOWN] if self._keeps(node.persistence) == "table"}
        sessions = await looker.of(kept) if looker is not None else {}
        return {
            "unheard": peers.unheard,
            "cluster": bool(peers.told),
            "lines": [await self._line(node, sessions.get(node.pool)) for node in nodes[:SHOWN]],
            "most": MOST,
            "count": len(nodes),
            "more": max(0, len(nodes) - SHOWN),
            "action": NODES,
            "wish_action": f"{DRAINING}/wish",
            "may_write": visit.may("Pools!Edit", write=True),
        }

    def _keeps(self, class_name: str) -> str:
        found = self._control.snapshot.get("persistence", class_name, Persistence)
        return _KEEPS.get(found.basic.type, "") if found is not None else ""

    async def _line(self, node: DrainingNode, sessions: Sessions | None) -> DrainingLine:
        path = ("basic", "nodes_table", node.node, "state")
        set_by = await self._control.last_change(ObjectId("pools", node.pool), path)
        return DrainingLine(
            node,
            set_by.time if set_by is not None else 0.0,
            set_by.author.name if set_by is not None else "",
            place(node.pool, node.node),
            f"/services/pools/{segment(node.pool)}",
            why_path(node.pool, node.node),
            keeps=self._keeps(node.persistence),
            bound=sessions.by_node.get(node.node, 0)
            if sessions is not None and sessions.by_node is not None
            else None,
            table=sessions.total if sessions is not None else None,
        )
