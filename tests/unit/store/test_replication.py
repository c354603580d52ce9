"""Members that exchange transactions: they converge, and what does not belong is refused and changes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.store.exchanging import agree, exchange, join
from tests.unit.store.opening import ADMIN, RunningClock, opened, rule, site

from pointsman.schema.problem import ObjectId
from pointsman.store import (
    Author,
    Batch,
    Delete,
    OriginForked,
    Parcel,
    ParcelRefused,
    Put,
    Rename,
    StateRefused,
    Store,
    Transaction,
    pack_batch,
    unpack_batch,
)
from pointsman.store.clock import time_of


async def test_what_one_member_commits_the_other_has(pair: tuple[Store, Store]) -> None:
    one, two = pair
    heard: list[tuple[Transaction, bool]] = []
    two.subscribe(lambda transaction, remote: heard.append((transaction, remote)))
    settings = {"basic": {"port": 8080, "nodes": [{"node": "n", "weight": 2}]}, "safe": {"password": "hush"}}
    made = await one.commit([Put(site("a"), settings), Put(rule("r"), {"content": b"\0x"})], ADMIN, "why")
    assert made is not None
    await agree(one, two)
    ((transaction, remote),) = heard
    assert remote
    assert replace(transaction, revision=made.revision) == made
    assert two.objects[site("a")] == settings
    assert two.objects[rule("r")] == {"content": b"\0x"}
    assert await two.transactions() == (transaction,)
    assert two.changed_at(site("a")) == transaction.revision


async def test_two_members_edit_one_object_at_the_same_time(pair: tuple[Store, Store]) -> None:
    one, two = pair
    await one.commit([Put(site("a"), {"basic": {"nodes": [{"node": "n1"}, {"node": "n2"}]}})], ADMIN)
    await agree(one, two)
    await one.commit(
        [Put(site("a"), {"basic": {"nodes": [{"node": "n1", "weight": 7}, {"node": "n2"}]}})], ADMIN
    )
    await two.commit([Rename(site("a"), "b")], ADMIN)
    await two.commit(
        [Put(site("b"), {"basic": {"note": "n", "nodes": [{"node": "n2"}, {"node": "n1"}, {"node": "n3"}]}})],
        ADMIN,
    )
    await agree(one, two)
    assert one.objects[site("b")]["basic"]["note"] == "n"
    assert {"node": "n1", "weight": 7} in one.objects[site("b")]["basic"]["nodes"]
    assert {"node": "n3"} in one.objects[site("b")]["basic"]["nodes"]


async def test_the_same_again_and_gaps(pair: tuple[Store, Store]) -> None:
    one, two = pair
    for port in range(1, 5):
        await one.commit([Put(site("a"), {"basic": {"port": port}})], ADMIN)
    batch = await one.parcels_after(two.vector)
    assert len(batch.parcels) == 4
    received = await two.receive(batch.parcels[1:], {})
    assert (received.transactions, received.missing) == ((), True)
    received = await two.receive([*batch.parcels[:2], batch.parcels[3]], {})
    assert (len(received.transactions), received.missing) == (2, True)
    received = await two.receive(batch.parcels, {})
    assert (len(received.transactions), received.missing) == (2, False)
    received = await two.receive(batch.parcels, {})
    assert (received.transactions, received.missing) == ((), False)
    assert two.objects[site("a")] == {"basic": {"port": 4}}
    await agree(one, two)


async def test_a_batch_ends_where_it_is_told_to_and_brings_causes_first(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two, opened(tmp_path / "3") as three:
        await join(one, two)
        await join(one, three)
        for number in range(10):
            member = (one, two)[number % 2]
            await member.commit([Put(site(f"s{number}"), {"basic": {"note": "x" * 100}})], ADMIN)
            await agree(one, two)
        seen: list[str] = []
        while True:
            batch = await two.parcels_after(three.vector, limit_bytes=1)
            assert len(batch.parcels) == 1
            for transaction in (await three.receive(batch.parcels, batch.blobs)).transactions:
                seen.append(transaction.changes[0].identity.name)
            if batch.complete:
                break
        assert seen == [f"s{number}" for number in range(10)]
        await agree(one, two, three)


async def test_a_file_travels_with_its_name_only_when_it_is_lacking(pair: tuple[Store, Store]) -> None:
    one, two = pair
    await one.commit([Put(rule("r"), {"content": b"one"})], ADMIN)
    batch = await one.parcels_after(two.vector)
    assert [*batch.blobs.values()] == [b"one"]
    with pytest.raises(ParcelRefused, match=r"the content of rules/\w+ did not come with it"):
        await two.receive(batch.parcels, {})
    with pytest.raises(ParcelRefused, match="whose SHA-256 is not"):
        await two.receive(batch.parcels, {next(iter(batch.blobs)): b"two"})
    assert two.revision == 0
    await agree(one, two)


def _ops(*ops: list[Any]) -> str:
    return json.dumps(ops)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ops": "{"}, "Expecting"),
        ({"ops": "[1]"}, "what is not a write"),
        ({"ops": _ops(["sites", "name", '"x"'])}, "makes no sense"),
        ({"ops": _ops(["sites/1", "name", "nonsense"])}, "Expecting value"),
        ({"ops": _ops(["sites/1", "name", "NaN"])}, "NaN is not JSON"),
        ({"ops": _ops(["sites/1", "name", "!x:y"])}, "makes no sense"),
        ({"ops": _ops(["sites/1", "name", "[" * 100_000])}, "nested too deeply"),
        ({"ops": _ops(["sites/1", "name", '"x"', "then"])}, "does not say what it overwrote"),
        ({"ops": _ops(["sites/1", "name", '"x"', 1 << 61, "o"])}, "what is later than itself"),
        ({"ops": '[["sites/1","name","\\"\\ud800\\""]]'}, "surrogates not allowed"),
        ({"ops": "[" * 100_000}, "nested too deeply"),
        ({"hlc": 0}, "out of range"),
        ({"hlc": 1 << 62}, "out of range"),
        ({"sequence": 0}, "out of range"),
        ({"time": float("inf")}, "its time or its hash"),
        ({"chain": b"short"}, "its time or its hash"),
        ({"origin": "../x"}, "not the name of an origin"),
        ({"reason": "x" * (1 << 21)}, "too large"),
        ({"reason": "\ud800"}, "surrogates not allowed"),
        ({"reason": "altered"}, "does not continue"),
        ({"chain": b"x" * 32}, "does not continue"),
        ({"author": Author("eve")}, "does not continue"),
    ],
)
async def test_a_malformed_transaction_is_refused_with_its_origin(
    pair: tuple[Store, Store], change: dict[str, Any], words: str
) -> None:
    one, two = pair
    await one.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN)
    await one.commit([Put(site("a"), {"basic": {"port": 2}})], ADMIN)
    good, bad = (await one.parcels_after(two.vector)).parcels
    objects, digest = two.objects, two.digest
    with pytest.raises(ParcelRefused) as refused:
        await two.receive([good, replace(bad, **change)], {})
    assert words in str(refused.value)
    assert refused.value.origin in (good.origin, "'../x'")
    assert two.objects is objects
    assert two.digest == digest
    await agree(one, two)


async def test_a_batch_that_is_none_is_refused(pair: tuple[Store, Store]) -> None:
    one, two = pair
    await one.commit([Put(rule("r"), {"content": b"one"})], ADMIN)
    batch = await one.parcels_after(two.vector)
    packed = pack_batch(batch)
    assert unpack_batch(packed) == batch
    assert unpack_batch(pack_batch(Batch())) == Batch()
    for damaged in (packed[:-5], b"", b"x" + packed, packed[:20] + b"\0" + packed[21:]):
        with pytest.raises(ParcelRefused):
            unpack_batch(damaged)
    values: list[Any] = [[], [1], ["o"], {}, ["o", 1, 1, 1.0, "a", "b", "c", "d", "zz", "[]"]]
    for value in values:
        with pytest.raises(ParcelRefused):
            Parcel.from_list(value)


async def test_a_number_that_was_used_twice_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await join(one, two)
        await one.commit([Put(site("a"), {})], ADMIN)
        first = await one.parcels_after({})
        await two.receive(first.parcels, first.blobs)
        await one.commit([Put(site("a"), {"basic": {"port": 2}})], ADMIN)
        second = (await one.parcels_after(two.vector)).parcels[0]
        with pytest.raises(OriginForked, match="was set back to an earlier state"):
            await two.receive([replace(second, reason="other")], {})
        with pytest.raises(OriginForked):
            await two.receive([replace(first.parcels[0], chain=b"x" * 32)], {})
        await agree(one, two)


async def test_a_machine_that_was_set_back_while_it_ran_is_found_and_mended(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one:
        async with opened(tmp_path / "2") as two:
            await join(one, two)
            await two.commit([Put(site("a"), {})], ADMIN)
            await exchange(two, one)
            origin = two.origin
        shutil.copytree(tmp_path / "2", tmp_path / "set back")
        for name in ("2", "set back"):
            with sqlite3.connect(tmp_path / name / "store.db") as sql:
                # What runs goes on under its origin, as nothing starts anew.
                sql.execute("DELETE FROM meta WHERE key = 'shared'")
            sql.close()
        async with opened(tmp_path / "2") as two:
            assert two.origin == origin
            await two.commit(
                [Put(site("a"), {"basic": {"port": 2}}), Put(rule("r"), {"content": b"2"})], ADMIN
            )
            await exchange(two, one)
        async with opened(tmp_path / "set back") as two:
            await two.commit(
                [Put(site("a"), {"basic": {"note": "forgotten"}, "safe": {"password": "p"}})], ADMIN
            )
            assert two.vector == one.vector
            assert two.digest != one.digest
            await two.commit([Put(rule("q"), {"content": b"3"})], ADMIN)
            with pytest.raises(OriginForked):
                await exchange(two, one)
            assert two.origin == origin
            await two.adopt(await one.whole(), keys=one.keys, replace=False)
            assert two.origin != origin
            await agree(one, two)
            assert two.objects[site("a")] == {
                "basic": {"port": 2, "note": "forgotten"},
                "safe": {"password": "p"},
            }
            assert set(two.objects) == {site("a"), rule("r"), rule("q")}


async def test_types_and_properties_of_a_later_version_are_kept_and_handed_on(tmp_path: Path) -> None:
    from tests.unit.store.resources import REGISTRY

    fewer = {path: kind for path, kind in REGISTRY.items() if path != "rules"}
    async with opened(tmp_path / "new") as new, opened(tmp_path / "last") as last:
        old = await Store.open(tmp_path / "old", fewer)
        try:
            await join(new, old)
            await join(new, last)
            await new.commit([Put(rule("r"), {"content": b"text"}), Put(site("a"), {})], ADMIN)
            await exchange(new, old)
            assert set(old.objects) == {site("a")}
            await exchange(old, last)
            assert last.objects[rule("r")] == {"content": b"text"}
            assert last.digest == new.digest
        finally:
            await old.close()


async def test_joining_takes_everything_and_leaves_nothing_of_ones_own(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await one.commit(
            [Put(site("a"), {"safe": {"password": "p1"}}), Put(rule("r"), {"content": b"1"})], ADMIN
        )
        await one.commit([Delete(rule("r"))], ADMIN)
        for port in range(1, 6):
            await two.commit(
                [Put(site("mine"), {"basic": {"port": port}, "safe": {"password": "p2"}})], ADMIN
            )
        origin, reloads = two.origin, []
        two.subscribe(lambda *_: None, lambda: reloads.append(two.revision))
        await join(one, two)
        assert dict(two.objects) == dict(one.objects)
        assert two.vector == one.vector
        assert reloads == [two.revision]
        assert two.revision > 5  # whoever waits for a revision sees a later one
        assert two.origin != origin
        theirs, ours = await one.transactions(), await two.transactions()
        assert [replace(t, revision=0) for t in theirs] == [replace(t, revision=0) for t in ours]
        await two.commit([Put(site("b"), {})], ADMIN)
        await agree(one, two)
        assert dict(await two.objects_at(two.revision - 2)) == dict(await one.objects_at(1))
    async with opened(tmp_path / "2") as again:
        assert again.objects[site("a")] == {"safe": {"password": "p1"}}
        assert site("mine") not in again.objects
    assert sorted(path.name for path in (tmp_path / "2").glob("key*"))[0].startswith("key-1-")


async def test_a_member_that_was_away_keeps_what_only_it_has(pair: tuple[Store, Store]) -> None:
    one, two = pair
    await one.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN)
    await agree(one, two)
    await one.commit([Put(site("a"), {"basic": {"port": 2}})], ADMIN)
    await two.commit(
        [Put(site("a"), {"basic": {"port": 1, "note": "two"}}), Put(rule("r"), {"content": b"2"})], ADMIN
    )
    await two.adopt(await one.whole(), keys=one.keys, replace=False)
    assert two.objects[site("a")] == {"basic": {"port": 2, "note": "two"}}
    assert two.objects[rule("r")] == {"content": b"2"}
    await agree(one, two)


async def test_a_state_that_is_not_whole_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await one.commit(
            [Put(site("a"), {"safe": {"password": "p"}}), Put(rule("r"), {"content": b"1"})], ADMIN
        )
        await two.commit([Put(site("b"), {"safe": {"password": "q"}})], ADMIN)
        whole = await one.whole()
        before, files = two.objects, sorted((tmp_path / "2").iterdir())
        for damaged in (b"", b"x", whole[:-10], whole[:30], whole[:50] + b"\x55\xaa" + whole[52:]):
            with pytest.raises(StateRefused):
                await two.adopt(damaged, keys=one.keys, replace=True)
        with pytest.raises(StateRefused, match="cannot be opened"):
            await two.adopt(whole, keys=two.keys, replace=True)
        assert two.objects is before
        assert sorted((tmp_path / "2").iterdir()) == files
        await two.commit([Put(site("c"), {})], ADMIN)
    async with opened(tmp_path / "2") as again:
        assert again.objects[site("b")] == {"safe": {"password": "q"}}


async def test_a_member_takes_a_new_origin_at_each_start_and_when_another_knows_more_of_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "1") as one:
        await one.commit([Put(site("a"), {})], ADMIN)
        alone = one.origin
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        assert one.origin == alone
        await join(one, two)
        await one.commit([Put(site("b"), {})], ADMIN)
        assert one.vector == {alone: 2}
        second = two.origin
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        assert one.origin != alone
        assert two.origin != second
        assert one.vector == {alone: 2}
        present = one.origin
        await one.commit([Put(site("c"), {})], ADMIN)
        assert one.vector == {alone: 2, present: 1}
        await one.parcels_after({present: 1})
        assert one.origin == present
        await one.parcels_after({present: 2})
        assert one.origin not in (present, alone)
        await one.commit([Put(site("d"), {})], ADMIN)
        await agree(one, two)
    with sqlite3.connect(tmp_path / "1" / "store.db") as sql:
        assert sql.execute("SELECT count(*) FROM log").fetchone() == (4,)
    sql.close()


async def test_identities_that_every_member_knows_meet(pair: tuple[Store, Store]) -> None:
    one, two = pair
    settings = ObjectId("globals", "")
    await one.commit([Put(site("Built-in"), {"basic": {"port": 1}})], ADMIN)
    await two.commit([Put(site("Built-in"), {"basic": {"note": "n"}}), Put(settings, {})], ADMIN)
    await agree(one, two)
    assert one.objects[site("Built-in")] == {"basic": {"port": 1, "note": "n"}}


async def test_a_clock_that_jumps_ahead_lifts_no_stamp(tmp_path: Path) -> None:
    """Not even of the change that comes first, before anybody had time to compare clocks again."""
    jumping = RunningClock()
    async with opened(tmp_path / "1", jumping) as one:
        one.set_reference(0.0)
        for name, jump in (("a", 0), ("b", 400 * 86400), ("c", -800 * 86400), ("d", 400 * 86400)):
            jumping.now += jump
            made = await one.commit([Put(site(name), {})], ADMIN)
            assert made is not None
            assert abs(time_of(made.hlc) - RunningClock().now) < 60
        one.set_reference(None)
        jumping.now += 3600
        alone = await one.commit([Put(site("e"), {})], ADMIN)
        assert alone is not None
        assert time_of(alone.hlc) > RunningClock().now + 3000


async def test_a_clock_that_is_ahead_stamps_with_the_others_time(tmp_path: Path) -> None:
    fast, right = RunningClock(), RunningClock()
    fast.now += 3600
    async with opened(tmp_path / "1", fast) as one, opened(tmp_path / "2", right) as two:
        await join(two, one)
        one.set_reference(50.0)
        first = await one.commit([Put(site("a"), {})], ADMIN)
        assert first is not None
        assert time_of(first.hlc) > right.now + 3000
        # What a fast clock wrote is taken all the same; the others' stamps follow it.
        await agree(one, two)
        second = await two.commit([Put(site("a"), {"basic": {"port": 2}})], ADMIN)
        assert second is not None
        assert second.hlc > first.hlc
    async with opened(tmp_path / "3", fast) as one:
        one.set_reference(3600.0)
        third = await one.commit([Put(site("a"), {})], ADMIN)
        assert third is not None
        assert abs(time_of(third.hlc) - right.now) < 60
        assert third.time > right.now + 3000
