"""What an operator asks first, as values: which services serve, which nodes are down and why, who changed what.

Pure over what it is given. Invariant: state comes from the live data plane and the newest compile, never from the last
request that somebody made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

Level = Literal["ok", "warn", "error", "fatal"]
Figures = Mapping[str, int | str]


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
) -> Status:
    """The status; `figures` by (statistics type, name), `health` and `changes` by (pool, node)."""
    by_subject: dict[ObjectId, list[Condition]] = {}
    for condition in conditions:
        by_subject.setdefault(condition.subject, []).append(condition)
    users: dict[str, list[str]] = {}
    for name, server in snapshot.all("virtual_servers", VirtualServer):
        if server.basic.enabled:
            users.setdefault(server.basic.pool, []).append(name)
    pools = tuple(
        _pool(name, pool, by_subject, health, figures, changes, tuple(users.get(name, ())))
        for name, pool in snapshot.all("pools", Pool)
    )
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


def _pool(
    name: str,
    pool: Pool,
    conditions: Mapping[ObjectId, list[Condition]],
    health: Mapping[tuple[str, str], NodeHealth],
    figures: Mapping[tuple[str, str], Figures],
    changes: Mapping[tuple[str, str], Change],
    used_by: tuple[str, ...],
) -> PoolView:
    nodes = []
    for row in pool.basic.nodes_table:
        seen = health.get((name, row.node))
        change = changes.get((name, row.node))
        state = seen.state if seen else NodeState.UNKNOWN
        # What the administrator set is true at once; the data plane follows within a second.
        if row.state == "disabled":
            state = NodeState.DISABLED
        elif row.state == "draining" and state is not NodeState.DEAD:
            state = NodeState.DRAINING
        nodes.append(
            NodeView(
                node=row.node,
                setting=row.state,
                state=state,
                reason=seen.reason if seen else "",
                since=seen.since if seen else 0.0,
                weight=row.weight,
                priority=row.priority,
                figures=figures.get(("nodes/per_pool_node", f"{name}-{row.node}"), {}),
                changed_by=change.author if change else "",
                changed_at=change.time if change else 0.0,
            )
        )
    return PoolView(
        name=name,
        state=_pool_state(nodes, bool(used_by)),
        algorithm=pool.load_balancing.algorithm,
        nodes=tuple(nodes),
        monitors=tuple(pool.basic.monitors),
        failure_pool=pool.basic.failure_pool,
        figures=figures.get(("pools", name), {}),
        conditions=tuple(conditions.get(ObjectId("pools", name), ())),
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
    return "disabled" if states else "unused"


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
        figures=figures.get(("virtual_servers", name), {}),
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
