"""Live columns of the lists of virtual servers, pools and traffic IP groups, and what can be done with several.

Invariant: how all objects fare comes from one look; figures are read of what is shown alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import pool_mark, pool_word
from pointsman.web.ui.objects.extra import RowAct, RowState
from pointsman.web.ui.services.acts import GROUPS, SERVERS
from pointsman.web.ui.services.addresses import group_states
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.tree import ServiceMap, why_path
from pointsman.web.ui.visit import Visit

_SWITCH = (RowAct("enable", "Enable", "play"), RowAct("disable", "Disable", "pause"))


class _Listed:
    """What the three have in common."""

    type = ""
    columns: tuple[str, ...] = ()
    acts: tuple[RowAct, ...] = ()
    action = ""

    def __init__(self, desk: Desk, maps: Maps) -> None:
        self._desk = desk
        self._maps = maps
        self._map: ServiceMap | None = None

    def _used(self, name: str) -> int:
        return len(self._desk.control.users_of(ObjectId(self.type, name)))


class ServerColumns(_Listed):
    """Of virtual servers."""

    type = "virtual_servers"
    columns: tuple[str, ...] = ("Connections", "Requests")
    acts: tuple[RowAct, ...] = _SWITCH
    action = SERVERS

    async def states(self, visit: Visit) -> Mapping[str, RowState]:
        """How each fares."""
        self._map = found = await self._maps.fresh()
        return {one.view.name: RowState(one.mark, one.word, one.why) for one in found.services}

    def cells(self, name: str) -> tuple[str | int, ...]:
        """Connections now and requests so far."""
        figures = self._desk.control.live.figures.get(("virtual_servers", name), {})
        return figures.get("current_conn", 0), figures.get("total_requests", 0)


class PoolColumns(_Listed):
    """Of pools."""

    type = "pools"
    columns: tuple[str, ...] = ("Nodes alive", "Used by")

    async def states(self, visit: Visit) -> Mapping[str, RowState]:
        """How each fares."""
        self._map = found = await self._maps.fresh()
        states = {}
        for pool in found.status.pools:
            dead = next((node for node in pool.nodes if node.state is NodeState.DEAD), None)
            text = f"{dead.node}: {dead.reason}" if dead is not None else ""
            path = why_path(pool.name, dead.node) if dead is not None else ""
            states[pool.name] = RowState(pool_mark(pool), pool_word(pool), text, path)
        return states

    def cells(self, name: str) -> tuple[str | int, ...]:
        """How many nodes are alive, and who uses the pool."""
        pool = self._map.pools.get(name) if self._map is not None else None
        alive = sum(node.state is NodeState.ALIVE for node in pool.nodes) if pool is not None else 0
        return alive, self._used(name)


class GroupColumns(_Listed):
    """Of traffic IP groups."""

    type = "traffic_ip_groups"
    columns: tuple[str, ...] = ("Used by",)
    acts: tuple[RowAct, ...] = (*_SWITCH, RowAct("fail-back", "Give back", "undo"))
    action = GROUPS

    async def states(self, visit: Visit) -> Mapping[str, RowState]:
        """How each fares."""
        status = (await self._maps.fresh()).status
        return group_states(self._desk.control.snapshot, status)

    def cells(self, name: str) -> tuple[str | int, ...]:
        """How many virtual servers listen on it."""
        return (self._used(name),)
