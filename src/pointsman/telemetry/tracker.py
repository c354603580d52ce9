"""Follows nodes, pools and monitors from one reading to the next, and says what turned.

Invariant: a node that failed is reported once, and once when it works again, also over reloads, restarts of the engine
and of the control plane: the state behind each event is stored in one transaction with it. Disabling a dead node or
losing sight of it is no recovery; removing it says nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pointsman.schema.event import Event, Severity
from pointsman.schema.health import NodeHealth, NodeState, Verdict
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Sample
from pointsman.telemetry.database import Database, Statement
from pointsman.telemetry.health import Combined, Observed, nodes_of, observe

_ANSWERING = frozenset({NodeState.ALIVE, NodeState.DRAINING, NodeState.UNKNOWN})
_UNSEEN = Observed(NodeState.UNKNOWN, "the engine has not said anything about it yet")


@dataclass(frozen=True)
class _Node:
    """`failed` is the Unix time of the failure last reported, None after recovery; `failures` counts reports."""

    health: NodeHealth
    failed: float | None = None
    failures: int = 0


class HealthTracker:
    """Holds the health of every node. Fed by `observe` and `judge`; what they return must be logged with `pending`."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._health: dict[tuple[str, str], NodeHealth] = {}
        self._observed: dict[tuple[str, str], Observed] = {}
        self._dead_pools: set[str] = set()
        self._verdicts: dict[tuple[str, str, str], Verdict] = {}
        self._statements: list[Statement] = []

    @property
    def nodes(self) -> Mapping[tuple[str, str], NodeHealth]:
        """The health of each node, by (pool, node)."""
        return MappingProxyType(self._health)

    def failures(self, pool: str, node: str) -> int:
        """How often a node was reported as failed."""
        known = self._nodes.get((pool, node))
        return known.failures if known else 0

    @property
    def remembered(self) -> tuple[Verdict, ...]:
        """Verdicts of monitors that were down when last heard of, for `MonitorRunner(remembered=...)`."""
        return tuple(self._verdicts.values())

    def observe(
        self,
        samples: Iterable[Sample],
        proxies: Mapping[str, Proxy],
        combined: Combined,
        *,
        native: Mapping[str, str] = MappingProxyType({}),
        complete: bool = True,
    ) -> tuple[Event, ...]:
        """Takes in a reading of the engine and returns what turned.

        `combined` is what our own monitors say; `native` names the monitor that the engine itself runs for a pool, by
        pool. With `complete`, nodes without a row are unknown; nodes that `proxies` does not name are forgotten.
        """
        seen = observe(samples, proxies, combined)
        return self.take(seen, nodes_of(proxies), native=native, complete=complete)

    def take(
        self,
        seen: Mapping[tuple[str, str], Observed],
        existing: frozenset[tuple[str, str]],
        *,
        native: Mapping[str, str] = MappingProxyType({}),
        complete: bool = True,
    ) -> tuple[Event, ...]:
        """`observe`, of nodes that were judged already: `seen` of those `existing`, by (pool, node)."""
        now = self._clock()
        events: list[Event] = []
        for place in [place for place in self._nodes if place not in existing]:
            del self._nodes[place], self._health[place]
            self._observed.pop(place, None)
            self._statements.append(("DELETE FROM node_health WHERE pool = ? AND node = ?", place))
        for place in sorted(existing):
            found = seen.get(place)
            if found is None:
                if not complete and place in self._nodes:
                    continue
                found = _UNSEEN
            if self._observed.get(place) == found and place in self._nodes:
                continue  # seen twice alike, nothing can have turned
            self._observed[place] = found
            events += self._turn(place, found, native.get(place[0], ""), now)
        pools = {pool for pool, _ in existing}
        return (*events, *self._pools(pools, {pool for pool, _ in seen}))

    def _turn(self, place: tuple[str, str], found: Observed, native: str, now: float) -> list[Event]:
        """One node's next state; the events of its turning."""
        pool, node = place
        known = self._nodes.get(place)
        failed = known.failed if known else None
        if failed is not None and found.state in _ANSWERING and not found.settled:
            return []
        events: list[Event] = []
        subject = ObjectId("pools", pool)
        if found.state is NodeState.DEAD and failed is None:
            failed = now
            if native and found.checked:
                events.append(_monitor_event(pool, node, native, False, found.reason))
            reason = f"Node {node} has failed: {found.reason}"
            events.append(Event("pools", "nodefail", Severity.SERIOUS, subject, reason, node))
        elif found.state in (NodeState.ALIVE, NodeState.DRAINING) and failed is not None:
            failed = None
            if native and found.checked:
                events.append(_monitor_event(pool, node, native, True, ""))
            events.append(
                Event("pools", "nodeworking", Severity.INFO, subject, f"Node {node} is working again", node)
            )
        failures = (known.failures if known else 0) + sum(event.tag == "nodefail" for event in events)
        if found.state is NodeState.DEAD and failed is not None:
            since = failed
        else:
            since = known.health.since if known and known.health.state is found.state else now
        health = NodeHealth(pool, node, found.state, found.reason, since)
        after = _Node(health, failed, failures)
        if after != known:
            self._nodes[place], self._health[place] = after, health
            self._statements.append(
                (
                    "INSERT OR REPLACE INTO node_health VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (pool, node, health.state.value, health.reason, since, failed, failures),
                )
            )
        return events

    def _pools(self, pools: set[str], seen: set[str]) -> list[Event]:
        """Pools that lost their last node or got the first back."""
        events: list[Event] = []
        answering: set[str] = set()
        dead: set[str] = set()
        for (pool, _), node in self._nodes.items():
            if node.health.state is NodeState.DEAD:
                dead.add(pool)
            elif node.health.state in _ANSWERING:
                answering.add(pool)
        for pool in sorted(self._dead_pools - pools):
            self._revive(pool)
        for pool in sorted(pools & seen):
            subject = ObjectId("pools", pool)
            if pool in dead - answering and pool not in self._dead_pools:
                self._dead_pools.add(pool)
                self._statements.append(("INSERT OR REPLACE INTO pool_death VALUES (?)", (pool,)))
                reason = f"Pool {pool} has no working node left"
                events.append(Event("pools", "pooldied", Severity.SERIOUS, subject, reason))
            elif pool in answering and pool in self._dead_pools:
                self._revive(pool)
                reason = f"Pool {pool} has a working node again"
                events.append(Event("pools", "poolok", Severity.INFO, subject, reason))
        return events

    def _revive(self, pool: str) -> None:
        self._dead_pools.discard(pool)
        self._statements.append(("DELETE FROM pool_death WHERE pool = ?", (pool,)))

    def judge(
        self, verdicts: Mapping[tuple[str, str, str], Verdict], checks: Iterable[tuple[str, str, str]]
    ) -> tuple[Event, ...]:
        """Takes in all verdicts of our own monitors and returns those that turned, each once.

        `checks` are the (pool, node, monitor) in force; a verdict whose check is gone is forgotten.
        """
        events: list[Event] = []
        in_force = frozenset(checks)
        for key in [key for key in self._verdicts if key not in in_force]:
            self._drop(key)
        for key, verdict in sorted((key, verdict) for key, verdict in verdicts.items() if key in in_force):
            known = self._verdicts.get(key)
            if verdict.up and known is not None:
                self._drop(key)
                events.append(_monitor_event(*key, True, ""))
            elif not verdict.up and known is None:
                self._verdicts[key] = verdict
                self._statements.append(
                    (
                        "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, 0, ?, ?)",
                        (*key, verdict.reason, verdict.since),
                    )
                )
                events.append(_monitor_event(*key, False, verdict.reason))
        return tuple(events)

    def _drop(self, key: tuple[str, str, str]) -> None:
        del self._verdicts[key]
        self._statements.append(("DELETE FROM verdict WHERE pool = ? AND node = ? AND monitor = ?", key))

    def pending(self) -> list[Statement]:
        """What must be stored in one transaction with the events returned since the last call."""
        statements, self._statements = self._statements, []
        return statements

    async def restore(self, database: Database) -> None:
        """Reads the stored states back; to be called before the first reading."""

        def read(connection: sqlite3.Connection) -> None:
            for pool, node, state, reason, since, failed, failures in connection.execute(
                "SELECT pool, node, state, reason, since, failed, failures FROM node_health"
            ):
                health = NodeHealth(pool, node, NodeState(state), reason, since)
                self._nodes[pool, node] = _Node(health, failed, failures)
                self._health[pool, node] = health
            self._dead_pools = {pool for (pool,) in connection.execute("SELECT pool FROM pool_death")}
            for pool, node, monitor, up, reason, since in connection.execute(
                "SELECT pool, node, monitor, up, reason, since FROM verdict"
            ):
                self._verdicts[pool, node, monitor] = Verdict(pool, node, monitor, bool(up), reason, since)

        await database.run(read)


def _monitor_event(pool: str, node: str, monitor: str, up: bool, reason: str) -> Event:
    where = f"node {node} of pool {pool}" if node else f"pool {pool}"
    text = (
        f"Monitor {monitor} succeeds again for {where}"
        if up
        else f"Monitor {monitor} fails for {where}: {reason}"
    )
    return Event(
        "monitors",
        "monitorok" if up else "monitorfail",
        Severity.INFO if up else Severity.WARN,
        ObjectId("monitors", monitor),
        text,
        node or pool,
    )
