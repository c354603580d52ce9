"""The event log: what happened, kept for 90 days in the database and appended to a text file.

Invariant: one event is one row and one line; nothing in an event can begin another line. Events and the states they
report are written in one transaction, so that neither a crash nor a restart repeats an event.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.database import Database, Statement

RETENTION_DAYS = 90
ROW_LIMIT = 200_000
"""Events kept at most; the oldest go first."""
TEXT_LIMIT = 8192
"""Characters of a reason that are kept."""
FILE_BYTES = 10_000_000
FILES = 5
"""The text file is renamed to `.1` when it has this many bytes; this many old ones are kept."""
PAGE_LIMIT = 1000
WAITING_LIMIT = 10_000
"""Events, and statements with them, that wait at most while the database takes nothing; the oldest go first."""
_PRUNE_EVERY = 500
_log = logging.getLogger(__name__)

_COLUMNS = "number, time, severity, section, tag, type, name, detail, reason, author"
_SECTION_OF_TYPE = {"virtual_servers": "vservers", "traffic_ip_groups": "flipper"}
"""The event log's words for types of objects where they differ from REST's."""


@dataclass(frozen=True)
class LoggedEvent:
    """An event with its place in the log (growing) and its Unix time."""

    number: int
    time: float
    event: Event


@dataclass(frozen=True)
class EventQuery:
    """Which events are wanted; empty means any. `without_tag` leaves those of a tag out.

    `text` is looked for, ignoring the case of ASCII letters, in reason, detail, author and the object's name, `about`
    in the object's type and name ("pools/web"), `reason` in the reason alone; `author` is one author. `tags` are those
    of which any will do.
    `since` and `until` are Unix times; `before` is a number: only older events (for the next page); `after` one as
    well: only newer ones, and then the oldest come first.
    """

    severities: frozenset[Severity] = frozenset()
    section: str = ""
    tag: str = ""
    tags: frozenset[str] = frozenset()
    subject: ObjectId | None = None
    about: str = ""
    author: str = ""
    reason: str = ""
    text: str = ""
    since: float | None = None
    until: float | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 100
    without_tag: str = ""


class EventLog:
    """Appends and finds events. `text_file` gets one line for each; its directory is made when it is missing."""

    def __init__(
        self, database: Database, text_file: Path, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._file = text_file
        self._clock = clock
        self._since_prune = _PRUNE_EVERY
        self.seen = 0
        """Events appended since the start."""
        self.lost = 0
        """Events that could not be stored; each is in the program's own log instead."""
        self._waiting: list[tuple[float, Event]] = []
        self._waiting_along: list[Statement] = []
        self._listeners: set[Callable[[], None]] = set()

    async def append(
        self, events: Sequence[Event], along: Sequence[Statement] = (), figures: Sequence[Statement] = ()
    ) -> bool:
        """Stores events, oldest first, with the statements `along` and `figures` in one transaction.

        False when the database refuses; then nothing is stored. Where it may take them later (disk full), events and
        `along` wait for the next call, while `figures` are given up: the caller knows newer ones by then.
        """
        now = self._clock()
        self.seen += len(events)
        self._since_prune += len(events)
        batch = [*self._waiting, *((_time_of(event, now), event) for event in events)]
        statements = [*self._waiting_along, *along]
        prune = self._since_prune >= _PRUNE_EVERY
        if prune:
            self._since_prune = 0
        try:
            await self._database.run(
                lambda connection: _store(connection, now, batch, [*statements, *figures], prune)
            )
        except sqlite3.Error as error:
            for event in events:
                _log.error("event not stored (%s): %s", error, text_line(event, now))
            passing = isinstance(error, sqlite3.OperationalError)
            self._waiting = batch[-WAITING_LIMIT:] if passing else []
            self._waiting_along = statements[-WAITING_LIMIT:] if passing else []
            self.lost += len(batch) - len(self._waiting)
            return False
        self._waiting, self._waiting_along = [], []
        if batch:
            lines = "".join(f"{text_line(event, at)}\n" for at, event in batch)
            await asyncio.get_running_loop().run_in_executor(None, _write, self._file, lines)
            for listener in tuple(self._listeners):
                listener()
        return True

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has `listener` called, in the event loop, after new events were stored; gives what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def find(self, query: EventQuery = EventQuery()) -> tuple[LoggedEvent, ...]:
        """Events that match, newest first. Raises sqlite3.Error."""
        sql, values = _select(query)
        rows = await self._database.run(lambda connection: connection.execute(sql, values).fetchall())
        return tuple(_logged(row) for row in rows)

    async def one(self, number: int) -> LoggedEvent | None:
        """The event of a number; None where there is none, or none any more. Raises sqlite3.Error."""
        sql = f"SELECT {_COLUMNS} FROM event WHERE number = ?"  # noqa: S608 - constant columns
        row = await self._database.run(lambda connection: connection.execute(sql, (number,)).fetchone())
        return None if row is None else _logged(row)

    async def newest(self) -> int:
        """The number of the newest event, 0 where there is none. Raises sqlite3.Error."""
        sql = "SELECT coalesce(max(number), 0) FROM event"
        (number,) = await self._database.run(lambda connection: connection.execute(sql).fetchone())
        return int(number)

    async def tags(self) -> tuple[str, ...]:
        """Every tag that occurs in the log, sorted. Raises sqlite3.Error."""
        sql = "SELECT DISTINCT tag FROM event ORDER BY tag"
        rows = await self._database.run(lambda connection: connection.execute(sql).fetchall())
        return tuple(str(tag) for (tag,) in rows)


