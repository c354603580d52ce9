"""The control loop's one way into telemetry: a reading of the engine goes in, events come out, everything is stored.

Invariant: nothing here stops the traffic manager: a database that cannot be written costs history, is logged, and is
tried again.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pointsman.schema.event import Event, Severity
from pointsman.schema.health import Verdict
from pointsman.schema.sample import Proxy, Sample
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.database import Database, Statement
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.health import Combined
from pointsman.telemetry.history import History
from pointsman.telemetry.statistics import Statistics
from pointsman.telemetry.tracker import HealthTracker

SAVE_SECONDS = 5.0
"""Counters are stored this often, and at once when a worker came or went."""
_log = logging.getLogger(__name__)


class Telemetry:
    """Holds the parts: `counters`, `health`, `history`, `statistics` to read, `log` to find events in."""

    def __init__(
        self, database: Database, home: Path, clock: Callable[[], float], started: float | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._saved = 0.0
        self._workers: frozenset[str] = frozenset()
        self._unsaved: list[Statement] = []
        self.log = EventLog(database, home / "log" / "events.log", clock=clock)
        self.counters = Counters(clock=clock)
        self.health = HealthTracker(clock=clock)
        self.history = History(database, clock=clock)
        self.statistics = Statistics(
            self.counters, self.health, self.history, lambda: self.log.seen, clock=clock, started=started
        )

    @classmethod
    async def open(
        cls, home: Path, *, clock: Callable[[], float] = time.time, started: float | None = None
    ) -> Telemetry:
        """Opens HOME/telemetry.db and reads back what was stored; `started` is when the product started.

        Raises OSError or sqlite3.Error when HOME cannot be written.
        """
        database = await Database.open(home / "telemetry.db")
        telemetry = cls(database, home, clock, started)
        await telemetry.counters.restore(database)
        await telemetry.health.restore(database)
        if database.set_aside is not None:
            reason = (
                f"The telemetry database was damaged and begun anew; the old one is {database.set_aside.name}"
            )
            await telemetry.record(Event("general", "zxtmswerror", Severity.WARN, None, reason))
        return telemetry

    async def record(self, *events: Event) -> None:
        """Logs events of others."""
        await self.log.append(events)

    async def observe(
        self,
        samples: Sequence[Sample],
        proxies: Mapping[str, Proxy],
        *,
        verdicts: Mapping[tuple[str, str, str], Verdict] = MappingProxyType({}),
        checks: Iterable[tuple[str, str, str]] = (),
        combined: Combined = MappingProxyType({}),
        native: Mapping[str, str] = MappingProxyType({}),
        complete: bool = True,
    ) -> tuple[Event, ...]:
        """Takes in a reading; returns and has logged what turned.

        To be called only once a plan is in force: what `proxies` (the plan's) and `checks` (pool, node, monitor) do not
        name is taken for removed. `verdicts` are those of our own monitors and `combined` what they come to; `native`
        names the monitor that the engine itself runs for a pool. `complete` says that `samples` hold every proxy.
        """
        self.counters.absorb(samples, proxies, complete=complete)
        self.history.record(self.counters.flows())
        events = (
            *self.health.judge(verdicts, checks),
            *self.health.observe(samples, proxies, combined, native=native, complete=complete),
        )
        statements = [*self._unsaved, *self.health.pending()]
        self._unsaved = []
        if (events or statements) and not await self.log.append(events, statements):
            self._unsaved = statements
        changed = complete and self.counters.workers != self._workers
        if changed or self._clock() - self._saved >= SAVE_SECONDS:
            self._workers = self.counters.workers
            await self.save()
        return events

    async def save(self) -> None:
        """Stores counters and history now."""
        self._saved = self._clock()
        statements = [*self.counters.pending(), *self.history.pending()]

        def store(connection: sqlite3.Connection) -> None:
            for sql, values in statements:
                connection.execute(sql, values)

        try:
            await self._database.run(store)
        except sqlite3.Error as error:
            self.counters.not_saved()
            _log.error("telemetry could not be stored: %s", error)

    async def close(self) -> None:
        """Stores what is left and closes the database."""
        await self.save()
        await self._database.close()
