"""Traffic over time."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.unit.telemetry.conftest import Clock

from pointsman.schema.problem import ObjectId
from pointsman.telemetry import history as module
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import SCHEMA, SCHEMA_VERSION, Database
from pointsman.telemetry.history import RECENT_SECONDS, TOTAL, History, Point

WEB = ObjectId("virtual_servers", "web")
SHOP = ObjectId("virtual_servers", "shop")
POOL = ObjectId("pools", "web")


async def store(database: Database, history: History) -> None:
    statements = history.pending()
    await database.run(lambda connection: [connection.execute(sql, values) for sql, values in statements])


def flow(number: int, connections: int = 0) -> Flow:
    return Flow(number * 100, number * 1000, number, number // 10, connections, tls=number)


async def test_recent_points_are_rates(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    history.record({WEB: flow(50)})
    assert history.recent(WEB) == (), "what was counted before is no growth"
    clock.now += 2
    history.record({WEB: flow(60, 7)})
    assert history.recent(WEB) == (Point(clock.now, 500.0, 5000.0, 5.0, 0.5, 7.0),)
    history.record({WEB: flow(70)})
    assert len(history.recent(WEB)) == 1, "two readings at one time are one"


async def test_memory_holds_so_many_seconds(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    for number in range(RECENT_SECONDS + 300):
        clock.now += 1
        history.record({WEB: flow(number)})
    points = history.recent(WEB)
    assert len(points) == RECENT_SECONDS
    assert [point.time for point in points] == [
        clock.now - RECENT_SECONDS + n + 1 for n in range(RECENT_SECONDS)
    ]
    assert len(history.recent(WEB, 60)) == 60
    clock.now += RECENT_SECONDS + 61
    history.record({SHOP: flow(1)})
    assert history.recent(WEB) == ()


async def test_objects_beyond_the_bound_are_left_out(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OBJECT_LIMIT", 1)
    history = History(database, clock=clock)
    for number in range(3):
        clock.now += 1
        history.record({WEB: flow(number), SHOP: flow(number)})
    assert len(history.recent(WEB)) == 2 and history.recent(SHOP) == ()


async def test_minutes_are_stored_and_summed_up(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    begin = clock.now
    for number in range(181):
        history.record({WEB: flow(number * 10, connections=number), POOL: flow(0)})
        clock.now += 1
    await store(database, history)
    points = await history.stored(WEB, begin, begin + 180)
    assert [point.time for point in points] == [begin, begin + 60, begin + 120]
    assert [point.connections for point in points] == [59, 119, 179]
    assert round(sum(point.requests * 60 for point in points)) == 1790
    assert points[1] == Point(begin + 60, 1000.0, 10_000.0, 10.0, 1.0, 119)
    assert await history.stored(POOL, begin, begin + 180) == (), "idle minutes are not stored"
    hour = await history.stored(WEB, begin, begin + 180, step=3600)
    assert len(hour) == 1 and hour[0].connections == 179


async def test_minutes_are_dropped_by_age_and_by_number(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rows are those of the object and of the whole.
    monkeypatch.setattr(module, "ROW_LIMIT", 6)
    monkeypatch.setattr(module, "_PRUNE_ROWS", 4)
    monkeypatch.setattr(module, "_PRUNE_MINUTES", 1)
    history = History(database, clock=clock)
    begin = clock.now
    for number in range(8):
        history.record({WEB: flow(number)})
        await store(database, history)
        clock.now += 60
    kept = await history.stored(WEB, begin, clock.now)
    assert 2 <= len(kept) <= 4
    clock.now += 91 * 86_400
    history.record({WEB: flow(9)})
    await store(database, history)
    assert await history.stored(WEB, begin, clock.now - 60) == ()


async def test_peaks_are_the_most_in_one_second_of_the_last_hour(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    for web, shop in ((0, 0), (10, 5), (11, 6)):
        history.record({WEB: flow(web), SHOP: flow(shop), POOL: flow(web * 100)})
        clock.now += 1
    peaks = history.peaks()
    assert (peaks.bytes_in, peaks.bytes_out, peaks.requests, peaks.tls) == (1500, 15_000, 15, 15)
    clock.now += 3600
    history.record({WEB: flow(11), SHOP: flow(6)})
    assert history.peaks().requests == 0


async def test_the_whole_is_the_sum_of_its_virtual_servers(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    heard: list[float] = []
    history.listeners.append(lambda: heard.append(clock.now))
    history.machine = (42.0, 10.0)
    history.record({WEB: flow(10), SHOP: flow(10), POOL: flow(10)})
    clock.now += 2
    busy = Flow(0, 0, 30, 0, 0, response=40)
    history.record({WEB: flow(20, 3), SHOP: flow(50, 4), POOL: busy})
    (point,) = history.recent(TOTAL)
    assert (point.requests, point.connections, point.bytes_in) == (25.0, 7.0, 2500.0)
    assert (point.response, point.processor, point.memory) == (40.0, 42.0, 10.0)
    clock.now += 2
    history.record({WEB: flow(20)})
    point = history.after(TOTAL, point.time)[0]
    assert (point.requests, point.response) == (0.0, None), "an object that went takes nothing away"
    assert len(heard) == 3, "each reading is told"
    history.record({WEB: flow(21)})
    assert len(history.recent(TOTAL)) == 2, "two readings at one time are one"


async def test_slow_readings_take_as_little_memory(database: Database, clock: Clock) -> None:
    history = History(database, clock=clock)
    for number in range(300):
        clock.now += 10
        history.record({WEB: flow(number)})
    assert len(history.recent(WEB)) == RECENT_SECONDS / 10
    for number in range(RECENT_SECONDS + 5):
        clock.now += 1
        history.record({WEB: flow(300 + number)})
    times = [point.time for point in history.recent(WEB)]
    assert len(times) == RECENT_SECONDS and times == sorted(times)


async def test_of_many_nodes_those_asked_for_are_kept(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NODE_RINGS", 1)
    history = History(database, clock=clock)
    nodes = [ObjectId("nodes", name) for name in "abc"]
    history.want(nodes[2])
    for number in range(3):
        clock.now += 1
        history.record({node: flow(number) for node in nodes})
    assert [len(history.recent(node)) for node in nodes] == [2, 0, 2]
    clock.now += 60
    history.record({node: flow(5) for node in nodes})
    await store(database, history)
    assert len(await history.stored(nodes[1], 0, clock.now)) == 1, "minutes are kept of all"


async def test_hours_outlive_minutes(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROW_LIMIT", 4)
    monkeypatch.setattr(module, "_PRUNE_ROWS", 4)
    monkeypatch.setattr(module, "_PRUNE_MINUTES", 1)
    history = History(database, clock=clock)
    begin = clock.now
    for number in range(181):
        history.record({WEB: flow(number * 60, connections=number)})
        await store(database, history)
        clock.now += 60
    assert len(await history.stored(WEB, begin, clock.now)) <= 4
    hours = await history.stored(WEB, begin + 5, clock.now, step=3600)
    assert [point.time for point in hours] == [begin, begin + 3600, begin + 7200]
    assert [point.connections for point in hours] == [59, 119, 179]
    assert round(sum(point.requests * 3600 for point in hours)) == 179 * 60


async def test_a_database_without_hours_gets_them_from_its_minutes(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "telemetry.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT")
        old.execute("INSERT INTO series VALUES (1, 'virtual_servers', 'web')")
        for minute in range(120):
            row = (3600 * 500_000 + minute * 60, 1, 8, 16, 2, 1, minute)
            old.execute("INSERT INTO minute VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        old.commit()
    opened = await Database.open(path)
    assert opened.set_aside is None
    found = await History(opened, clock=clock).stored(WEB, 0, 2e9, step=3600)
    assert [(point.requests * 3600, point.connections) for point in found] == [(120, 59), (120, 119)]
    await opened.close()
