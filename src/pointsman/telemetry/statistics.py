"""The statistics tree as REST, SNMP and the pages show it: for each leaf its objects and all its declared counters.

Invariant: a leaf always has exactly the declared counters, in their order. What is not measured (see `figures`) is 0; a
state that is not known is the declaration's "unknown" or its first word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pointsman.schema.counter import STATISTICS_BY_PATH, CounterKind
from pointsman.schema.health import NodeState
from pointsman.schema.pool import Pool
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.history import History
from pointsman.telemetry.machine import Machine
from pointsman.telemetry.tracker import HealthTracker

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
_NODE_STATES = {
    NodeState.ALIVE: "alive",
    NodeState.DEAD: "dead",
    NodeState.DRAINING: "draining",
    NodeState.DISABLED: "unknown",
    NodeState.UNKNOWN: "unknown",
}
_HALF = 1 << 32
Figure = int | str


class Statistics:
    """Reads leaves. `started` is when the product started (Unix time); `configured` when the configuration changed."""

    def __init__(
        self,
        counters: Counters,
        health: HealthTracker,
        history: History,
        events_seen: Callable[[], int],
        *,
        clock: Callable[[], float] = time.time,
        started: float | None = None,
    ) -> None:
        self._counters = counters
        self._health = health
        self._history = history
        self._events_seen = events_seen
        self._clock = clock
        self._machine = Machine()
        self._reached: tuple[Snapshot, frozenset[str], frozenset[str]] | None = None
        self.started = clock() if started is None else started
        self.configured = self.started

    def names(self, path: str, snapshot: Snapshot) -> tuple[str, ...]:
        """The objects of a leaf, in order; none for a leaf without objects and for kinds that are not configured."""
        match path:
            case "virtual_servers" | "pools":
                return tuple(sorted(identity.name for identity in snapshot.objects if identity.type == path))
            case "nodes/node" | "nodes/node_inet46":
                nodes = {node for _, node in _pool_nodes(snapshot)}
                return tuple(sorted(n for n in nodes if path == "nodes/node_inet46" or not n.startswith("[")))
            case "nodes/per_pool_node":
                return tuple(sorted(f"{pool}-{node}" for pool, node in _pool_nodes(snapshot)))
            case "network_interface":
                return tuple(sorted(self._machine.interfaces()))
            case _:
                return ()

    def leaf(self, path: str, name: str, snapshot: Snapshot) -> Mapping[str, Figure] | None:
        """All counters of one leaf, or None when there is no such leaf or object. `name` is "" where there is none."""
        declared = STATISTICS_BY_PATH.get(path)
        if declared is None or bool(name) != declared.per_object:
            return None
        measured = self._measured(path, name, snapshot)
        if measured is None:
            return None
        found: dict[str, Figure] = {}
        for counter in declared.counters:
            default: Figure = 0
            if counter.kind is CounterKind.STATE:
                default = "unknown" if "unknown" in counter.values else counter.values[0]
            found[counter.name] = measured.get(counter.name, default)
        return found

    def _measured(self, path: str, name: str, snapshot: Snapshot) -> Mapping[str, Figure] | None:
        """What there is to say about an object; None when it does not exist."""
        match path:
            case "virtual_servers":
                return self._virtual_server(name, snapshot)
            case "pools":
                return self._pool(name, snapshot)
            case "nodes/node" | "nodes/node_inet46":
                return self._node(name) if name in self.names(path, snapshot) else None
            case "nodes/per_pool_node":
                place = next((place for place in _pool_nodes(snapshot) if "-".join(place) == name), None)
                return self._pool_node(*place) if place else None
            case "network_interface":
                return self._machine.interfaces().get(name)
            case "globals":
                return self._globals()
            case _:
                return {} if not name else None

    def _virtual_server(self, name: str, snapshot: Snapshot) -> Mapping[str, Figure] | None:
        configured = snapshot.get("virtual_servers", name, VirtualServer)
        if configured is None:
            return None
        protocol = configured.basic.protocol
        return {
            **self._counters.virtual_server(name),
            "port": configured.basic.port,
            "protocol": _PROTOCOLS.get(protocol, protocol),
        }

    def _pool(self, name: str, snapshot: Snapshot) -> Mapping[str, Figure] | None:
        configured = snapshot.get("pools", name, Pool)
        if configured is None:
            return None
        states = [row.state for row in configured.basic.nodes_table]
        return {
            **self._counters.pool(name),
            "algorithm": _ALGORITHMS[configured.load_balancing.algorithm],
            "disabled": states.count("disabled"),
            "draining": states.count("draining"),
            "nodes": len(states),
            "state": self._pool_state(name, set(states), snapshot),
        }

    def _pool_state(self, name: str, states: set[str], snapshot: Snapshot) -> str:
        """Unused when no virtual server leads here, disabled when only disabled ones do or all nodes are, draining when
        the nodes left are. Rules that choose pools are not looked into.
        """
        if self._reached is None or self._reached[0] is not snapshot:
            self._reached = (snapshot, _reached(snapshot, enabled=False), _reached(snapshot, enabled=True))
        if name not in self._reached[1]:
            return "unused"
        if name not in self._reached[2] or states == {"disabled"}:
            return "disabled"
        return "draining" if states and "active" not in states else "active"

    def _pool_node(self, pool: str, node: str) -> Mapping[str, Figure]:
        health = self._health.nodes.get((pool, node))
        return {
            **self._counters.pool_node(pool, node),
            "failures": self._health.failures(pool, node),
            "node_port": _port(node),
            "state": _NODE_STATES[health.state] if health else "unknown",
        }

    def _node(self, node: str) -> Mapping[str, Figure]:
        figures: dict[str, Figure] = {**self._counters.node(node)}
        pools = [(pool, health) for (pool, other), health in self._health.nodes.items() if other == node]
        states = {health.state for _, health in pools}
        order = (NodeState.DEAD, NodeState.ALIVE, NodeState.DRAINING)
        state = next((state for state in order if state in states), NodeState.UNKNOWN)
        for name in ("bytes_from_node", "bytes_to_node"):
            total = int(figures.get(name, 0))
            figures |= {f"{name}_hi": total // _HALF, f"{name}_lo": total % _HALF}
        return figures | {
            "failures": sum(self._health.failures(pool, node) for pool, _ in pools),
            "port": _port(node),
            "state": _NODE_STATES[state],
        }

    def _globals(self) -> Mapping[str, Figure]:
        peaks = self._history.peaks()
        now = self._clock()
        return {
            **self._machine.figures(),
            **self._counters.traffic_manager(),
            "events_seen": self._events_seen(),
            "hourly_peak_bytes_in_per_second": round(peaks.bytes_in),
            "hourly_peak_bytes_out_per_second": round(peaks.bytes_out),
            "hourly_peak_requests_per_second": round(peaks.requests),
            "hourly_peak_ssl_connections_per_second": round(peaks.tls),
            "time_last_config_update": max(0, int((now - self.configured) * 100)),
            "up_time": max(0, int((now - self.started) * 100)),
        }


def _pool_nodes(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(name, row.node) for name, pool in snapshot.all("pools", Pool) for row in pool.basic.nodes_table]


def _port(node: str) -> int:
    port = node.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0


def _reached(snapshot: Snapshot, *, enabled: bool) -> frozenset[str]:
    """The pools that virtual servers lead to; with `enabled`, those in use alone."""
    return frozenset(
        pool
        for _, server in snapshot.all("virtual_servers", VirtualServer)
        if server.basic.enabled or not enabled
        for pool in _failing_over(server.basic.pool, snapshot)
    )


def _failing_over(first: str, snapshot: Snapshot) -> list[str]:
    """A pool and those its traffic moves on to when all nodes are dead."""
    chain: list[str] = []
    while first and first not in chain:
        chain.append(first)
        pool = snapshot.get("pools", first, Pool)
        first = pool.basic.failure_pool if pool else ""
    return chain
