"""Traffic over time: fifteen minutes at the rate of the readings in memory, ninety days in the database, by the minute
and by the hour.

Invariant: memory is bounded in objects (at most `OBJECT_LIMIT`, the first seen) and in points; a time without traffic
or connections is not stored; at most `ROW_LIMIT` minutes and `HOUR_LIMIT` hours are, the oldest go first. So a large
instance loses minutes of long ago before it loses hours.
"""

from __future__ import annotations

import math
import sqlite3
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from pointsman.schema.problem import ObjectId
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import Database, Statement
from pointsman.telemetry.histogram import Percentiles

RECENT_SECONDS = 900
RETENTION_DAYS = 90
OBJECT_LIMIT = 12_000
NODE_RINGS = 250
"""Nodes whose latest points are kept without anybody asking; a page that draws others asks for them (`want`)."""
WANTED_LIMIT = 200
ROW_LIMIT = 10_000_000
"""Some 400 MB of disk."""
HOUR_LIMIT = 5_000_000
"""Some 200 MB: ninety days of more than 2,000 objects that are always busy."""
SLICE = 500
_PRUNE_MINUTES = 60
_PRUNE_ROWS = 100_000
_HOUR = 60
_HOUR_SECONDS = 3600

TOTAL = ObjectId("globals", "")
"""The series of the whole traffic manager: the sum of its virtual servers."""


@dataclass(frozen=True)
class Point:
    """Traffic at one time (Unix): bytes, requests, errors (5xx), new connections, errors of clients (4xx) and failed
    requests per second, and connections open. `response` is the mean response time in ms, of the whole traffic manager
    weighted over its pools, and `p50` to `p99` are percentiles of it; `processor` and `memory` are the machine's use in
    percent, told with `TOTAL` only. None is what nobody measured.
    """

    time: float
    bytes_in: float
    bytes_out: float
    requests: float
    errors: float
    connections: float
    new_connections: float = 0.0
    client_errors: float = 0.0
    failures: float = 0.0
    response: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    processor: float | None = None
    memory: float | None = None


class Times(Protocol):
    """Who knows percentiles of response times."""

    def percentiles(self, identity: ObjectId) -> Percentiles | None:
        """Those of now; None where there are none."""

    async def stored(
        self, identity: ObjectId, since: float, until: float, step: int
    ) -> Mapping[int, Percentiles]:
        """Those of before, by the beginning of each step."""


_NODE_WIDTH = 9
_WIDTH = 12
_TOTAL_WIDTH = 14
_UNKNOWN = (math.nan, math.nan, math.nan)
_GROWING = ("bytes_in", "bytes_out", "requests", "errors", "new_connections", "client_errors", "failures")
"""Totals of a `Flow` that are drawn as rates; the first four are stored."""
_STORED = 4


