"""Traffic over time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.schema.problem import ObjectId
from pointsman.telemetry import history as module
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import Database
from pointsman.telemetry.history import RECENT_SECONDS, History, Point

WEB = ObjectId("virtual_servers", "web")
SHOP = ObjectId("virtual_servers", "shop")
POOL = ObjectId("pools", "web")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "telemetry.db")
    yield opened
    await opened.close()


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


async def test_memory_holds_ten_minutes(database: Database, clock: Clock) -> None:
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
    monkeypatch.setattr(module, "ROW_LIMIT", 3)
    monkeypatch.setattr(module, "_PRUNE_ROWS", 2)
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
