"""The telemetry database: one SQLite file, one thread that touches it.

Invariant: what is lost with this file is history, never configuration, so a damaged file is set aside and a new one
begun; a commit survives the death of the process, not necessarily a power cut (WAL, synchronous NORMAL).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from pointsman.telemetry.histogram import merge_packed

T = TypeVar("T")
Statement = tuple[str, Sequence[Any]]
"""One SQL statement and its values; part of a transaction."""

SCHEMA_VERSION = 1
_log = logging.getLogger(__name__)
SCHEMA = """
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    severity TEXT NOT NULL,
    section TEXT NOT NULL,
    tag TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    reason TEXT NOT NULL,
    author TEXT NOT NULL
);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_object ON event (type, name, number);

CREATE TABLE node_health (
    pool TEXT NOT NULL, node TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
    failed REAL, failures INTEGER NOT NULL,
    PRIMARY KEY (pool, node)
) WITHOUT ROWID;
CREATE TABLE pool_death (pool TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE verdict (
    pool TEXT NOT NULL, node TEXT NOT NULL, monitor TEXT NOT NULL,
    up INTEGER NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (pool, node, monitor)
) WITHOUT ROWID;

CREATE TABLE counter_total (
    type TEXT NOT NULL, name TEXT NOT NULL, node TEXT NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (type, name, node)
) WITHOUT ROWID;
CREATE TABLE counter_base (
    worker TEXT NOT NULL, proxy TEXT NOT NULL, server TEXT NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (worker, proxy, server)
) WITHOUT ROWID;

CREATE TABLE series (
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (type, name)
);
CREATE TABLE minute (
    time INTEGER NOT NULL, series INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, connections INTEGER NOT NULL,
    PRIMARY KEY (series, time)
) WITHOUT ROWID;
CREATE INDEX minute_time ON minute (time);
"""

HOURS = """
CREATE TABLE hour (
    time INTEGER NOT NULL, series INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, connections INTEGER NOT NULL,
    PRIMARY KEY (series, time)
) WITHOUT ROWID;
CREATE INDEX hour_time ON hour (time);
INSERT INTO hour SELECT time / 3600 * 3600 AS begin, series, sum(bytes_in), sum(bytes_out), sum(requests),
    sum(errors), max(connections) FROM minute GROUP BY series, begin;
"""
"""Minutes added up. A file of an earlier release has none: they are made of its minutes when it is opened; the format
is the same, because such a release leaves the table alone.
"""

RESPONSES = """
CREATE TABLE response_minute (
    time INTEGER NOT NULL, series INTEGER NOT NULL, counts BLOB NOT NULL, PRIMARY KEY (series, time)
) WITHOUT ROWID;
CREATE INDEX response_minute_time ON response_minute (time);
CREATE TABLE response_hour (
    time INTEGER NOT NULL, series INTEGER NOT NULL, counts BLOB NOT NULL, PRIMARY KEY (series, time)
) WITHOUT ROWID;
CREATE INDEX response_hour_time ON response_hour (time);
"""
"""Histograms of response times (`Histogram.packed`), which a file of an earlier release gets in the same way."""


class Database:
    """Runs functions on the connection, one after another, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry")
        self._connection: sqlite3.Connection | None = None
        self.set_aside: Path | None = None
        """Where a damaged file was moved to when the database was opened."""

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Opens or creates the file (0600). Raises OSError or sqlite3.Error when the directory cannot be written."""
        database = cls(path)
        await asyncio.get_running_loop().run_in_executor(database._thread, database._open)
        return database

    def _open(self) -> None:
        try:
            self._connection = _connected(self._path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.set_aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
            _log.error("%s is damaged (%s); it is kept as %s", self._path, error, self.set_aside)
            self._path.rename(self.set_aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._connection = _connected(self._path)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` as one transaction: all of it or nothing. Raises sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        assert self._connection is not None
        with self._connection:
            self._connection.execute("BEGIN")
            return work(self._connection)

    async def close(self) -> None:
        """Waits for what was begun, then closes the file."""
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._connection = None
        self._thread.shutdown(wait=False)


def _connected(path: Path) -> sqlite3.Connection:
    os.close(
        os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    )  # SQLite copies the mode to -wal and -shm
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it has format {version}, and {SCHEMA_VERSION} is known")
        connection.execute("SELECT count(*) FROM counter_total").fetchone()
        for table, script in (("hour", HOURS), ("response_hour", RESPONSES)):
            found = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)
            ).fetchone()
            if found[0] == 0:
                connection.executescript(f"BEGIN;{script}COMMIT")
        connection.create_function("merge_packed", 2, merge_packed, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection
