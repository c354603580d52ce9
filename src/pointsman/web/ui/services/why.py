"""Why is this node down?: what found it so, since when, what happened before, who changed what, what to try.

Invariant: looking changes nothing; the check that is made when asked for reports, and judges no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.checking import LONGEST_SECONDS, Result
from pointsman.control.node_story import is_about
from pointsman.schema.event import Severity
from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId
from pointsman.store import Transaction
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.events.listing import EVENT_LOG
from pointsman.web.ui.marks import NODE_MARKS
from pointsman.web.ui.services.acts import NODES
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.tree import place, why_path
from pointsman.web.ui.value_text import value_text
from pointsman.web.ui.visit import Refused, Visit

WHY = "/services/why"
_HEADINGS = {
    NodeState.DEAD: "Why is {} down?",
    NodeState.DRAINING: "Why does {} drain?",
    NodeState.DISABLED: "Why is {} disabled?",
    NodeState.UNKNOWN: "Why is nothing known of {}?",
    NodeState.ALIVE: "{} is alive",
}


_SHOWN_LINES = 8
_LONGEST = 160


@dataclass(frozen=True)
class ChangeLine:
    """A transaction as far as it is about the node or its pool: each field with both values as text."""

    revision: int
    time: float
    who: str
    where: str
    reason: str
    lines: tuple[tuple[str, str, str], ...]
    more: int


class Why:
    """Handlers of the page."""

    def __init__(self, desk: Desk, maps: Maps) -> None:
        self._desk = desk
        self._maps = maps

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        one = f"{WHY}/{{pool:object}}/{{node:object}}"
        return [
            self._desk.get(one, self.show, "Pools"),
            self._desk.post(f"{one}/check", self.check, "Pools!Edit"),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /services/why/<pool>/<node>."""
        return await self._page(visit, None)

    async def check(self, visit: Visit) -> Response:
        """POST …/check: asks the node now, and shows what it said."""
        results = await self._desk.control.checking.run(visit.name("pool"), visit.name("node"))
        return await self._page(visit, results)

    async def _page(self, visit: Visit, results: Sequence[Result] | None) -> Response:
        pool, node = visit.name("pool"), visit.name("node")
        view = (await self._maps.fresh()).pools.get(pool)
        row = next((row for row in view.nodes if row.node == node), None) if view is not None else None
        if view is None or row is None:
            raise Refused(f"Pool {pool} has no node {node} (any more).", 404)
        story = await self._desk.control.story_of(view, row)
        values: dict[str, Any] = {
            "story": story,
            "mark": NODE_MARKS[story.node.state],
            "results": results,
            "changes": [_change(change, pool, node) for change in story.changes],
            "path": why_path(pool, node),
            "pool_path": f"/services/pools/{segment(pool)}",
            "word": place(pool, node),
            "action": NODES,
            "seconds": LONGEST_SECONDS,
            "event_mark": event_mark,
            "may_write": visit.may("Pools!Edit", write=True),
            "events_path": EVENT_LOG + listed({"about": f"pools/{pool}", "text": node}),
            "may_events": visit.may("Event_Log"),
            "may_audit": visit.may("Audit_Log"),
        }
        return await self._desk.page(
            visit,
            "why.html",
            heading=_HEADINGS[story.node.state].format(node),
            crumbs=((say("Pools"), "/services/pools"), (pool, f"/services/pools/{segment(pool)}")),
            **values,
        )


def event_mark(severity: Severity) -> str:
    """The mark of an event."""
    return {Severity.INFO: "ok", Severity.WARN: "warn"}.get(severity, "error")


def _change(transaction: Transaction, pool: str, node: str) -> ChangeLine:
    records = [
        record
        for record in transaction.changes
        if record.identity == ObjectId("pools", pool) and is_about(record, node)
    ]
    author = transaction.author
    parts = [f"by {author.surface}"] if author.surface else []
    parts += [f"from {author.address}"] if author.address else []
    return ChangeLine(
        transaction.revision,
        transaction.time,
        author.name or "the product",
        " ".join(parts),
        transaction.reason,
        tuple(
            (
                ".".join(record.path) or str(record.identity),
                value_text(record.before, _LONGEST),
                value_text(record.after, _LONGEST),
            )
            for record in records[:_SHOWN_LINES]
        ),
        max(0, len(records) - _SHOWN_LINES),
    )
