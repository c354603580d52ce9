"""Traffic over time: ten minutes at the rate of the readings in memory, ninety days by the minute in the database.

Invariant: memory is bounded in objects (at most `OBJECT_LIMIT`, the first seen) and in points; a minute without traffic
or connections is not stored; at most `ROW_LIMIT` minutes are, the oldest go first.
"""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pointsman.schema.problem import ObjectId
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import Database, Statement

RECENT_SECONDS = 600
RETENTION_DAYS = 90
OBJECT_LIMIT = 12_000
ROW_LIMIT = 10_000_000
"""Some 400 MB of disk."""
_PRUNE_MINUTES = 60
_PRUNE_ROWS = 100_000
_HOUR = 60


@dataclass(frozen=True)
class Point:
    """Traffic at one time (Unix): bytes, requests and errors (5xx) per second, and connections open."""

    time: float
    bytes_in: float
    bytes_out: float
    requests: float
    errors: float
    connections: float


class _Ring:
    """The latest points; grows to at most `RECENT_SECONDS` of them, 28 bytes each."""

    WIDTH = 5

    def __init__(self) -> None:
        self.times = array("d")
        self.values = array("f")
        self.next = 0

    def add(self, at: float, values: tuple[float, ...]) -> None:
        if len(self.times) < RECENT_SECONDS:
            self.times.append(at)
            self.values.extend(values)
            return
        self.times[self.next] = at
        self.values[self.next * self.WIDTH : (self.next + 1) * self.WIDTH] = array("f", values)
        self.next = (self.next + 1) % RECENT_SECONDS

    def points(self, since: float) -> tuple[Point, ...]:
        order = [*range(self.next, len(self.times)), *range(self.next)]
        return tuple(
            Point(self.times[i], *self.values[i * self.WIDTH : (i + 1) * self.WIDTH])
            for i in order
            if self.times[i] > since
        )


@dataclass(frozen=True)
class Peaks:
    """The most in one second of the last hour, over all virtual servers."""

    bytes_in: float = 0.0
    bytes_out: float = 0.0
    requests: float = 0.0
    tls: float = 0.0