class _Ring:
    """The latest points, no older than `RECENT_SECONDS`: at most that many, each a time and `width` values."""

    __slots__ = ("next", "times", "values", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.times = array("d")
        self.values = array("f")
        self.next = 0

    def add(self, at: float, values: tuple[float, ...]) -> None:
        count = len(self.times)
        if not count or (count < RECENT_SECONDS and self.times[self.next] > at - RECENT_SECONDS):
            if self.next:
                cut = self.next
                self.times = self.times[cut:] + self.times[:cut]
                self.values = self.values[cut * self.width :] + self.values[: cut * self.width]
                self.next = 0
            self.times.append(at)
            self.values.extend(values)
            return
        self.times[self.next] = at
        self.values[self.next * self.width : (self.next + 1) * self.width] = array("f", values)
        self.next = (self.next + 1) % count

    def points(self, since: float) -> tuple[Point, ...]:
        """Points later than `since`, oldest first."""
        count = len(self.times)
        found: list[Point] = []
        # From the newest back: whoever follows asks for one or two of hundreds.
        for step in range(1, count + 1):
            index = (self.next - step) % count
            if self.times[index] <= since:
                break
            found.append(self._point(index))
        return tuple(reversed(found))

    def _point(self, index: int) -> Point:
        values = self.values[index * self.width : (index + 1) * self.width]
        known = [None if math.isnan(value) else value for value in values[8:]]
        return Point(self.times[index], *values[:8], *known)


@dataclass(frozen=True)
class Peaks:
    """The most in one second of the last hour, over all virtual servers."""

    bytes_in: float = 0.0
    bytes_out: float = 0.0
    requests: float = 0.0
    tls: float = 0.0


class History:
    """Fed by `record` after each reading; `pending` then gives what must be stored. `times` are told with it."""

    def __init__(
        self, database: Database, times: Times | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._times = times
        self._clock = clock
        self._rings: dict[ObjectId, _Ring] = {}
        self._last: dict[ObjectId, tuple[float, Flow]] = {}
        self._rates: dict[ObjectId, tuple[float, ...]] = {}
        self._wanted: dict[ObjectId, float] = {}
        self._node_rings = 0
        self._recorded = 0.0
        self._minute = 0
        self._sums: dict[ObjectId, list[int]] = {}
        self._minutes_done = 0
        self._statements: list[Statement] = []
        self._peaks: deque[tuple[int, Peaks]] = deque(maxlen=_HOUR)
        self.machine: tuple[float, float] = (math.nan, math.nan)
        """Use of processor and memory in percent, told with the next reading."""
        self.listeners: list[Callable[[], None]] = []
        """Called after each reading."""

    def record(self, flows: Mapping[ObjectId, Flow]) -> None:
        """Takes in the objects just read. An object's first reading is where its growth starts from."""
        for _ in self.recording(flows.items()):
            pass

    def recording(self, flows: Iterable[tuple[ObjectId, Flow]]) -> Iterator[None]:
        """`record` in slices: what waits may run after each of some `SLICE` objects. One at a time, to its end."""
        now = self._clock()
        if int(now) // 60 != self._minute:
            self._end_minute()
            self._minute = int(now) // 60
        whole = _Whole()
        for number, (identity, flow) in enumerate(flows, 1):
            if number % SLICE == 0:
                yield
            last = self._last.get(identity)
            if last is None and len(self._last) >= OBJECT_LIMIT:
                continue
            if last is not None and now <= last[0]:
                continue
            self._last[identity] = (now, flow)
            if last is None:
                continue
            grown = _growth(last[1], flow)
            self._take(identity, now, now - last[0], grown, flow)
            if identity.type == "virtual_servers":
                rates = (value / (now - last[0]) for value in grown[:3])
                self._rates[identity] = (*rates, max(0, flow.tls - last[1].tls) / (now - last[0]))
            whole.add(identity, grown, flow)
        self._end_reading(now, whole)

    def _take(
        self, identity: ObjectId, now: float, seconds: float, grown: tuple[int, ...], flow: Flow
    ) -> None:
        ring = self._rings.get(identity) or self._new_ring(identity)
        if ring is not None:
            rates = [value / seconds for value in grown]
            response = math.nan if flow.response is None else float(flow.response)
            quantiles: tuple[float, ...] = ()
            if ring.width != _NODE_WIDTH:
                quantiles = (self._times and self._times.percentiles(identity)) or _UNKNOWN
            more = self.machine if ring.width == _TOTAL_WIDTH else ()
            ring.add(now, (*rates[:4], float(flow.connections), *rates[4:], response, *quantiles, *more))
        if not any(grown[:_STORED]) and not flow.connections:
            return
        sums = self._sums.setdefault(identity, [0] * 5)
        for index in range(_STORED):
            sums[index] += grown[index]
        sums[4] = max(sums[4], flow.connections)

    def _new_ring(self, identity: ObjectId) -> _Ring | None:
        if identity.type == "nodes":
            if self._node_rings >= NODE_RINGS and identity not in self._wanted:
                return None
            self._node_rings += 1
        width = _NODE_WIDTH if identity.type == "nodes" else _TOTAL_WIDTH if identity == TOTAL else _WIDTH
        ring = self._rings[identity] = _Ring(width)
        return ring

    def _end_reading(self, now: float, whole: _Whole) -> None:
        if self._recorded and now > self._recorded:
            flow = Flow(0, 0, 0, 0, whole.connections, response=whole.response)
            self._take(TOTAL, now, now - self._recorded, tuple(whole.grown), flow)
        self._recorded = max(self._recorded, now)
        self._peak(Peaks(*map(sum, zip(*self._rates.values(), strict=True))))
        for listener in self.listeners:
            listener()

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
        at = self._minute * 60
        for identity, sums in self._sums.items():
            key = (identity.type, identity.name)
            self._statements += [
                ("INSERT OR IGNORE INTO series (type, name) VALUES (?, ?)", key),
                (_ADD_MINUTE, (at, *sums, *key)),
                (_ADD_TO_HOUR, (at // _HOUR_SECONDS * _HOUR_SECONDS, *sums, *key)),
            ]
        self._sums.clear()
        now = self._clock()
        for identity in [i for i, (read, _) in self._last.items() if now - read > RECENT_SECONDS]:
            for table in (self._last, self._rates):
                table.pop(identity, None)
            if self._rings.pop(identity, None) is not None and identity.type == "nodes":
                self._node_rings -= 1
        self._wanted = {one: at for one, at in self._wanted.items() if now - at <= RECENT_SECONDS}
        if self._minutes_done % _PRUNE_MINUTES == 0:
            oldest = int(now) - RETENTION_DAYS * 86_400
            for drop_old, drop_many, limit in (
                (_DROP_OLD_MINUTES, _DROP_MINUTES, ROW_LIMIT),
                (_DROP_OLD_HOURS, _DROP_HOURS, HOUR_LIMIT),
            ):
                self._statements.append((drop_old, (oldest,)))
                self._statements.append((drop_many, (limit, _PRUNE_ROWS)))
        self._minutes_done += 1

    def pending(self) -> list[Statement]:
        """What must be stored since the last call; a transaction that fails costs these minutes."""
        statements, self._statements = self._statements, []
        return statements

    def want(self, identity: ObjectId) -> None:
        """Says that somebody draws this object: its latest points are kept for a while, also one of too many nodes."""
        if identity in self._wanted or len(self._wanted) < WANTED_LIMIT:
            self._wanted[identity] = self._clock()

    def requests(self, type_path: str) -> dict[str, float]:
        """How many requests each object of a type had altogether, by name, as of the last reading."""
        return {
            identity.name: float(flow.requests)
            for identity, (_, flow) in self._last.items()
            if identity.type == type_path
        }

    def recent(self, identity: ObjectId, seconds: float = RECENT_SECONDS) -> tuple[Point, ...]:
        """Points of the last seconds, oldest first, one for each reading."""
        return self.after(identity, self._clock() - min(seconds, RECENT_SECONDS))

    def after(self, identity: ObjectId, moment: float) -> tuple[Point, ...]:
        """Points of the last `RECENT_SECONDS` that are later than a moment, oldest first."""
        ring = self._rings.get(identity)
        return ring.points(max(moment, self._clock() - RECENT_SECONDS)) if ring else ()

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

        A step without traffic has no point. Steps of whole hours are read from hours. Raises sqlite3.Error.
        """
        step = max(60, step // 60 * 60)
        by_hours = step % _HOUR_SECONDS == 0
        unit = _HOUR_SECONDS if by_hours else 60

        def read(connection: sqlite3.Connection) -> list[tuple[int, int, int, int, int, int]]:
            return connection.execute(
                _READ_HOURS if by_hours else _READ_MINUTES,
                (step, step, identity.type, identity.name, int(since) // unit * unit, int(until)),
            ).fetchall()

        points = tuple(
            Point(at, bytes_in / step, bytes_out / step, requests / step, errors / step, connections)
            for at, bytes_in, bytes_out, requests, errors, connections in await self._database.run(read)
        )
        if self._times is None or identity.type == "nodes":
            return points
        known = await self._times.stored(identity, since, until, step)
        return tuple(
            replace(point, **known[int(point.time)]._asdict()) if int(point.time) in known else point
            for point in points
        )


class _Whole:
    """Adds up a reading: growth and connections of the virtual servers, response time over the pools."""

    def __init__(self) -> None:
        self.grown = [0] * len(_GROWING)
        self.connections = 0
        self._times = 0
        self._answers = 0

    def add(self, identity: ObjectId, grown: tuple[int, ...], flow: Flow) -> None:
        if identity.type == "virtual_servers":
            for index, value in enumerate(grown):
                self.grown[index] += value
            self.connections += flow.connections
        elif identity.type == "pools" and flow.response is not None:
            self._times += flow.response * grown[2]
            self._answers += grown[2]

    @property
    def response(self) -> int | None:
        """The mean response time in ms, None without answers."""
        return round(self._times / self._answers) if self._answers else None


_ADD_MINUTE = (
    "INSERT OR REPLACE INTO minute SELECT ?, id, ?, ?, ?, ?, ? FROM series WHERE type = ? AND name = ?"
)
_ADD_TO_HOUR = (
    "INSERT INTO hour SELECT ?, id, ?, ?, ?, ?, ? FROM series WHERE type = ? AND name = ? "
    "ON CONFLICT (series, time) DO UPDATE SET bytes_in = bytes_in + excluded.bytes_in, "
    "bytes_out = bytes_out + excluded.bytes_out, requests = requests + excluded.requests, "
    "errors = errors + excluded.errors, connections = max(connections, excluded.connections)"
)
_DROP_OLD_MINUTES = "DELETE FROM minute WHERE time < ?"
_DROP_OLD_HOURS = "DELETE FROM hour WHERE time < ?"
_DROP_MINUTES = (
    "DELETE FROM minute WHERE (SELECT count(*) FROM minute) > ? AND time < "
    "(SELECT time FROM minute ORDER BY time LIMIT 1 OFFSET ?)"
)
_DROP_HOURS = (
    "DELETE FROM hour WHERE (SELECT count(*) FROM hour) > ? AND time < "
    "(SELECT time FROM hour ORDER BY time LIMIT 1 OFFSET ?)"
)
_READ_MINUTES = (
    "SELECT time / ? * ?, sum(bytes_in), sum(bytes_out), sum(requests), sum(errors), max(connections) "
    "FROM minute WHERE series = (SELECT id FROM series WHERE type = ? AND name = ?) "
    "AND time >= ? AND time < ? GROUP BY 1 ORDER BY 1"
)
_READ_HOURS = (
    "SELECT time / ? * ?, sum(bytes_in), sum(bytes_out), sum(requests), sum(errors), max(connections) "
    "FROM hour WHERE series = (SELECT id FROM series WHERE type = ? AND name = ?) "
    "AND time >= ? AND time < ? GROUP BY 1 ORDER BY 1"
)


def _growth(before: Flow, after: Flow) -> tuple[int, ...]:
    """How much each of `_GROWING` grew. This runs for every object of each reading: keep it quick."""
    return (
        max(0, after.bytes_in - before.bytes_in),
        max(0, after.bytes_out - before.bytes_out),
        max(0, after.requests - before.requests),
        max(0, after.errors - before.errors),
        max(0, after.new_connections - before.new_connections),
        max(0, after.client_errors - before.client_errors),
        max(0, after.failures - before.failures),
    )
