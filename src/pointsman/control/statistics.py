"""The product's statistics tree, filled from what the data plane counts and what the configuration says.

Invariant: an object of the configuration, and the traffic manager itself, have every counter that their type declares;
what nothing counts yet is zero.
Nothing is computed before it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pointsman.control.status import Figures
from pointsman.control.traffic_ips import TrafficIps
from pointsman.schema.address import split_node
from pointsman.schema.bandwidth import Bandwidth
from pointsman.schema.counter import STATISTIC_TYPES, STATISTICS_BY_PATH, CounterKind
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.persistence import Persistence
from pointsman.schema.pool import NodeRow, Pool
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.history import History
from pointsman.telemetry.machine import Machine

Key = tuple[str, str]
"""Statistics type and object name."""

_SINGLE = tuple(leaf.path for leaf in STATISTIC_TYPES if not leaf.per_object)
_TRAFFIC_IPS = ("traffic_ips/traffic_ip", "traffic_ips/traffic_ip_inet46")
"""The first as older clients read it, which know IPv4 only."""
_NODE_TYPES = ("nodes/node", "nodes/node_inet46")
_PROTOCOLS = {
    "ssl": "sslforwarding",
    "server_first": "genericserverfirst",
    "client_first": "genericclientfirst",
    "dns_tcp": "dnstcp",
}
_ALGORITHMS = {
    "round_robin": "roundrobin",
    "weighted_round_robin": "weightedRoundRobin",
    "perceptive": "perceptive",
    "least_connections": "leastConnections",
    "fastest_response_time": "fastestResponseTime",
    "random": "random",
    "weighted_least_connections": "weightedLeastConnections",
}
_PERSISTENCE = {"ip": "ip", "transparent": "transparent", "cookie": "applicationCookie"}
"""What is acted on; the other types keep no session yet."""
_STATES = {
    NodeState.ALIVE: "alive",
    NodeState.DEAD: "dead",
    NodeState.DRAINING: "draining",
    NodeState.UNKNOWN: "unknown",
    NodeState.DISABLED: "unknown",
}
_NOTHING: Mapping[str, Figures] = {
    kind: {c.name: "unknown" if c.kind is CounterKind.STATE else 0 for c in declared.counters}
    for kind, declared in STATISTICS_BY_PATH.items()
}
"""The counters of a type as long as nothing is known."""
_HALVES = {
    kind: tuple(name for name in counters if name.endswith(("_hi", "_lo")))
    for kind, counters in _NOTHING.items()
}
_BEST_FIRST = (NodeState.ALIVE, NodeState.DRAINING, NodeState.UNKNOWN, NodeState.DEAD, NodeState.DISABLED)


@dataclass(frozen=True)
class _Index:
    """What leads from a name to its objects in one snapshot: `pool_nodes` from "pool-node" to pool and row, `rows_of`
    from a node to all its rows with their pools; `used` are the pools that virtual servers send traffic to.
    """

    snapshot: Snapshot
    pool_nodes: Mapping[str, tuple[str, NodeRow]]
    rows_of: Mapping[str, Sequence[tuple[str, NodeRow]]]
    used: frozenset[str]


def _index_of(snapshot: Snapshot) -> _Index:
    pool_nodes: dict[str, tuple[str, NodeRow]] = {}
    rows_of: dict[str, list[tuple[str, NodeRow]]] = {}
    for name, pool in snapshot.all("pools", Pool):
        for row in pool.basic.nodes_table:
            pool_nodes.setdefault(f"{name}-{row.node}", (name, row))
            rows_of.setdefault(row.node, []).append((name, row))
    used = frozenset(server.basic.pool for _, server in snapshot.all("virtual_servers", VirtualServer))
    return _Index(snapshot, pool_nodes, rows_of, used)


class Statistics(Mapping[Key, Figures]):
    """Counters by (statistics type, object name); singletons such as `globals` have the name ""."""

    def __init__(
        self,
        counters: Counters,
        history: History,
        machine: Machine,
        snapshot: Callable[[], Snapshot],
        health: Callable[[], Mapping[tuple[str, str], NodeHealth]],
        failures: Callable[[str, str], int],
        own: Callable[[], Figures],
        traffic_ips: TrafficIps | None = None,
        node_pings: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        """`failures` counts the failures of a node in a pool, `node_pings` the pings to nodes and their answers.

        `own` gives figures of the traffic manager that only the caller knows, under the names of `globals`.
        """
        self._counters = counters
        self._history = history
        self._machine = machine
        self._snapshot = snapshot
        self._health = health
        self._failures = failures
        self._own = own
        self._traffic_ips = traffic_ips
        self._node_pings = node_pings
        self._started = time.time()
        self._known_index = _index_of(Snapshot())

    def _index(self) -> _Index:
        """The index of the snapshot as it is now."""
        snapshot = self._snapshot()
        if self._known_index.snapshot is not snapshot:
            self._known_index = _index_of(snapshot)
        return self._known_index

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Key]:
        snapshot = self._snapshot()
        for kind in _SINGLE:
            yield kind, ""
        for name, _ in snapshot.all("bandwidth", Bandwidth):
            yield "bandwidth", name
        for name in self._machine.interfaces():
            yield "network_interface", name
        for view in self._traffic_ips.views if self._traffic_ips is not None else ():
            for kind in _TRAFFIC_IPS if ":" not in view.address else _TRAFFIC_IPS[1:]:
                yield kind, view.address
        for name, _ in snapshot.all("virtual_servers", VirtualServer):
            yield "virtual_servers", name
        for name, _ in snapshot.all("pools", Pool):
            yield "pools", name
        index = self._index()
        for name in index.pool_nodes:
            yield "nodes/per_pool_node", name
        for node in sorted(index.rows_of):
            for kind in _NODE_TYPES:
                yield kind, node

    def __getitem__(self, key: Key) -> Figures:
        kind, name = key
        snapshot = self._snapshot()
        match kind:
            case "globals" if not name:
                return _complete(kind, self._globals())
            case "traffic_ips/ip_gateway" if not name:
                return _complete(kind, self._networks())
            case "traffic_ips/traffic_ip" | "traffic_ips/traffic_ip_inet46" if self._traffic_ips is not None:
                if (since := self._traffic_ips.time_since(name)) is not None:
                    held = "raised" if since[0] else "lowered"
                    return _complete(kind, {"state": held, "time": int(since[1] * 100)})
            case _ if not name and kind in _SINGLE:
                return _complete(kind, {})
            case "bandwidth":
                limit = snapshot.get(kind, name, Bandwidth)
                if limit is not None:
                    return _complete(kind, {"maximum": limit.basic.maximum})
            case "network_interface":
                if (interface := self._machine.interfaces().get(name)) is not None:
                    return _complete(kind, interface)
            case "virtual_servers":
                server = snapshot.get(kind, name, VirtualServer)
                if server is not None:
                    return _complete(kind, self._virtual_server(name, server))
            case "pools":
                pool = snapshot.get(kind, name, Pool)
                if pool is not None:
                    return _complete(kind, self._pool(name, pool))
            case "nodes/per_pool_node":
                if (place := self._index().pool_nodes.get(name)) is not None:
                    return self._pool_node(*place)
            case "nodes/node" | "nodes/node_inet46":
                if rows := self._index().rows_of.get(name, ()):
                    state = min((self._state(pool, row) for pool, row in rows), key=_BEST_FIRST.index)
                    shown: dict[str, int | str] = {
                        **self._counters.node(name),
                        "state": _STATES[state],
                        "failures": sum(self._failures(pool, name) for pool, _ in rows),
                        "port": split_node(name)[1],
                    }
                    return _complete(kind, shown)
        raise KeyError(key)

    def _pool_node(self, pool: str, row: NodeRow) -> Figures:
        shown: dict[str, int | str] = {
            **self._counters.pool_node(pool, row.node),
            "state": _STATES[self._state(pool, row)],
            "failures": self._failures(pool, row.node),
            "node_port": split_node(row.node)[1],
        }
        return _complete("nodes/per_pool_node", shown)

    def _state(self, pool: str, row: NodeRow) -> NodeState:
        seen = self._health().get((pool, row.node))
        state = seen.state if seen is not None else NodeState.UNKNOWN
        # What the administrator set is true at once, also in a pool that nothing uses.
        return NodeState.DRAINING if row.state == "draining" and state is not NodeState.DEAD else state

    def _virtual_server(self, name: str, server: VirtualServer) -> Figures:
        protocol = server.basic.protocol
        return {
            **self._counters.virtual_server(name),
            "port": server.basic.port,
            "protocol": _PROTOCOLS.get(protocol, protocol),
        }

    def _pool(self, name: str, pool: Pool) -> Figures:
        rows = pool.basic.nodes_table
        used = name in self._index().used
        states = {row.state for row in rows}
        if "active" in states:
            state = "active" if used else "unused"
        else:
            state = "draining" if "draining" in states else "disabled" if states else "unused"
        return {
            **self._counters.pool(name),
            "algorithm": _ALGORITHMS[pool.load_balancing.algorithm],
            "persistence": self._persistence(pool),
            "state": state,
            "nodes": len(rows),
            "disabled": sum(row.state == "disabled" for row in rows),
            "draining": sum(row.state == "draining" for row in rows),
        }

    def _persistence(self, pool: Pool) -> str:
        entry = self._snapshot().get("persistence", pool.basic.persistence_class, Persistence)
        return _PERSISTENCE.get(entry.basic.type, "none") if entry is not None else "none"

    def _networks(self) -> Figures:
        sent, answered = self._node_pings()
        held = self._traffic_ips.counters if self._traffic_ips is not None else {}
        return {**held, "node_ping_requests": sent, "node_ping_responses": answered}

    def _globals(self) -> Figures:
        peaks = self._history.peaks()
        return {
            **self._counters.traffic_manager(),
            **self._machine.figures(),
            "hourly_peak_bytes_in_per_second": int(peaks.bytes_in),
            "hourly_peak_bytes_out_per_second": int(peaks.bytes_out),
            "hourly_peak_requests_per_second": int(peaks.requests),
            "hourly_peak_ssl_connections_per_second": int(peaks.tls),
            "up_time": int((time.time() - self._started) * 100),
            **self._own(),
        }


def _complete(kind: str, known: Figures) -> Figures:
    """Every counter of the type, in its order; halves of 64-bit counters are taken from the whole."""
    out = dict(_NOTHING[kind])
    for name, value in known.items():
        if name in out:
            out[name] = value
    for name in _HALVES[kind]:
        whole = known.get(name[:-3], 0)
        if name not in known and isinstance(whole, int):
            out[name] = whole >> 32 if name.endswith("_hi") else whole & 0xFFFFFFFF
    return out
