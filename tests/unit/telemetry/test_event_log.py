"""The event log: what goes in comes out once, in one line."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.telemetry import event_log
from pointsman.telemetry.database import Database
from pointsman.telemetry.event_log import EventLog, EventQuery, one_line, text_line

WEB = ObjectId("pools", "web")
FAILED = Event("pools", "nodefail", Severity.SERIOUS, WEB, "Node a:80 has failed: connection refused", "a:80")
STOPPED = Event(
    "vservers", "vsstop", Severity.INFO, ObjectId("virtual_servers", "shop"), "Stopped", "", "admin"
)
AUDIT = Event("general", "audit", Severity.INFO, None, "100% of it_\\ done")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    database = await Database.open(tmp_path / "telemetry.db")
    yield EventLog(database, tmp_path / "log" / "events.log", clock=Clock())
    await database.close()


EVERYTHING = EventQuery()


async def found(log: EventLog, query: EventQuery = EVERYTHING) -> list[Event]:
    return [logged.event for logged in await log.find(query)]


async def test_events_are_found_newest_first_and_by_every_filter(log: EventLog) -> None:
    for event in (FAILED, STOPPED, AUDIT):
        await log.append([event])
    logged = await log.find()
    assert [entry.event for entry in logged] == [AUDIT, STOPPED, FAILED]
    assert [entry.time for entry in logged] == [1_800_000_003.25, 1_800_000_002.25, 1_800_000_001.25]
    for query, events in (
        (EventQuery(severities=frozenset({Severity.SERIOUS, Severity.FATAL})), [FAILED]),
        (EventQuery(section="vservers"), [STOPPED]),
        (EventQuery(tag="audit"), [AUDIT]),
        (EventQuery(subject=WEB), [FAILED]),
        (EventQuery(text="REFUSED"), [FAILED]),
        (EventQuery(text="a:8"), [FAILED]),
        (EventQuery(text="adm"), [STOPPED]),
        (EventQuery(text="sho"), [STOPPED]),
        (EventQuery(text="0% of it_\\ "), [AUDIT]),
        (EventQuery(text="%"), [AUDIT]),
        (EventQuery(text="' OR 1 --"), []),
        (EventQuery(since=1_800_000_002, until=1_800_000_003), [STOPPED]),
        (EventQuery(limit=2), [AUDIT, STOPPED]),
        (EventQuery(before=logged[0].number, limit=1), [STOPPED]),
        (EventQuery(limit=-1), []),
    ):
        assert await found(log, query) == events, query
    assert (log.seen, log.lost) == (3, 0)


async def test_an_event_bears_the_time_at_which_it_happened(log: EventLog) -> None:
    await log.append([replace(AUDIT, at=1_799_999_000.0), replace(AUDIT, at=2e9), AUDIT])
    assert [entry.time for entry in await log.find()] == [1_800_000_001.25, 1_800_000_001.25, 1_799_999_000.0]


async def test_events_are_found_by_object_author_and_number(log: EventLog) -> None:
    told: list[str] = []
    ignore = log.listen(lambda: told.append("new"))
    assert await log.newest() == 0
    assert await log.append([FAILED, STOPPED, AUDIT])
    ignore()
    assert await log.append([FAILED])
    assert told == ["new"]
    assert await log.newest() == 4
    assert await log.tags() == ("audit", "nodefail", "vsstop")
    assert await found(log, EventQuery(about="POOLS/we", limit=1)) == [FAILED]
    assert await found(log, EventQuery(about="%")) == []
    assert await found(log, EventQuery(author="admin")) == [STOPPED]
    assert await found(log, EventQuery(tags=frozenset({"audit", "vsstop"}))) == [AUDIT, STOPPED]
    assert await found(log, EventQuery(reason="OF IT_\\")) == [AUDIT]
    assert await found(log, EventQuery(after=1, limit=2)) == [STOPPED, AUDIT], "the oldest first"
    one = await log.one(2)
    assert one is not None
    assert (one.number, one.event) == (2, STOPPED)
    assert await log.one(99) is None


async def test_the_text_file_has_one_line_for_each_event(log: EventLog, tmp_path: Path) -> None:
    await log.append([FAILED, STOPPED])
    evil = Event(
        "pools", "x", Severity.WARN, ObjectId("pools", "a\r\nFATAL\tall"), "b\u2028c\x1b[2J\td\x85", "\n"
    )
    await log.append([evil])
    path = tmp_path / "log" / "events.log"
    lines = path.read_text().splitlines()
    assert lines[0].split("\t") == [
        "SERIOUS",
        "pools/web",
        "nodefail",
        "2027-01-15T08:00:01.250Z",
        "a:80",
        "",
        "Node a:80 has failed: connection refused",
    ]
    assert lines[1].split("\t")[:3] == ["INFO", "vservers/shop", "vsstop"]
    assert lines[2].split("\t") == [
        "WARN",
        "pools/a\\r\\nFATAL\\tall",
        "x",
        "2027-01-15T08:00:02.250Z",
        "\\n",
        "",
        "b\\u2028c\\x1b[2J\\td\\x85",
    ]
    assert len(lines) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (await found(log))[0] == evil, "the database keeps what was said"


@given(st.text(), st.text(), st.text(), st.text())
def test_nothing_can_begin_another_line_or_field(name: str, detail: str, author: str, reason: str) -> None:
    event = Event("pools", "nodefail", Severity.WARN, ObjectId("pools", name), reason, detail, author)
    line = text_line(event, 0.0)
    assert len(line.splitlines()) == 1
    assert len(line.split("\t")) == 7
    assert one_line(line.replace("\t", "")) == line.replace("\t", "")
    assert line.encode("utf-8", "strict")


async def test_the_text_file_is_turned_over(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "FILE_BYTES", 60)
    for _ in range(10):
        await log.append([FAILED])
    names = sorted(path.name for path in (tmp_path / "log").iterdir())
    assert names == ["events.log", *(f"events.log.{n}" for n in range(1, event_log.FILES + 1))]


async def test_old_events_are_dropped_by_age_and_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "ROW_LIMIT", 5)
    monkeypatch.setattr(event_log, "_PRUNE_EVERY", 3)
    clock = Clock()
    database = await Database.open(tmp_path / "telemetry.db")
    log = EventLog(database, tmp_path / "events.log", clock=clock)
    await log.append([AUDIT])
    clock.now += 91 * 86_400
    await log.append([STOPPED] * 3)
    assert await found(log) == [STOPPED] * 3
    await log.append([FAILED] * 6)
    assert await found(log) == [FAILED] * 5
    await database.close()


async def test_events_and_the_states_behind_them_are_stored_together_or_not_at_all(log: EventLog) -> None:
    insert = ("INSERT INTO pool_death VALUES (?)", ("web",))
    assert await log.append([FAILED], [insert])
    assert not await log.append([STOPPED], [insert, insert]), "the second insert breaks the key"
    assert await found(log) == [FAILED]
    assert log.lost == 1


async def test_events_wait_while_the_disk_is_full(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")
    log = EventLog(database, tmp_path / "log" / "events.log", clock=Clock())
    death = ("INSERT INTO pool_death VALUES (?)", ("web",))

    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.run(fill)
    large = replace(FAILED, reason="x" * 8000)
    assert not await log.append([large], [death])
    assert not await log.append([STOPPED])
    assert log.lost == 0
    await database.run(lambda connection: connection.execute("PRAGMA max_page_count = 100000"))
    assert await log.append([AUDIT])
    logged = await log.find()
    assert [entry.event for entry in logged] == [AUDIT, STOPPED, large]
    assert [entry.time for entry in logged] == [1_800_000_003.25, 1_800_000_002.25, 1_800_000_001.25]
    assert await database.run(lambda connection: connection.execute("SELECT * FROM pool_death").fetchall())
    assert len((tmp_path / "log" / "events.log").read_text().splitlines()) == 3
    await database.close()


async def test_the_database_is_private_and_survives(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        path = tmp_path / "telemetry.db"
        database = await Database.open(path)
        await EventLog(database, tmp_path / "events.log").append([FAILED])
        assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob("telemetry.db*")} == {0o600}
        await database.close()
        database = await Database.open(path)
        assert await found(EventLog(database, tmp_path / "events.log")) == [FAILED]
        assert database.set_aside is None
        await database.close()
    finally:
        os.umask(old)


@pytest.mark.parametrize("damage", [b"not a database at all" * 500, None])
async def test_a_damaged_database_is_set_aside(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "telemetry.db"
    if damage is not None:
        path.write_bytes(damage)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version=99")
        connection.close()
    database = await Database.open(path)
    assert database.set_aside is not None and database.set_aside.exists()
    assert await EventLog(database, tmp_path / "events.log").append([FAILED])
    await database.close()
