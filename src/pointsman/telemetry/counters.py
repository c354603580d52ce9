"""Counters of objects under the product's names, added up from the figures of the engine's workers.

Invariant: a counter never goes back, whatever workers come, go, are reloaded or begin anew. A worker's figures are
counted as growth since they were last read ("base"), so a restart of the control plane loses and repeats nothing:
totals and bases are stored together (`pending`, after each reading), and a worker that still runs is read on from its
base. Totals outlive a restart of the whole product too. What grew between the last reading and a worker's death nobody
knows.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.telemetry import figures as fig
from pointsman.telemetry.database import Database, Statement

KEEP_WORKER_SECONDS = 3600
"""A worker not heard of for this long is forgotten (one that finishes long downloads is heard of)."""
KEEP_OBJECT_SECONDS = 86_400
"""An object taken out of the engine keeps its counters for this long: disabling it for a while resets nothing."""

SLICE = 500
"""Rows that are added up at a stretch: some 10 ms."""


class Key(NamedTuple):
    """What figures belong to: an object, or with `node` a node in a pool."""

    type: str
    name: str
    node: str = ""


class _Row(NamedTuple):
    worker: str
    proxy: str
    server: str


class Now(NamedTuple):
    """What goes up and down, for one row of one worker. Times in ms, None when there was no request lately."""

    connections: int
    idle: int
    queued: int
    queue_time: int | None
    response_time: int | None


@dataclass(frozen=True)
class Flow:
    """An object's figures for drawing: totals, connections open now, and the response time in ms (the engine's moving
    mean; None where it measures none, and without a request since the reading before). `errors` are answers with 5xx,
    of a node all that failed there; `failures` requests that failed for an error of transport, of a node likewise all.
    """

    bytes_in: int
    bytes_out: int
    requests: int
    errors: int
    connections: int
    tls: int = 0
    new_connections: int = 0
    client_errors: int = 0
    failures: int = 0
    response: int | None = None


class Counters:
    """Adds up samples. Fed by `absorb`, read by the methods named after the product's statistics."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._totals: dict[Key, tuple[int, ...]] = {}
        self._kinds: dict[Key, str] = {}
        self._highest: dict[Key, int] = {}
        self._bases: dict[_Row, tuple[int, ...]] = {}
        self._now: dict[Key, dict[tuple[str, str], dict[str, Now]]] = {}
        self._by_pool: dict[str, set[Key]] = {}
        self._by_node: dict[str, set[Key]] = {}
        self._fresh: tuple[Key, ...] = ()
        self._workers: dict[str, float] = {}
        self._seen: dict[Key, float] = {}
        self._unsaved_totals: set[Key] = set()
        self._unsaved_bases: set[_Row] = set()
        self._dropped: list[Statement] = []

    def absorb(
        self, samples: Iterable[Sample], proxies: Mapping[str, Proxy], *, complete: bool = True
    ) -> None:
        """Takes in what the engine says now, of all its workers.

        `complete` says that `samples` hold every proxy; otherwise only the proxies in them are brought up to date.
        Rows of proxies that `proxies` does not know, and internal ones, are left out.
        """
        for _ in self.absorbing(samples, proxies, complete=complete):
            pass

    def absorbing(
        self, samples: Iterable[Sample], proxies: Mapping[str, Proxy], *, complete: bool = True
    ) -> Iterator[None]:
        """`absorb` in slices: what waits may run after each of some `SLICE` rows. One at a time, to its end."""
        at = self._clock()
        now: dict[Key, dict[tuple[str, str], dict[str, Now]]] = {}
        workers: set[str] = set()
        for number, sample in enumerate(samples, 1):
            if number % SLICE == 0:
                yield
            workers.add(sample.worker)
            key = _key(sample, proxies)
            if key is None or not sample.figures.get(fig.SESSIONS, "").isdecimal():
                continue
            grew = self._add(key, sample)
            row = now.setdefault(key, {}).setdefault((sample.proxy, sample.server), {})
            row[sample.worker] = _now(sample, grew)
            self._seen[key] = at
        for key, rows in now.items():
            self._now[key] = rows if complete else self._now.get(key, {}) | rows
            if self._kinds[key] == "frontend":
                highest = sum(current.connections for current in self._current(key))
                self._highest[key] = max(self._highest.get(key, 0), highest)
        if complete:
            self._now = now
        for worker in workers:
            self._workers[worker] = at
        self._fresh = tuple(now)
        if complete and workers:
            self._forget(at)

    def _add(self, key: Key, sample: Sample) -> bool:
        """Adds a row's growth to its object; whether it had new sessions."""
        row = _Row(sample.worker, sample.proxy, sample.server)
        found = fig.row_figures(sample.kind, sample.figures)
        base = self._bases.get(row)
        if base is not None and len(base) < len(found):
            base = fig.read_on(sample.kind, base)
        if base is None or len(base) != len(found) or found[0] < base[0]:
            base = (0,) * len(found)
        # Figures read while the worker counts may be out of step with each other: none is taken back.
        held = tuple(map(max, base, found))
        self._kinds[key] = sample.kind
        known = self._bases.get(row)
        if held != known:
            self._bases[row] = held
            # A base of nothing is what an unknown row has anyway: a reload of thousands of rows stores none of them.
            if known is not None or any(held):
                self._unsaved_bases.add(row)
        if held != base or key not in self._totals:
            if key not in self._totals:
                self._know(key)
            total = self._totals.get(key, (0,) * len(held))
            self._totals[key] = tuple(t + h - b for t, h, b in zip(total, held, base, strict=True))
            self._unsaved_totals.add(key)
        return held[0] > base[0]

    def _know(self, key: Key) -> None:
        if key.node:
            self._by_pool.setdefault(key.name, set()).add(key)
            self._by_node.setdefault(key.node, set()).add(key)

    def _forget(self, at: float) -> None:
        for worker in [w for w, seen in self._workers.items() if at - seen > KEEP_WORKER_SECONDS]:
            del self._workers[worker]
            for row in [row for row in self._bases if row.worker == worker]:
                del self._bases[row]
                self._unsaved_bases.discard(row)
            self._dropped.append(("DELETE FROM counter_base WHERE worker = ?", (worker,)))
        for key in [k for k, seen in self._seen.items() if at - seen > KEEP_OBJECT_SECONDS]:
            for table in (self._seen, self._totals, self._kinds, self._highest):
                table.pop(key, None)
            self._by_pool.get(key.name, set()).discard(key)
            self._by_node.get(key.node, set()).discard(key)
            self._unsaved_totals.discard(key)
            self._dropped.append(
                ("DELETE FROM counter_total WHERE type = ? AND name = ? AND node = ?", tuple(key))
            )

    # Reading

    def virtual_server(self, name: str) -> dict[str, int]:
        """Counters of a virtual server; those it has no figures for are left out, and none are there when unknown."""
        key = Key("virtual_servers", name)
        if key not in self._totals:
            return {}
        found = fig.named(fig.FRONTEND, "frontend", self._totals[key])
        lookups = found["http_cache_lookups"]
        return found | {
            "current_conn": sum(now.connections for now in self._current(key)),
            "max_conn": self._highest.get(key, 0),
            "http_cache_hit_rate": found["http_cache_hits"] * 100 // lookups if lookups else 0,
        }

    def pool(self, name: str) -> dict[str, int]:
        """Counters of a pool over all its variants. Queue times are in ms, of the engine's last 1,024 requests."""
        key = Key("pools", name)
        if key not in self._totals:
            return {}
        current = list(self._current(key))
        at_nodes = (now for member in self._by_pool.get(name, ()) for now in self._current(member))
        waits = _spread([now.queue_time for now in current])
        return fig.named(fig.BACKEND, "backend", self._totals[key]) | {
            "conns_queued": sum(now.queued for now in (*current, *at_nodes)),
            "min_queue_time": waits[0],
            "mean_queue_time": waits[1],
            "max_queue_time": waits[2],
        }

    def pool_node(self, pool: str, node: str) -> dict[str, int]:
        """Counters of a node in one pool, over the pool's variants."""
        return self._nodes({Key("pools", pool, node)})

    def node(self, node: str) -> dict[str, int]:
        """Counters of a node over all pools."""
        return self._nodes(self._by_node.get(node, set()))

    def traffic_manager(self) -> dict[str, int]:
        """Sums over everything, under the names of `globals`."""
        sums: dict[str, int] = {}
        for key, total in self._totals.items():
            match self._kinds[key]:
                case "frontend":
                    part = fig.named(fig.FRONTEND_GLOBAL, "frontend", total)
                case "server":
                    part = fig.named(fig.SERVER_GLOBAL, "server", total)
                case _:
                    part = {}
            for name, value in part.items():
                sums[name] = sums.get(name, 0) + value
        listeners = [now for key in self._now if not _is_pool(key) for now in self._current(key)]
        servers = [now for key in self._now if key.node for now in self._current(key)]
        workers = {worker for rows in self._now.values() for row in rows.values() for worker in row}
        return sums | {
            "total_current_conn": sum(now.connections for now in listeners),
            "num_idle_connections": sum(now.idle for now in servers),
            "number_child_processes": len(workers),
        }

    def flows(self) -> Mapping[ObjectId, Flow]:
        """Figures of the virtual servers and pools in the last reading, for the history."""
        return {
            ObjectId(key.type, key.name): self._pool_flow(key) if _is_pool(key) else self._listener_flow(key)
            for key in self._fresh
            if not key.node
        }

    def _listener_flow(self, key: Key) -> Flow:
        by = dict(zip(fig.COLUMNS["frontend"], self._totals[key], strict=True))
        return Flow(
            by["bin"],
            by["bout"],
            by["requests"],
            by["hrsp_5xx"],
            sum(now.connections for now in self._current(key)),
            by["ssl_sess"],
            by["conn_tot"],
            by["hrsp_4xx"],
            sum(by[column] for column in fig.FRONTEND["connection_errors"]),
        )

    def _pool_flow(self, key: Key) -> Flow:
        by = dict(zip(fig.COLUMNS["backend"], self._totals[key], strict=True))
        made = failed = 0
        for member in self._by_pool.get(key.name, ()):
            total = self._totals[member]
            made += total[_NEW_CONNECTIONS]
            failed += sum(total[index] for index in _FAILURES)
        current = list(self._current(key))
        return Flow(
            by["bout"],
            by["bin"],
            by["stot"],
            by["hrsp_5xx"],
            sum(now.connections for now in current),
            new_connections=made,
            client_errors=by["hrsp_4xx"],
            failures=failed,
            response=_mean([now.response_time for now in current]),
        )

    def node_flows(self) -> Iterator[tuple[ObjectId, Flow]]:
        """Figures of the nodes in the last reading, each over all its pools; "in" is what the node sends."""
        for node in dict.fromkeys(key.node for key in self._fresh if key.node):
            keys = self._by_node[node]
            totals = [self._totals[key] for key in keys]
            total = totals[0] if len(totals) == 1 else tuple(map(sum, zip(*totals, strict=True)))
            by = dict(zip(fig.COLUMNS["server"], total, strict=True))
            current = [now for key in keys for now in self._current(key)]
            failed = sum(by[column] for column in fig.ERRORS)
            yield (
                ObjectId("nodes", node),
                Flow(
                    by["bout"],
                    by["bin"],
                    by["stot"],
                    failed,
                    sum(now.connections for now in current),
                    new_connections=by["connect"],
                    failures=failed,
                    response=_mean([now.response_time for now in current]),
                ),
            )

    def names(self, type_path: str) -> tuple[str, ...]:
        """Objects of a type that have figures."""
        return tuple(sorted(key.name for key in self._totals if key.type == type_path and not key.node))

    def pool_nodes(self) -> tuple[tuple[str, str], ...]:
        """(pool, node) of each node that has figures."""
        return tuple(sorted((key.name, key.node) for key in self._totals if key.node))

    def _current(self, key: Key) -> Iterable[Now]:
        for row in self._now.get(key, {}).values():
            yield from row.values()

    def _nodes(self, keys: set[Key]) -> dict[str, int]:
        known = [key for key in keys if key in self._totals]
        if not known:
            return {}
        total = tuple(map(sum, zip(*(self._totals[key] for key in known), strict=True)))
        current = [now for key in known for now in self._current(key)]
        times = _spread([now.response_time for now in current])
        busy, idle = sum(now.connections for now in current), sum(now.idle for now in current)
        return fig.named(fig.SERVER, "server", total) | {
            "current_conn": busy,
            "current_requests": busy + idle,
            "idle_conns": idle,
            "response_min": times[0],
            "response_mean": times[1],
            "response_max": times[2],
        }

    # Storing

    def pending(self) -> list[Statement]:
        """What must be stored since the last call; one transaction, or totals and bases part company."""
        statements, self._dropped = self._dropped, []
        for key in self._unsaved_totals:
            saved = f"{self._kinds[key]} {self._highest.get(key, 0)} {_text(self._totals[key])}"
            statements.append(("INSERT OR REPLACE INTO counter_total VALUES (?, ?, ?, ?)", (*key, saved)))
        for row in self._unsaved_bases:
            statements.append(
                (
                    "INSERT OR REPLACE INTO counter_base VALUES (?, ?, ?, ?)",
                    (*row, _text(self._bases[row])),
                )
            )
        self._unsaved_totals.clear()
        self._unsaved_bases.clear()
        return statements

    def not_saved(self) -> None:
        """Says that the last `pending` could not be stored: everything must be, at the next call."""
        self._unsaved_totals.update(self._totals)
        self._unsaved_bases.update(self._bases)

    async def restore(self, database: Database) -> None:
        """Reads totals and bases back. What another release stored in another form is left out."""
        await database.run(self.load)

    def load(self, connection: sqlite3.Connection) -> None:
        """`restore`, on a connection."""
        at = self._clock()
        for type_path, name, node, saved in connection.execute(
            "SELECT type, name, node, figures FROM counter_total"
        ):
            kind, _, rest = saved.partition(" ")
            highest, *stored = _figures(rest) or (0,)
            total = fig.read_on(kind, tuple(stored))
            if len(total) == len(fig.COLUMNS.get(kind, ())) > 0:
                key = Key(type_path, name, node)
                self._know(key)
                self._kinds[key], self._highest[key], self._totals[key] = kind, highest, total
                self._seen[key] = at
        for worker, proxy, server, saved in connection.execute(
            "SELECT worker, proxy, server, figures FROM counter_base"
        ):
            self._bases[_Row(worker, proxy, server)] = _figures(saved)
            self._workers[worker] = at


