"""Percentiles of late and of before."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.telemetry.conftest import Clock

from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Answered, Proxy, Role
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import HOURS, SCHEMA, SCHEMA_VERSION, Database
from pointsman.telemetry.histogram import Percentiles
from pointsman.telemetry.history import TOTAL, History
from pointsman.telemetry.response_times import MINUTES_DAYS, WINDOW_SECONDS, ResponseTimes

WEB = ObjectId("virtual_servers", "web")
SHOP = ObjectId("virtual_servers", "shop")
POOL = ObjectId("pools", "nodes")
PROXIES = {
    "vs-web": Proxy(WEB, Role.LISTENER),
    "vs-shop": Proxy(SHOP, Role.LISTENER),
    "p": Proxy(POOL, Role.POOL),
    "p:once": Proxy(POOL, Role.POOL),
    "internal": Proxy(None, Role.INTERNAL),
}


@pytest.fixture
def times(database: Database, clock: Clock) -> ResponseTimes:
    return ResponseTimes(database, clock=clock)


def took(*milliseconds: int, listener: str = "vs-web", pool: str = "p", weight: int = 100) -> list[Answered]:
    return [Answered(listener, pool, ms + 1, ms, weight) for ms in milliseconds]


async def store(database: Database, times: ResponseTimes) -> None:
    statements = times.pending()
    await database.run(lambda connection: [connection.execute(sql, values) for sql, values in statements])


def test_each_object_has_its_own(times: ResponseTimes) -> None:
    times.take([*took(10), *took(4, pool="p:once"), *took(18, listener="vs-shop")], PROXIES)
    assert times.percentiles(WEB) == Percentiles(5, 11, 11)
    assert times.percentiles(SHOP) == Percentiles(19, 19, 19)
    assert times.percentiles(POOL) == Percentiles(10, 18, 18), "all variants, from all virtual servers"
    assert times.percentiles(TOTAL) == Percentiles(11, 19, 19)
    assert times.figures(WEB) == {"response_p50": 5, "response_p95": 11, "response_p99": 11}
    assert times.percentiles(ObjectId("pools", "other")) is None
    assert times.figures(ObjectId("pools", "other")) == {}


def test_a_request_stands_for_those_that_were_not_told(times: ResponseTimes) -> None:
    times.take([*took(*[2] * 10, weight=100), *took(15, weight=9000)], PROXIES)
    assert times.percentiles(POOL) == Percentiles(15, 15, 15)
    times.take(took(19, weight=3), PROXIES)
    assert times.percentiles(POOL) == Percentiles(15, 15, 15)


def test_what_the_plan_does_not_know_is_left_out(times: ResponseTimes) -> None:
    strange = [*took(5, listener="internal"), *took(5, listener="p"), *took(5, listener="nobody")]
    times.take(strange, PROXIES)
    assert times.percentiles(TOTAL) is None
    times.take([*took(5, pool="gone"), *took(5, pool="internal"), *took(5, pool="vs-web")], PROXIES)
    assert times.percentiles(WEB) == Percentiles(6, 6, 6)
    assert times.percentiles(POOL) is None


@pytest.mark.parametrize("step", [1, 7])
def test_the_window_moves_on(times: ResponseTimes, clock: Clock, step: int) -> None:
    times.take(took(20), PROXIES)
    while clock.now < 1_800_000_000 + WINDOW_SECONDS - step:
        clock.now += step
        times.take(took(2), PROXIES)
    late = times.percentiles(POOL)
    assert late is not None
    assert late.p99 == 20
    clock.now = 1_800_000_000.0 + WINDOW_SECONDS
    times.take((), PROXIES)
    assert times.percentiles(POOL) == Percentiles(2, 2, 2)
    clock.now += WINDOW_SECONDS
    times.take((), PROXIES)
    assert [times.percentiles(one) for one in (POOL, WEB, TOTAL)] == [None] * 3


def test_a_clock_that_was_put_back_leaves_nothing_behind(times: ResponseTimes, clock: Clock) -> None:
    times.take(took(20), PROXIES)
    clock.now -= 5000
    times.take(took(3), PROXIES)
    assert times.percentiles(POOL) == Percentiles(3, 3, 3)


async def _run(
    times: ResponseTimes, database: Database, clock: Clock, minutes: Sequence[Sequence[int]]
) -> None:
    for some in minutes:
        times.take(took(*some), PROXIES)
        clock.now += 60
    times.take((), PROXIES)
    await store(database, times)


async def test_minutes_and_hours_are_merged_from_what_was_told(
    times: ResponseTimes, database: Database, clock: Clock
) -> None:
    begin = int(clock.now)
    assert begin % 3600 == 0
    await _run(times, database, clock, [[1] * 90, [5] * 10, [9], [17]])
    by_minute = await times.stored(POOL, begin, clock.now, 60)
    assert [by_minute[begin + number * 60].p50 for number in range(4)] == [1, 5, 9, 17]
    two = await times.stored(POOL, begin, clock.now, 120)
    assert two[begin] == Percentiles(1, 5, 5)
    assert two[begin + 120] == Percentiles(9, 17, 17)
    assert await times.stored(POOL, begin, clock.now, 3600) == {begin: Percentiles(1, 5, 9)}
    assert (await times.stored(WEB, begin, clock.now, 3600))[begin].p50 == 2
    assert await times.stored(POOL, clock.now, clock.now + 60, 60) == {}
    assert await times.stored(ObjectId("pools", "other"), begin, clock.now, 60) == {}


async def test_a_control_plane_that_returns_adds_to_the_same_minute_and_hour(
    times: ResponseTimes, database: Database, clock: Clock
) -> None:
    begin = int(clock.now)
    await _run(times, database, clock, [[3]])
    clock.now = begin + 30.0
    after = ResponseTimes(database, clock=clock)
    await _run(after, database, clock, [[7]])
    assert await after.stored(POOL, begin, clock.now, 60) == {begin: Percentiles(3, 7, 7)}
    assert await after.stored(POOL, begin, clock.now, 3600) == {begin: Percentiles(3, 7, 7)}


async def test_old_minutes_go_and_their_hours_stay(
    times: ResponseTimes, database: Database, clock: Clock
) -> None:
    begin = int(clock.now)
    await _run(times, database, clock, [[3]])
    clock.now += MINUTES_DAYS * 86_400
    await _run(ResponseTimes(database, clock=clock), database, clock, [[7]])
    assert await times.stored(POOL, begin, begin + 3600, 60) == {}
    assert await times.stored(POOL, begin, begin + 3600, 3600) == {begin: Percentiles(3, 3, 3)}


async def test_the_history_tells_them_with_its_points(
    times: ResponseTimes, database: Database, clock: Clock
) -> None:
    history = History(database, times, clock=clock)
    node = ObjectId("nodes", "a:80")
    for number in range(62):
        times.take(took(8), PROXIES)
        history.record({one: Flow(number, number, number, 0, 1) for one in (WEB, SHOP, POOL, node)})
        clock.now += 1
    for one, expected in ((POOL, 8), (WEB, 9), (TOTAL, 9), (SHOP, None), (node, None)):
        last = history.recent(one)[-1]
        assert (last.p50, last.p95, last.p99) == (expected,) * 3, one
        assert last.connections == (2 if one == TOTAL else 1)
    statements = [*history.pending(), *times.pending()]
    await database.run(lambda connection: [connection.execute(sql, values) for sql, values in statements])
    (point,) = await history.stored(POOL, 1_800_000_000, clock.now)
    assert (point.p50, point.p95, point.p99) == (8, 8, 8)
    (point,) = await history.stored(SHOP, 1_800_000_000, clock.now)
    assert (point.p50, point.requests > 0) == (None, True)


async def test_a_history_of_an_earlier_release_gets_its_tables(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "telemetry.db"
    old = sqlite3.connect(path)
    old.executescript(f"{SCHEMA}{HOURS}PRAGMA user_version={SCHEMA_VERSION};")
    old.execute("INSERT INTO series VALUES (7, 'pools', 'nodes')")
    old.execute("INSERT INTO minute VALUES (1800000000, 7, 60, 60, 60, 0, 1)")
    old.commit()
    old.close()
    database = await Database.open(path)
    try:
        assert database.set_aside is None
        times = ResponseTimes(database, clock=clock)
        await _run(times, database, clock, [[6]])
        (point,) = await History(database, times, clock=clock).stored(POOL, 1_800_000_000, clock.now)
        assert (point.requests, point.p99) == (1, 6)
    finally:
        await database.close()
