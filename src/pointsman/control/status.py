"""What an operator asks first, as values: which services serve, which nodes are down and why, who changed what.

Pure over what it is given. Invariant: state comes from the live data plane and the newest compile, never from the last
request that somebody made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Literal

from pointsman.control.disk_space import FULL
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

Level = Literal["ok", "warn", "error", "fatal"]
Figures = Mapping[str, int | str]
FIGURES_LAST = 1.0
"""Seconds; the engine is not asked more often."""


class LateFigures(Mapping[str, int | str]):
    """Figures that are read when somebody first looks at them, and stay as they were then: most readers of a status
    look at the states of all nodes and at the figures of a few. With `lasting`, they are read again when they are older
    than so many seconds.
    """

    __slots__ = ("_at", "_held", "_key", "_lasting", "_source")

    def __init__(
        self,
        source: Mapping[tuple[str, str], Figures],
        key: tuple[str, str],
        lasting: float | None = None,
    ) -> None:
        self._source = source
        self._key = key
        self._lasting = lasting
        self._held: Figures | None = None
        self._at = 0.0

    @property
    def read(self) -> bool:
        """Whether anybody looked."""
        return self._held is not None

    def _all(self) -> Figures:
        held = self._held
        if held is None or (self._lasting is not None and time.monotonic() - self._at > self._lasting):
            held = self._held = self._source.get(self._key, {})
            self._at = time.monotonic()
        return held

    def __getitem__(self, name: str) -> int | str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


@dataclass(frozen=True)
class NodeView:
    """A node of a pool. `setting` is the administrator's (active, draining, disabled), `state` what is so now.

    `since` is Unix time, 0 when unknown; `changed_by` names who last changed the node's row, "" when nobody did.
    """

    node: str
    setting: str
    state: NodeState
    reason: str
    since: float
    weight: int
    priority: int
    figures: Figures
    changed_by: str = ""
    changed_at: float = 0.0


@dataclass(frozen=True)
class PoolView:
    """A pool with its nodes. `state` is the product's: active, disabled, draining, unused or dead."""

    name: str
    state: str
    algorithm: str
    nodes: tuple[NodeView, ...]
    monitors: tuple[str, ...]
    failure_pool: str
    figures: Figures
    conditions: tuple[Condition, ...]
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class ServiceView:
    """A virtual server. `serving` is false when it is disabled, left out or has no node that could answer."""

    name: str
    enabled: bool
    serving: bool
    protocol: str
    port: int
    pool: str
    reason: str
    figures: Figures
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class TrafficIpView:
    """A traffic IP. `holder` is the machine that has it now, "" when none that is heard of has; `since` is Unix time of
    the last change here, 0 when unknown; `order` are the machines in the order in which they take it.
    """

    address: str
    group: str
    holder: str
    since: float
    order: tuple[str, ...]


@dataclass(frozen=True)
class Documents:
    """How the instance fares with configuration documents.

    `directory` is the one whose documents manage the instance, "" when none does. `outcome` of the last import is "ok",
    "warnings", "failed" or "" when there was none; `sentence` says it, `cause` why it failed, with file and line;
    `time` is Unix time, `objects` how many the documents described. `pending` are settings that wait for a restart.
    """

    directory: str
    outcome: str
    sentence: str
    cause: str
    time: float
    objects: int
    pending: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """Everything on one screen; `sentence` says what is wrong, or that nothing is."""

    traffic_manager: str
    version: str
    level: Level
    sentence: str
    revision: int
    in_force: int
    services: tuple[ServiceView, ...]
    pools: tuple[PoolView, ...]
    conditions: tuple[Condition, ...]
    engine: Mapping[str, str | int]
    documents: Documents | None = None
    traffic_ips: tuple[TrafficIpView, ...] = ()
    traffic_ip_errors: tuple[str, ...] = ()
    """What keeps this machine from holding its traffic IPs."""


@dataclass(frozen=True)
class Change:
    """Who last changed something, and when (Unix seconds)."""

    author: str
    time: float


@dataclass(frozen=True)
class DataPlane:
    """What the engine is at.

    `serving` is false while none runs; `listening` are the virtual servers of the plan in force, None when that is not
    known; `refused` says why the newest configuration is not in force, "" when it is or soon will be.
    """

    serving: bool = True
    listening: frozenset[str] | None = None
    refused: str = ""