def _figures(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split()))
    except ValueError:
        return ()


def _text(figures: tuple[int, ...]) -> str:
    return " ".join(map(str, figures))


def _key(sample: Sample, proxies: Mapping[str, Proxy]) -> Key | None:
    proxy = proxies.get(sample.proxy)
    if proxy is None or proxy.subject is None:
        return None
    subject = proxy.subject
    match proxy.role, sample.kind:
        case (Role.LISTENER, "frontend") | (Role.POOL, "backend"):
            return Key(subject.type, subject.name)
        case (Role.POOL, "server"):
            node = (proxy.nodes or {}).get(sample.server)
            return Key(subject.type, subject.name, node) if node else None
        case _:
            return None


def _now(sample: Sample, grew: bool) -> Now:
    figures = sample.figures
    return Now(
        connections=fig.number(figures.get("scur")),
        idle=fig.number(figures.get("srv_icur")),
        queued=fig.number(figures.get("qcur")),
        queue_time=fig.number(figures.get("qtime")) if grew else None,
        response_time=fig.number(figures.get("rtime")) if grew else None,
    )


def _spread(values: list[int | None]) -> tuple[int, int, int]:
    """Least, mean and greatest of the values there are. The engine gives a moving mean for each row, nothing finer."""
    known = [value for value in values if value is not None]
    return (min(known), sum(known) // len(known), max(known)) if known else (0, 0, 0)


def _mean(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) // len(known) if known else None


_NEW_CONNECTIONS = fig.COLUMNS["server"].index("connect")
_FAILURES = tuple(fig.COLUMNS["server"].index(column) for column in fig.FINAL_ERRORS)


def _is_pool(key: Key) -> bool:
    return key.type == "pools"