class History:
    """Fed by `record` after each reading; `pending` then gives what must be stored."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._rings: dict[ObjectId, _Ring] = {}
        self._last: dict[ObjectId, tuple[float, Flow]] = {}
        self._rates: dict[ObjectId, tuple[float, ...]] = {}
        self._minute = 0
        self._sums: dict[ObjectId, list[int]] = {}
        self._minutes_done = 0
        self._statements: list[Statement] = []
        self._peaks: deque[tuple[int, Peaks]] = deque(maxlen=_HOUR)

    def record(self, flows: Mapping[ObjectId, Flow]) -> None:
        """Takes in the objects just read. An object's first reading is where its growth starts from."""
        now = self._clock()
        if int(now) // 60 != self._minute:
            self._end_minute()
            self._minute = int(now) // 60
        for identity, flow in flows.items():
            last = self._last.get(identity)
            if last is None and len(self._last) >= OBJECT_LIMIT:
                continue
            if last is not None and now <= last[0]:
                continue
            self._last[identity] = (now, flow)
            if last is None:
                continue
            seconds, before = now - last[0], last[1]
            grown = _growth(before, flow)
            rates = tuple(value / seconds for value in grown)
            self._rings.setdefault(identity, _Ring()).add(now, (*rates, float(flow.connections)))
            sums = self._sums.setdefault(identity, [0] * 5)
            for index, value in enumerate(grown):
                sums[index] += value
            sums[4] = max(sums[4], flow.connections)
            if identity.type == "virtual_servers":
                self._rates[identity] = (*rates[:3], max(0, flow.tls - before.tls) / seconds)
        self._peak(Peaks(*map(sum, zip(*self._rates.values(), strict=True))))

    def _peak(self, seen: Peaks) -> None:
        if self._peaks and self._peaks[-1][0] == self._minute:
            last = self._peaks.pop()[1]
            seen = Peaks(
                max(seen.bytes_in, last.bytes_in),
                max(seen.bytes_out, last.bytes_out),
                max(seen.requests, last.requests),
                max(seen.tls, last.tls),
            )
        self._peaks.append((self._minute, seen))

    def _end_minute(self) -> None:
        for identity, sums in self._sums.items():
            if any(sums):
                self._statements.append(
                    (
                        "INSERT OR IGNORE INTO series (type, name) VALUES (?, ?)",
                        (identity.type, identity.name),
                    )
                )
                self._statements.append(
                    (
                        "INSERT OR REPLACE INTO minute "
                        "SELECT ?, id, ?, ?, ?, ?, ? FROM series WHERE type = ? AND name = ?",
                        (self._minute * 60, *sums, identity.type, identity.name),
                    )
                )
        self._sums.clear()
        now = self._clock()
        for identity in [i for i, (read, _) in self._last.items() if now - read > RECENT_SECONDS]:
            for table in (self._last, self._rates, self._rings):
                table.pop(identity, None)
        if self._minutes_done % _PRUNE_MINUTES == 0:
            oldest = int(now) - RETENTION_DAYS * 86_400
            self._statements.append(("DELETE FROM minute WHERE time < ?", (oldest,)))
            self._statements.append(
                (
                    "DELETE FROM minute WHERE (SELECT count(*) FROM minute) > ? AND time < "
                    "(SELECT time FROM minute ORDER BY time LIMIT 1 OFFSET ?)",
                    (ROW_LIMIT, _PRUNE_ROWS),
                )
            )
        self._minutes_done += 1

    def pending(self) -> list[Statement]:
        """What must be stored since the last call; a transaction that fails costs these minutes."""
        statements, self._statements = self._statements, []
        return statements

    def recent(self, identity: ObjectId, seconds: float = RECENT_SECONDS) -> tuple[Point, ...]:
        """Points of the last seconds, oldest first, one for each reading."""
        ring = self._rings.get(identity)
        return ring.points(self._clock() - min(seconds, RECENT_SECONDS)) if ring else ()

    def peaks(self) -> Peaks:
        """The peaks of the last hour."""
        within = [peaks for minute, peaks in self._peaks if minute > self._minute - _HOUR]
        return Peaks(
            max((peaks.bytes_in for peaks in within), default=0.0),
            max((peaks.bytes_out for peaks in within), default=0.0),
            max((peaks.requests for peaks in within), default=0.0),
            max((peaks.tls for peaks in within), default=0.0),
        )

    async def stored(
        self, identity: ObjectId, since: float, until: float, step: int = 60
    ) -> tuple[Point, ...]:
        """Points from the database, oldest first: means over `step` seconds (a multiple of 60), connections at most.

        A step without traffic has no point. Raises sqlite3.Error.
        """
        step = max(60, step // 60 * 60)

        def read(connection: sqlite3.Connection) -> list[tuple[int, int, int, int, int, int]]:
            return connection.execute(
                "SELECT time / ? * ?, sum(bytes_in), sum(bytes_out), sum(requests), sum(errors), max(connections) "
                "FROM minute WHERE series = (SELECT id FROM series WHERE type = ? AND name = ?) "
                "AND time >= ? AND time < ? GROUP BY 1 ORDER BY 1",
                (step, step, identity.type, identity.name, int(since), int(until)),
            ).fetchall()

        return tuple(
            Point(at, bytes_in / step, bytes_out / step, requests / step, errors / step, connections)
            for at, bytes_in, bytes_out, requests, errors, connections in await self._database.run(read)
        )


def _growth(before: Flow, after: Flow) -> tuple[int, int, int, int]:
    return (
        max(0, after.bytes_in - before.bytes_in),
        max(0, after.bytes_out - before.bytes_out),
        max(0, after.requests - before.requests),
        max(0, after.errors - before.errors),
    )
