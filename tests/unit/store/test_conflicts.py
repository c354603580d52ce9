"""Edits made apart: what members make of them is the same everywhere, and what needs a person is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.unit.store.exchanging import agree, exchange, join
from tests.unit.store.opening import ADMIN, RunningClock, opened, rule, site

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Delete, Put, Rename, Store, Superseded

EVE = Author("eve", "10.0.0.2", "ui")
Trio = tuple[Store, Store, Store]


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncIterator[Trio]:
    async with AsyncExitStack() as stack:
        clock = RunningClock()
        one, two, three = [await stack.enter_async_context(opened(tmp_path / name, clock)) for name in "123"]
        await one.commit([Put(site("pool"), {"basic": {"port": 1}, "safe": {"password": "p"}})], ADMIN)
        await one.commit([Put(site("user"), {"basic": {"note": "n", "pool": "pool"}})], ADMIN)
        for newcomer in (two, three):
            await join(one, newcomer)
        yield one, two, three


def told(store: Store) -> list[tuple[str, str, str, str]]:
    """The conflicts in short."""
    return [(c.code, str(c.subject), str(c.other), c.author.name) for c in store.conflicts]


async def test_the_older_of_two_objects_keeps_the_name(trio: Trio) -> None:
    one, two, three = trio
    await one.commit([Put(site("new"), {"basic": {"port": 1}})], ADMIN)
    await two.commit(
        [Put(site("new"), {"basic": {"port": 2}}), Put(site("u"), {"basic": {"pool": "new"}})], EVE
    )
    uid = two.objects.uid(site("new"))
    assert uid is not None
    await exchange(two, three)
    assert three.objects[site("new")] == {"basic": {"port": 2}}
    await agree(one, two, three)
    other = site(f"new~{uid[:4]}")
    for store in trio:
        assert store.objects[site("new")] == {"basic": {"port": 1}}
        assert store.objects[other] == {"basic": {"port": 2}}
        assert store.objects[site("u")] == {"basic": {"pool": other.name}}
        assert told(store) == [("name_clash", str(other), "sites/new", "eve")]
    # An edit does not decide it, neither does a start.
    await three.commit([Put(other, {"basic": {"port": 3}})], ADMIN)
    await agree(one, two, three)
    assert told(one) == told(three) != []
    await two.commit([Rename(other, "second")], ADMIN)
    await agree(one, two, three)
    for store in trio:
        assert store.conflicts == ()
        assert store.objects[site("second")] == {"basic": {"port": 3}}
        assert store.objects[site("u")] == {"basic": {"pool": "second"}}


async def test_a_name_is_free_again_when_the_older_object_goes(trio: Trio) -> None:
    one, two, three = trio
    await one.commit([Put(site("new"), {"basic": {"port": 1}})], ADMIN)
    await two.commit([Rename(site("pool"), "new")], EVE)
    await agree(*trio)
    # The renamed object is the older one.
    (conflict,) = one.conflicts
    assert conflict.author == ADMIN
    assert one.objects[site("user")]["basic"]["pool"] == "new"
    await three.commit([Delete(site("new"))], ADMIN)
    await agree(*trio)
    assert one.objects[site("new")] == {"basic": {"port": 1}}
    assert one.conflicts == ()


async def test_a_made_up_name_that_is_taken_is_passed_by(trio: Trio) -> None:
    one, two, _ = trio
    await one.commit([Put(site("new"), {})], ADMIN)
    await two.commit([Put(site("new"), {"basic": {"port": 2}})], EVE)
    uid = two.objects.uid(site("new"))
    assert uid is not None
    await one.commit([Put(site(f"new~{uid[:4]}"), {"basic": {"port": 9}})], ADMIN)
    await agree(*trio)
    assert one.objects[site(f"new~{uid[:4]}")] == {"basic": {"port": 9}}
    assert one.objects[site(f"new~{uid}")] == {"basic": {"port": 2}}


async def test_what_was_deleted_while_somebody_began_to_use_it_stays(trio: Trio, tmp_path: Path) -> None:
    one, two, three = trio
    await one.commit([Put(site("user"), {"basic": {"note": "n"}})], ADMIN)
    await agree(*trio)
    await one.commit([Delete(site("pool"))], EVE)
    await two.commit([Put(site("new"), {"basic": {"monitors": ["pool"]}})], ADMIN)
    await agree(*trio)
    for store in trio:
        assert store.objects[site("pool")] == {"basic": {"port": 1}, "safe": {"password": "p"}}
        assert told(store) == [("deleted_but_used", "sites/pool", "sites/new", "eve")]
    # Saving it anew settles it ...
    await two.commit([Put(site("pool"), two.objects[site("pool")])], ADMIN)
    await agree(*trio)
    assert three.conflicts == ()
    assert site("pool") in three.objects


@pytest.mark.parametrize("how", ["delete", "unuse", "rename", "drop the user"])
async def test_a_deleted_object_in_use_can_be_settled(trio: Trio, how: str) -> None:
    one, two, three = trio
    await one.commit([Put(site("user"), {"basic": {"note": "n"}})], ADMIN)
    await agree(*trio)
    await one.commit([Delete(site("pool"))], EVE)
    await two.commit([Put(site("new"), {"basic": {"pool": "pool", "monitors": ["Built-in", "pool"]}})], ADMIN)
    await agree(*trio)
    assert told(three)
    match how:
        case "delete":
            assert await three.commit([Delete(site("pool"))], ADMIN) is not None
        case "unuse":
            await three.commit([Put(site("new"), {})], ADMIN)
        case "rename":
            await three.commit([Rename(site("pool"), "kept")], ADMIN)
        case _:
            await three.commit([Delete(site("new"))], ADMIN)
    await agree(*trio)
    assert one.conflicts == ()
    assert (site("pool") in one.objects, site("kept") in one.objects) == (False, how == "rename")
    if how == "delete":
        assert one.objects[site("new")]["basic"]["pool"] == "pool"
        # Another order of what is left there does not bring it back.
        await two.commit(
            [Put(site("new"), {"basic": {"pool": "pool", "monitors": ["pool", "Built-in"]}})], ADMIN
        )
        assert site("pool") not in two.objects
        assert two.conflicts == ()


async def test_a_deletion_that_is_newer_than_the_reference_is_a_deletion(trio: Trio) -> None:
    one, two, three = trio
    await one.commit([Put(site("user"), {"basic": {"note": "m", "pool": "pool"}})], ADMIN)
    await two.commit([Delete(site("pool"))], ADMIN)
    await agree(*trio)
    assert site("pool") not in three.objects
    assert three.objects[site("user")] == {"basic": {"note": "m", "pool": "pool"}}
    assert three.conflicts == ()


async def test_one_kept_object_keeps_another(trio: Trio) -> None:
    one, two, three = trio
    await one.commit([Put(rule("r"), {"content": b"x"}), Put(site("user"), {})], ADMIN)
    await agree(*trio)
    await one.commit([Delete(rule("r")), Delete(site("pool"))], EVE)
    await two.commit([Put(site("pool"), {"basic": {"rules": ["r"]}})], ADMIN)
    await two.commit([Put(site("user"), {"basic": {"pool": "pool"}})], ADMIN)
    await agree(*trio)
    assert [line[1:3] for line in told(three)] == [("rules/r", "sites/pool"), ("sites/pool", "sites/user")]
    assert three.objects[rule("r")] == {"content": b"x"}
    await three.commit([Put(site("user"), {})], ADMIN)
    await agree(*trio)
    assert site("pool") not in one.objects
    assert rule("r") not in one.objects


async def test_a_write_that_lost_is_told_with_both_values_and_authors(trio: Trio) -> None:
    one, two, three = trio
    secret = {"password": "first"}
    await one.commit([Put(site("pool"), {"basic": {"port": 10, "note": "same"}, "safe": secret})], ADMIN)
    await two.commit(
        [Put(site("pool"), {"basic": {"port": 20, "note": "same"}, "safe": {"password": "second"}})], EVE
    )
    await three.commit([Put(site("pool"), {"basic": {"port": 1, "tags": ["x"]}})], ADMIN)
    await agree(*trio)
    found = [await store.superseded(10) for store in trio]
    assert found[0] == found[1] == found[2]
    ports = [lost for lost in found[0] if lost.path == ("basic", "port")]
    assert [(lost.lost, lost.kept, lost.lost_by, lost.kept_by) for lost in ports] == [(10, 20, ADMIN, EVE)]
    passwords = [lost for lost in found[0] if lost.path == ("safe", "password")]
    assert passwords
    assert all(str(lost.lost).startswith("***") for lost in passwords if lost.lost is not None)
    assert "first" not in repr(found)
    assert not [lost for lost in found[0] if lost.path == ("basic", "note")]
    # Who knew what he overwrote superseded nothing.
    await one.commit([Put(site("user"), {"basic": {"note": "a", "pool": "pool"}})], ADMIN)
    await agree(*trio)
    await two.commit([Put(site("user"), {"basic": {"note": "b", "pool": "pool"}})], EVE)
    await agree(*trio)
    assert not [lost for lost in await one.superseded(10) if lost.identity == site("user")]


async def test_the_later_of_several_edits_of_one_writer_is_the_one_that_lost(trio: Trio) -> None:
    one, two, three = trio
    for port in (5, 6, 7):
        await one.commit([Put(site("user"), {"basic": {"port": port, "pool": "pool"}})], ADMIN)
    await two.commit([Put(site("user"), {"basic": {"port": 9, "pool": "pool"}})], EVE)
    await exchange(two, three)
    await exchange(one, three)
    await exchange(one, two)
    await exchange(two, one)
    for store in trio:
        (lost,) = [s for s in await store.superseded(10) if s.path == ("basic", "port")]
        assert (lost.lost, lost.kept) == (7, 9)


async def test_an_edit_of_what_was_deleted_meanwhile_is_told(trio: Trio) -> None:
    one, two, _ = trio
    await one.commit([Put(site("user"), {"basic": {"note": "n", "port": 5, "pool": "pool"}})], ADMIN)
    await two.commit([Delete(site("user"))], EVE)
    await agree(*trio)
    for store in trio:
        assert site("user") not in store.objects
        (lost,) = await store.superseded(10)
        assert lost == Superseded(
            ObjectId("sites", "user"), ("basic", "port"), 5, None, ADMIN, lost.lost_at, EVE, lost.kept_at
        )
