"""The log stays bounded, and what it no longer reaches is said; deletions are remembered for their time."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.unit.store.exchanging import agree, join
from tests.unit.store.opening import ADMIN, RunningClock, rule, site
from tests.unit.store.resources import REGISTRY

from pointsman.store import Delete, Put, RevisionTrimmed, Store
from pointsman.store.upkeep import HORIZON_DAYS, LOG_DAYS

DAY = 86_400.0


async def until_tidy(store: Store, rows: int) -> None:
    """Waits until the log has at most so many entries."""
    async with asyncio.timeout(30):
        while len(await store.transactions(limit=1000)) > rows:
            await asyncio.sleep(0.01)


async def test_old_entries_leave_the_log_and_later_ones_read_as_before(tmp_path: Path) -> None:
    clock = RunningClock()
    store = await Store.open(tmp_path / "s", REGISTRY, clock=clock)
    states = {}
    for number in range(1, 6):
        await store.commit(
            [
                Put(site(f"s{number % 3}"), {"basic": {"port": number}, "safe": {"password": str(number)}}),
                Put(rule("r"), {"content": str(number).encode()}),
            ],
            ADMIN,
        )
        states[store.revision] = dict(store.objects)
    clock.now += LOG_DAYS * DAY - 60
    for number in range(6, 9):
        await store.commit([Put(site("a"), {"basic": {"port": number}})], ADMIN)
        states[store.revision] = dict(store.objects)
    clock.now += 120
    await store.commit([Delete(site("s1"))], ADMIN)
    states[store.revision] = dict(store.objects)
    await until_tidy(store, 4)
    for _ in range(2):
        assert [t.revision for t in await store.transactions()] == [9, 8, 7, 6]
        for revision in range(5, 10):
            assert dict(await store.objects_at(revision)) == states[revision]
        with pytest.raises(
            RevisionTrimmed, match="revision 4 is older than the log, which begins with revision 6"
        ):
            await store.objects_at(4)
        await store.close()
        store = await Store.open(tmp_path / "s", REGISTRY, clock=clock)
    await store.commit([Put(rule("r"), {"content": b"last"})], ADMIN)
    await store.close()
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        kept = {bytes(data) for (data,) in sql.execute("SELECT data FROM blob")}
    sql.close()
    assert kept == {b"5", b"last"}


async def test_the_log_keeps_to_its_size(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "s", REGISTRY, clock=RunningClock(), log_characters=20_000)
    for number in range(100):
        await store.commit([Put(site("a"), {"basic": {"note": f"{number} " + "x" * 1000}})], ADMIN)
    await until_tidy(store, 20)
    size = len(await store.transactions(limit=1000))
    assert 10 < size <= 20
    assert store.objects[site("a")]["basic"]["note"].startswith("99 ")
    await store.close()
    again = await Store.open(tmp_path / "s", REGISTRY)
    assert again.revision == 100
    await again.close()


async def test_who_asks_from_below_the_log_gets_a_whole_state(tmp_path: Path) -> None:
    clock = RunningClock()
    one = await Store.open(tmp_path / "1", REGISTRY, clock=clock, log_characters=5_000)
    two = await Store.open(tmp_path / "2", REGISTRY, clock=clock)
    await one.commit([Put(site("a"), {}), Put(rule("r"), {"content": b"x"})], ADMIN)
    await join(one, two)
    await two.commit([Put(site("only-two"), {"basic": {"port": 2}})], ADMIN)
    for number in range(20):
        await one.commit([Put(site("a"), {"basic": {"note": f"{number} " + "x" * 1000}})], ADMIN)
    await until_tidy(one, 6)
    batch = await one.parcels_after(two.vector)
    assert batch.below_floor
    assert not batch.parcels
    first = await two.parcels_after(one.vector)
    await one.receive(first.parcels, first.blobs)
    await two.adopt(await one.whole(), keys=one.keys, replace=False)
    await agree(one, two)
    assert two.objects[site("only-two")] == {"basic": {"port": 2}}
    assert dict(await two.objects_at(two.revision)) == dict(two.objects)
    with pytest.raises(RevisionTrimmed):
        await two.objects_at(1)
    await one.close()
    await two.close()


async def test_what_only_an_absent_member_had_survives_its_own_trimming(tmp_path: Path) -> None:
    clock = RunningClock()
    one = await Store.open(tmp_path / "1", REGISTRY, clock=clock, log_characters=5_000)
    two = await Store.open(tmp_path / "2", REGISTRY, clock=clock, log_characters=5_000)
    await one.commit([Put(site("a"), {"safe": {"password": "p"}})], ADMIN)
    await join(one, two)
    await two.commit([Put(site("early"), {"basic": {"port": 2}, "safe": {"password": "q"}})], ADMIN)
    for store in (one, two):
        for number in range(20):
            await store.commit(
                [Put(site(f"of-{id(store)}"), {"basic": {"note": f"{number} " + "x" * 1000}})], ADMIN
            )
        await until_tidy(store, 6)
    assert (await two.parcels_after(one.vector)).below_floor
    await two.adopt(await one.whole(), keys=one.keys, replace=False)
    assert two.objects[site("early")] == {"basic": {"port": 2}, "safe": {"password": "q"}}
    await agree(one, two)
    assert len(one.objects) == 4
    await one.close()
    await two.close()


async def test_deletions_are_remembered_for_their_time_and_then_forgotten(tmp_path: Path) -> None:
    clock = RunningClock()
    store = await Store.open(tmp_path / "s", REGISTRY, clock=clock)
    await store.commit([Put(site(name), {}) for name in ("gone", "used", "stays")], ADMIN)
    await store.commit([Put(site("stays"), {"basic": {"pool": "used"}})], ADMIN)
    uid = store.objects.uid(site("gone"))
    await store.commit([Delete(site("gone")), Delete(site("used"))], ADMIN)
    clock.now += (HORIZON_DAYS - 1) * DAY
    await store.commit([Put(site("tick"), {})], ADMIN)
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    clock.now += 2 * DAY
    await store.commit([Put(site("tick"), {"basic": {"port": 2}})], ADMIN)
    async with asyncio.timeout(30):
        while store.changed_at(site("gone")):
            await asyncio.sleep(0.01)
    assert store.changed_at(site("used"))
    assert store.objects[site("stays")] == {"basic": {"pool": "used"}}
    await store.commit([Put(site("gone"), {})], ADMIN)
    assert store.objects.uid(site("gone")) != uid
    await store.close()
    remembered = await Store.open(tmp_path / "copy", REGISTRY, clock=RunningClock())
    await remembered.commit([Put(site("gone"), {})], ADMIN)
    assert remembered.objects.uid(site("gone")) == uid
    await remembered.close()


async def test_who_was_away_beyond_the_horizon_brings_nothing_back(tmp_path: Path) -> None:
    clock = RunningClock()
    one = await Store.open(tmp_path / "1", REGISTRY, clock=clock, log_characters=3_000)
    two = await Store.open(tmp_path / "2", REGISTRY, clock=clock)
    await one.commit([Put(site("old"), {"basic": {"port": 1}})], ADMIN)
    await join(one, two)
    await two.commit([Put(site("own"), {"basic": {"port": 2}})], ADMIN)
    await one.commit([Delete(site("old"))], ADMIN)
    clock.now += (HORIZON_DAYS + 20) * DAY
    for number in range(20):
        await one.commit([Put(site("a"), {"basic": {"note": f"{number} " + "x" * 1000}})], ADMIN)
    await until_tidy(one, 4)
    async with asyncio.timeout(30):
        while one.changed_at(site("old")):
            await asyncio.sleep(0.01)
    batch = await two.parcels_after(one.vector)
    await one.receive(batch.parcels, batch.blobs)
    assert (await one.parcels_after(two.vector)).below_floor
    await two.adopt(await one.whole(), keys=one.keys, replace=False)
    await agree(one, two)
    assert site("old") not in two.objects
    assert two.objects[site("own")] == {"basic": {"port": 2}}
    await one.close()
    await two.close()