class Memory:
    """The pools as last observed, with what they were made of. One belongs to one source of figures."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[object, ...], tuple[NodeHealth | None, ...], PoolView]] = {}

    def pool(
        self,
        name: str,
        pool: Pool,
        conditions: Mapping[ObjectId, list[Condition]],
        health: Mapping[tuple[str, str], NodeHealth],
        figures: Mapping[tuple[str, str], Figures],
        changes: Mapping[tuple[str, str], Change],
        used_by: tuple[str, ...],
        used: bool,
    ) -> PoolView:
        """The pool, made anew only where something of it turned."""
        found = tuple(conditions.get(ObjectId("pools", name), ()))
        seen = tuple([health.get((name, row.node)) for row in pool.basic.nodes_table])
        known = self._known.get(name)
        if (
            known is not None
            and known[0][0] is pool
            and known[0][1] is figures
            and known[0][2] is changes
            and known[0][3:] == (found, used_by, used)
            and all(map(is_, known[1], seen))
        ):
            return known[2]
        view = _pool(name, pool, found, seen, figures, changes, used_by, used)
        self._known[name] = ((pool, figures, changes, found, used_by, used), seen, view)
        return view

    def forget(self, names: Iterable[str]) -> None:
        """Keeps these pools only."""
        kept = frozenset(names)
        for name in [name for name in self._known if name not in kept]:
            del self._known[name]


def observe(
    *,
    traffic_manager: str,
    version: str,
    snapshot: Snapshot,
    in_force: int,
    conditions: Iterable[Condition],
    health: Mapping[tuple[str, str], NodeHealth],
    figures: Mapping[tuple[str, str], Figures],
    changes: Mapping[tuple[str, str], Change],
    engine: Mapping[str, str | int],
    plane: DataPlane = DataPlane(),
    documents: Documents | None = None,
    traffic_ips: tuple[TrafficIpView, ...] = (),
    traffic_ip_errors: tuple[str, ...] = (),
    memory: Memory | None = None,
) -> Status:
    """The status; `figures` by (statistics type, name), `health` and `changes` by (pool, node).

    `memory` is of the status before: pools of which nothing turned are taken over from it.
    """
    memory = Memory() if memory is None else memory
    by_subject: dict[ObjectId, list[Condition]] = {}
    for condition in conditions:
        by_subject.setdefault(condition.subject, []).append(condition)
    users: dict[str, list[str]] = {}
    for name, server in snapshot.all("virtual_servers", VirtualServer):
        if server.basic.enabled:
            users.setdefault(server.basic.pool, []).append(name)
    used = _reached(users, snapshot)
    pools = tuple(
        memory.pool(
            name, pool, by_subject, health, figures, changes, tuple(users.get(name, ())), name in used
        )
        for name, pool in snapshot.all("pools", Pool)
    )
    memory.forget(pool.name for pool in pools)
    alive = {
        pool.name: any(node.state in (NodeState.ALIVE, NodeState.UNKNOWN) for node in pool.nodes)
        for pool in pools
    }
    failure = {pool.name: pool.failure_pool for pool in pools}
    services = tuple(
        _service(name, server, by_subject, figures, alive, failure, plane)
        for name, server in snapshot.all("virtual_servers", VirtualServer)
    )
    everything = tuple(condition for found in by_subject.values() for condition in found)
    level, sentence = _verdict(services, pools, everything, plane, documents)
    return Status(
        traffic_manager=traffic_manager,
        version=version,
        level=level,
        sentence=sentence,
        revision=snapshot.revision,
        in_force=in_force,
        services=services,
        pools=pools,
        conditions=everything,
        engine=engine,
        documents=documents,
        traffic_ips=traffic_ips,
        traffic_ip_errors=traffic_ip_errors,
    )


def _reached(pools: Iterable[str], snapshot: Snapshot) -> frozenset[str]:
    """Pools with their failure pools, and theirs."""
    found: set[str] = set()
    for first in pools:
        name = first
        while name and name not in found:
            found.add(name)
            pool = snapshot.get("pools", name, Pool)
            name = pool.basic.failure_pool if pool is not None else ""
    return frozenset(found)


def _pool(
    name: str,
    pool: Pool,
    conditions: tuple[Condition, ...],
    health: tuple[NodeHealth | None, ...],
    figures: Mapping[tuple[str, str], Figures],
    changes: Mapping[tuple[str, str], Change],
    used_by: tuple[str, ...],
    used: bool,
) -> PoolView:
    nodes = []
    for row, seen in zip(pool.basic.nodes_table, health, strict=True):
        change = changes.get((name, row.node))
        state = seen.state if seen else NodeState.UNKNOWN
        # What the administrator set is true at once; the data plane follows within a second.
        if row.state == "disabled":
            state = NodeState.DISABLED
        elif row.state == "draining" and state is not NodeState.DEAD:
            state = NodeState.DRAINING
        reason = seen.reason if seen else ""
        if row.state == "active" and state in (NodeState.DISABLED, NodeState.DRAINING):
            state, reason = NodeState.UNKNOWN, "it was just activated"
        nodes.append(
            NodeView(
                node=row.node,
                setting=row.state,
                state=state,
                reason=reason,
                since=seen.since if seen else 0.0,
                weight=row.weight,
                priority=row.priority,
                figures=LateFigures(figures, ("nodes/per_pool_node", f"{name}-{row.node}"), FIGURES_LAST),
                changed_by=change.author if change else "",
                changed_at=change.time if change else 0.0,
            )
        )
    return PoolView(
        name=name,
        state=_pool_state(nodes, used),
        algorithm=pool.load_balancing.algorithm,
        nodes=tuple(nodes),
        monitors=tuple(pool.basic.monitors),
        failure_pool=pool.basic.failure_pool,
        figures=LateFigures(figures, ("pools", name), FIGURES_LAST),
        conditions=conditions,
        used_by=used_by,
    )


def _pool_state(nodes: Iterable[NodeView], used: bool) -> str:
    states = {node.state for node in nodes}
    if states & {NodeState.ALIVE, NodeState.UNKNOWN}:
        return "active" if used else "unused"
    if NodeState.DEAD in states:
        return "dead"
    if NodeState.DRAINING in states:
        return "draining"
    if states:
        return "disabled"
    return "without nodes" if used else "unused"


def _service(
    name: str,
    server: VirtualServer,
    conditions: Mapping[ObjectId, list[Condition]],
    figures: Mapping[tuple[str, str], Figures],
    alive: Mapping[str, bool],
    failure: Mapping[str, str],
    plane: DataPlane,
) -> ServiceView:
    found = tuple(conditions.get(ObjectId("virtual_servers", name), ()))
    reason = ""
    if not server.basic.enabled:
        reason = "disabled"
    elif rejected := [c.message for c in found if c.standing is Standing.REJECTED]:
        reason = rejected[0]
    elif not plane.serving:
        reason = "the traffic engine is not running"
    elif plane.listening is not None and name not in plane.listening:
        # Whether other machines serve it is theirs to tell.
        elsewhere = any(condition.code == "traffic_ip_group_elsewhere" for condition in found)
        reason = plane.refused or ("" if elsewhere else "it is not in force yet")
    elif server.basic.pool != "discard":
        reason = _pool_reason(server.basic.pool, alive, failure)
    return ServiceView(
        name=name,
        enabled=server.basic.enabled,
        serving=not reason,
        protocol=server.basic.protocol,
        port=server.basic.port,
        pool=server.basic.pool,
        reason=reason,
        figures=LateFigures(figures, ("virtual_servers", name)),
        conditions=found,
    )


def _pool_reason(pool: str, alive: Mapping[str, bool], failure: Mapping[str, str]) -> str:
    tried: list[str] = []
    while pool and pool not in tried:
        if alive.get(pool):
            return ""
        tried.append(pool)
        pool = failure.get(pool, "")
    if tried[0] not in alive:
        return f'there is no pool "{tried[0]}"'
    return f'no node of pool "{tried[0]}" can answer' + (
        " nor of its failure pools" if len(tried) > 1 else ""
    )


def _verdict(
    services: tuple[ServiceView, ...],
    pools: tuple[PoolView, ...],
    conditions: tuple[Condition, ...],
    plane: DataPlane,
    documents: Documents | None,
) -> tuple[Level, str]:
    broken = [service for service in services if service.enabled and not service.serving]
    dead = [(pool.name, node.node) for pool in pools for node in pool.nodes if node.state is NodeState.DEAD]
    rejected = [c for c in conditions if c.standing is Standing.REJECTED]
    warned = [c for c in conditions if c.standing is Standing.WARNING]
    if not plane.serving:
        return "fatal", "The traffic engine is not running and nothing is served; log/haproxy.log says why."
    if plane.refused:
        return "error", f"The newest configuration is refused and the last good one serves: {plane.refused}."
    if broken:
        text = "; ".join(
            f'service "{service.name}" does not serve: {service.reason}' for service in broken[:3]
        )
        return "error", _with_rest(text, len(broken) - 3)
    if rejected:
        # An object's path is not written with a capital.
        return (
            "error",
            f"{rejected[0].subject} is left out: {rejected[0].message}{_rest(len(rejected) - 1)}.",
        )
    if full := [c for c in warned if c.code == FULL]:
        return "error", f"{full[0].subject}: {full[0].message}."
    if documents is not None and documents.outcome == "failed":
        return "error", f"{documents.sentence[:1].upper()}{documents.sentence[1:]}."
    if dead:
        text = "; ".join(f'node {node} of pool "{pool}" is down' for pool, node in dead[:3])
        return "warn", _with_rest(text, len(dead) - 3)
    if warned:
        return "warn", f"{warned[0].subject}: {warned[0].message}{_rest(len(warned) - 1)}."
    serving = sum(service.serving for service in services)
    if not serving:
        return "ok", "No service is set up yet."
    return "ok", "The service serves." if serving == 1 else f"All {serving} services serve."


def _with_rest(text: str, rest: int) -> str:
    return f"{text[:1].upper()}{text[1:]}{_rest(rest)}."


def _rest(rest: int) -> str:
    return f" (and {rest} more)" if rest > 0 else ""
