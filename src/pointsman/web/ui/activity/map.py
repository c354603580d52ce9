"""The map of traffic: which pools and nodes the requests of each virtual server go to, and how much each takes.

Invariant: shares are those of the requests between two tables of the statistics page, or of all requests ever counted
where nothing flows now or pools and nodes were last looked at over different times, and the page says which; what does
not fit is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.schema.problem import ObjectId
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.activity.measures import figure
from pointsman.web.ui.activity.tables import KINDS, Row, Tables
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import Mark
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.visit import Visit

MAP = "/activity/map"
LIVE = "/activity/map/rows"
PERMISSION = "Map"
POOLS = 60
ALIKE_SECONDS = 1.5
"""How much the times may differ over which pools and nodes were counted; a reading of the engine may lie between."""
NODES = 20
"""Nodes of a pool that are drawn, the busiest first."""


@dataclass(frozen=True)
class Part:
    """A pool or node with its share (0 to 100) of what is above it, and its requests in words."""

    name: str
    mark: Mark
    word: str
    share: float
    text: str


@dataclass(frozen=True)
class Branch:
    """A pool with the virtual servers that send to it, and its nodes."""

    pool: Part
    address: str
    services: Sequence[str]
    nodes: Sequence[Part]
    more: int


class MapPage:
    """Handlers of the page."""

    def __init__(self, desk: Desk, tables: Tables) -> None:
        self._desk = desk
        self._tables = tables

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(MAP, self.page, PERMISSION),
            self._desk.get(LIVE, self.rows, PERMISSION),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /activity/map."""
        answer = await self._desk.page(visit, "activity_map.html", live=LIVE, **await self._values())
        return self._tables.renewed_behind(answer, KINDS["pools"], KINDS["nodes"])

    async def rows(self, visit: Visit) -> Response:
        """GET /activity/map/rows: what changes, for the page's script."""
        answer = self._desk.part(visit, "activity_map_rows.html", **await self._values())
        return self._tables.renewed_behind(answer, KINDS["pools"], KINDS["nodes"])

    async def _values(self) -> dict[str, Any]:
        of_pools, of_nodes = [await self._tables.table(KINDS[kind]) for kind in ("pools", "nodes")]
        pools, nodes = of_pools.rows, of_nodes.rows
        # Somebody may have looked at the one table alone: rates over other times would not add up.
        alike = abs(of_pools.seconds - of_nodes.seconds) <= ALIKE_SECONDS
        flowing = alike and any((row.rate("total_conn") or 0) > 0 for row in pools)
        members: dict[str, list[Row]] = {}
        for row in nodes:
            members.setdefault(row.within, []).append(row)
        services: dict[str, list[str]] = {}
        for name, server in self._desk.control.snapshot.all("virtual_servers", VirtualServer):
            services.setdefault(server.basic.pool, []).append(name)
        busiest = sorted(pools, key=lambda row: (-_amount(row, flowing), row.name))
        whole = sum(_amount(row, flowing) for row in pools)
        branches = [
            _branch(row, whole, members.get(row.name, []), services.get(row.name, []), flowing)
            for row in busiest[:POOLS]
        ]
        return {"branches": branches, "flowing": flowing, "more": max(0, len(busiest) - POOLS)}


def _amount(row: Row, flowing: bool) -> float:
    if flowing:
        return row.rate("total_conn") or 0.0
    value = row.figures.get("total_conn", 0)
    return float(value) if isinstance(value, int) else 0.0


def _part(row: Row, whole: float, flowing: bool) -> Part:
    amount = _amount(row, flowing)
    text = f"{figure(amount, '/s')}" if flowing else f"{figure(amount, '')} requests"
    return Part(row.name, row.mark, row.word, round(amount * 100 / whole, 1) if whole else 0.0, text)


def _branch(row: Row, whole: float, members: Sequence[Row], services: Sequence[str], flowing: bool) -> Branch:
    busiest = sorted(members, key=lambda member: (-_amount(member, flowing), member.name))
    inside = sum(_amount(member, flowing) for member in members)
    return Branch(
        _part(row, whole, flowing),
        address_of(ObjectId("pools", row.name)),
        services[:NODES],
        [_part(member, inside, flowing) for member in busiest[:NODES]],
        max(0, len(busiest) - NODES),
    )
