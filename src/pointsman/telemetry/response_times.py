"""Percentiles of response times: of the last `WINDOW_SECONDS` in memory, of ninety days in the database.

Invariant: memory is bounded by the objects that the plan in force knows, as each line about another is left out; what
is shown is made of requests that were told of, each with the weight of those it stands for. TCP services have none:
how long a session lasts says nothing about how quick a node is.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Answered, Proxy, Role
from pointsman.telemetry.database import Database, Statement
from pointsman.telemetry.histogram import Histogram, Percentiles
from pointsman.telemetry.history import RETENTION_DAYS, TOTAL

WINDOW_SECONDS = 30
MINUTES_DAYS = 8
"""Minutes are kept so long: the graphs of a week and less are made of them, longer ones of hours."""
MINUTES_LIMIT = 1_000_000
HOURS_LIMIT = 500_000
"""Rows of some 100 to 200 bytes."""
_HOUR_SECONDS = 3600
_PRUNE_MINUTES = 60
_PRUNE_ROWS = 100_000

_Slice = dict[ObjectId, Histogram]


class ResponseTimes:
    """Fed by `take`; `pending` then gives what must be stored."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._slices: deque[tuple[int, _Slice]] = deque()
        self._window: _Slice = {}
        self._minute = 0
        self._of_minute: _Slice = {}
        self._minutes_done = 0
        self._statements: list[Statement] = []

    def take(self, answers: Iterable[Answered], proxies: Mapping[str, Proxy]) -> None:
        """Takes in what the engine told since the last call; `proxies` says what its names stand for."""
        now = int(self._clock())
        self._advance(now)
        fresh: _Slice = {}
        for answer in answers:
            listener, pool = proxies.get(answer.listener), proxies.get(answer.pool)
            if listener is None or listener.role is not Role.LISTENER or listener.subject is None:
                continue
            for subject in (TOTAL, listener.subject):
                fresh.setdefault(subject, Histogram()).add(answer.waited, answer.weight)
            if pool is not None and pool.role is Role.POOL and pool.subject is not None:
                fresh.setdefault(pool.subject, Histogram()).add(answer.responded, answer.weight)
        if not fresh:
            return
        self._slices.append((now, fresh))
        for subject, histogram in fresh.items():
            self._window.setdefault(subject, Histogram()).merge(histogram)
            self._of_minute.setdefault(subject, Histogram()).merge(histogram)

    def _advance(self, now: int) -> None:
        while self._slices and not now - WINDOW_SECONDS < self._slices[0][0] <= now:
            for subject, histogram in self._slices.popleft()[1].items():
                held = self._window[subject]
                held.take_out(histogram)
                if not held.total:
                    del self._window[subject]
        if now // 60 != self._minute:
            self._end_minute(now)
            self._minute = now // 60

    def _end_minute(self, now: int) -> None:
        at = self._minute * 60
        for identity, histogram in self._of_minute.items():
            key = (identity.type, identity.name)
            packed = histogram.packed()
            self._statements += [
                ("INSERT OR IGNORE INTO series (type, name) VALUES (?, ?)", key),
                (_ADD.format(table="response_minute"), (at, packed, *key)),
                (_ADD.format(table="response_hour"), (at // _HOUR_SECONDS * _HOUR_SECONDS, packed, *key)),
            ]
        self._of_minute = {}
        if self._minutes_done % _PRUNE_MINUTES == 0:
            for table, days, limit in (
                ("response_minute", MINUTES_DAYS, MINUTES_LIMIT),
                ("response_hour", RETENTION_DAYS, HOURS_LIMIT),
            ):
                self._statements.append((_DROP_OLD.format(table=table), (now - days * 86_400,)))
                self._statements.append((_DROP_MANY.format(table=table), (limit, _PRUNE_ROWS)))
        self._minutes_done += 1

    def pending(self) -> list[Statement]:
        """What must be stored since the last call; a transaction that fails costs these minutes."""
        statements, self._statements = self._statements, []
        return statements

    def percentiles(self, identity: ObjectId) -> Percentiles | None:
        """Those of the last `WINDOW_SECONDS`; None without a request that was told of."""
        found = self._window.get(identity)
        return found.percentiles() if found is not None else None

    def figures(self, identity: ObjectId) -> Mapping[str, int]:
        """The same in whole ms, as `response_p50`, `response_p95` and `response_p99`; empty without any."""
        found = self.percentiles(identity)
        return (
            {} if found is None else {f"response_{name}": round(ms) for name, ms in found._asdict().items()}
        )

    async def stored(
        self, identity: ObjectId, since: float, until: float, step: int
    ) -> Mapping[int, Percentiles]:
        """By the beginnings of steps of so many seconds (a multiple of 60), what the database has of them. Raises
        sqlite3.Error.
        """
        by_hours = step % _HOUR_SECONDS == 0
        unit = _HOUR_SECONDS if by_hours else 60
        statement = _READ.format(table="response_hour" if by_hours else "response_minute")
        values = (identity.type, identity.name, int(since) // unit * unit, math.ceil(until))

        def read(connection: sqlite3.Connection) -> dict[int, Histogram]:
            found: dict[int, Histogram] = {}
            for at, packed in connection.execute(statement, values):
                found.setdefault(at // step * step, Histogram()).merge(Histogram.unpacked(packed))
            return found

        merged = await self._database.run(read)
        return {at: known for at, one in merged.items() if (known := one.percentiles()) is not None}


_ADD = (
    "INSERT INTO {table} SELECT ?, id, ? FROM series WHERE type = ? AND name = ? "
    "ON CONFLICT (series, time) DO UPDATE SET counts = merge_packed(counts, excluded.counts)"
)
_DROP_OLD = "DELETE FROM {table} WHERE time < ?"
_DROP_MANY = (
    "DELETE FROM {table} WHERE (SELECT count(*) FROM {table}) > ? AND time < "
    "(SELECT time FROM {table} ORDER BY time LIMIT 1 OFFSET ?)"
)
_READ = (
    "SELECT time, counts FROM {table} WHERE series = (SELECT id FROM series WHERE type = ? AND name = ?) "
    "AND time >= ? AND time < ?"
)