def one_line(text: str) -> str:
    """`text` with everything that could end a line or a field, or move a terminal's cursor, written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character == " " or character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def object_name(event: Event) -> str:
    """The object as the event log writes it: "pools/web", or the section alone when there is none."""
    if event.subject is None:
        return event.section
    kind = _SECTION_OF_TYPE.get(event.subject.type, event.subject.type)
    return f"{kind}/{event.subject.name}" if event.subject.name else kind


def _time_of(event: Event, now: float) -> float:
    """When an event happened; never in the future, whatever the clock said then."""
    return now if event.at is None else min(event.at, now)


def text_line(event: Event, at: float) -> str:
    """Severity, object, tag, time (UTC), detail, author and text, separated by tabs.

    Programs take the first field as severity, the second as object, the third as tag and the last as text.
    """
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = (
        event.severity.value,
        object_name(event),
        event.tag,
        when,
        event.detail,
        event.author,
        event.reason,
    )
    return "\t".join(one_line(field[:TEXT_LIMIT]) for field in fields)


def _store(
    connection: sqlite3.Connection,
    now: float,
    events: Sequence[tuple[float, Event]],
    along: Sequence[Statement],
    prune: bool,
) -> None:
    for sql, values in along:
        connection.execute(sql, values)
    connection.executemany(
        "INSERT INTO event (time, severity, section, tag, type, name, detail, reason, author) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                at,
                event.severity.value,
                event.section,
                event.tag,
                event.subject.type if event.subject else "",
                event.subject.name if event.subject else "",
                event.detail,
                event.reason[:TEXT_LIMIT],
                event.author,
            )
            for at, event in events
        ],
    )
    if prune:
        connection.execute("DELETE FROM event WHERE time < ?", (now - RETENTION_DAYS * 86_400,))
        connection.execute(
            "DELETE FROM event WHERE number <= (SELECT max(number) FROM event) - ?", (ROW_LIMIT,)
        )


def _select(query: EventQuery) -> Statement:
    terms: list[tuple[str, tuple[object, ...]]] = []
    if query.severities:
        names = sorted(severity.value for severity in query.severities)
        terms.append((f"severity IN ({','.join('?' * len(names))})", tuple(names)))
    if query.section:
        terms.append(("section = ?", (query.section,)))
    if query.tag:
        terms.append(("tag = ?", (query.tag,)))
    if query.without_tag:
        terms.append(("tag <> ?", (query.without_tag,)))
    if query.tags:
        terms.append((f"tag IN ({','.join('?' * len(query.tags))})", tuple(sorted(query.tags))))
    if query.author:
        terms.append(("author = ?", (query.author,)))
    if query.reason:
        terms.append(("reason LIKE ? ESCAPE '\\'", (_containing(query.reason),)))
    if query.about:
        terms.append(("type || '/' || name LIKE ? ESCAPE '\\'", (_containing(query.about),)))
    if query.subject is not None:
        terms.append(("type = ? AND name = ?", (query.subject.type, query.subject.name)))
    if query.text:
        fields = ("reason", "detail", "author", "name")
        found = " OR ".join(f"{field} LIKE ? ESCAPE '\\'" for field in fields)
        terms.append((f"({found})", (_containing(query.text),) * len(fields)))
    if query.since is not None:
        terms.append(("time >= ?", (query.since,)))
    if query.until is not None:
        terms.append(("time <= ?", (query.until,)))
    if query.before is not None:
        terms.append(("number < ?", (query.before,)))
    if query.after is not None:
        terms.append(("number > ?", (query.after,)))
    where = " AND ".join(term for term, _ in terms) or "1"
    values = [value for _, some in terms for value in some]
    order = "DESC" if query.after is None else "ASC"
    sql = f"SELECT {_COLUMNS} FROM event WHERE {where} ORDER BY number {order} LIMIT ?"  # noqa: S608 - values are bound
    return sql, [*values, max(0, min(query.limit, PAGE_LIMIT))]


def _containing(text: str) -> str:
    """The pattern of what holds a text."""
    return "%" + "".join(f"\\{c}" if c in "\\%_" else c for c in text) + "%"


def _logged(row: tuple[int, float, str, str, str, str, str, str, str, str]) -> LoggedEvent:
    number, at, severity, section, tag, kind, name, detail, reason, author = row
    subject = ObjectId(kind, name) if kind else None
    return LoggedEvent(number, at, Event(section, tag, Severity(severity), subject, reason, detail, author))


def _write(path: Path, lines: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size >= FILE_BYTES:
            for number in range(FILES - 1, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                if older.exists():
                    older.rename(path.with_name(f"{path.name}.{number + 1}"))
            path.rename(path.with_name(f"{path.name}.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(lines)
    except OSError as error:
        _log.error("%s cannot be written: %s", path, error.strerror)
