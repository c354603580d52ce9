"""Commits: what they change, what they leave alone, how they fail."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.unit.store.opening import ADMIN, TestClock, opened, rule, site

from pointsman.schema.problem import ObjectId
from pointsman.store import (
    Delete,
    EditRefused,
    NameTaken,
    NotStored,
    Put,
    Rename,
    Store,
    UnknownField,
    UnknownObject,
)

GLOBAL = ObjectId("globals", "")


async def test_a_new_store_is_empty(store: Store) -> None:
    assert store.revision == 0
    assert dict(store.objects) == {}
    assert store.changed_at(site("a")) == 0


async def test_what_is_put_is_there_now_and_after_opening_again(tmp_path: Path) -> None:
    everything: dict[ObjectId, dict[str, Any]] = {
        site("a"): {
            "basic": {
                "port": 8080,
                "enabled": False,
                "ratio": 0.1,
                "note": "é",
                "pool": "b",
                "rules": ["r", "/r", "r"],
                "words": [],
                "tags": ["z", "a"],
                "nodes": [{"node": "n2", "weight": 2}, {"node": "n1"}],
            },
            "safe": {"password": "hush", "codes": ["1", "2"], "nodes": [{"node": "n", "token": "t"}]},
        },
        site("b"): {},
        rule("r"): {"content": b"\x00binary\xff"},
        GLOBAL: {"basic": {"limit": 3}},
        ObjectId("ssl/server_keys", "c"): {"basic": {"public": "P", "private": "K"}},
    }
    async with opened(tmp_path / "s") as store:
        made = await store.commit([Put(i, s) for i, s in everything.items()], ADMIN, "first")
        assert made is not None
        assert (made.revision, made.sequence, made.author, made.reason) == (1, 1, ADMIN, "first")
        assert dict(store.objects) == everything
    async with opened(tmp_path / "s") as again:
        assert dict(again.objects) == everything
        assert again.revision == 1
        assert [again.changed_at(identity) for identity in everything] == [1] * 5


async def test_a_commit_leaves_other_objects_the_very_same(store: Store) -> None:
    await store.commit(
        [Put(site("a"), {"basic": {"port": 1}}), Put(site("b"), {"basic": {"port": 2}})], ADMIN
    )
    before = store.objects
    await store.commit([Put(site("a"), {"basic": {"port": 3}})], ADMIN)
    assert store.objects[site("b")] is before[site("b")]
    assert before[site("a")] == {"basic": {"port": 1}}
    assert (store.changed_at(site("a")), store.changed_at(site("b"))) == (2, 1)


async def test_what_changes_nothing_is_no_transaction(store: Store) -> None:
    settings = {"basic": {"tags": ["a"], "pool": "b"}, "safe": {"password": "hush"}}
    await store.commit([Put(site("a"), settings)], ADMIN)
    assert await store.commit([Put(site("a"), settings)], ADMIN) is None
    assert await store.commit([], ADMIN) is None
    assert await store.commit([Put(site("c"), {}), Delete(site("c"))], ADMIN) is None
    assert await store.commit([Put(site("c"), {}), Rename(site("c"), "d"), Delete(site("d"))], ADMIN) is None
    assert await store.commit([Rename(site("a"), "z"), Rename(site("z"), "a")], ADMIN) is None
    assert store.revision == 1


async def test_what_a_caller_does_with_its_data_later_does_not_matter(store: Store) -> None:
    settings: dict[str, Any] = {"basic": {"tags": ["a"]}}
    await store.commit([Put(site("a"), settings)], ADMIN)
    settings["basic"]["tags"].append("b")
    assert store.objects[site("a")] == {"basic": {"tags": ["a"]}}


async def test_a_rename_reaches_every_reference(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as store:
        # "late" refers to the rule by name, before there is one.
        await store.commit([Put(site("late"), {"basic": {"rules": ["/r"]}})], ADMIN)
        await store.commit(
            [
                Put(site("user"), {"basic": {"rules": ["r", "/r"]}}),
                Put(rule("r"), {"content": b"x"}),
                Put(site("other"), {"basic": {"note": "r"}}),
            ],
            ADMIN,
        )
        await store.commit([Rename(rule("r"), "q")], ADMIN)
        expected = {
            site("late"): {"basic": {"rules": ["/q"]}},
            site("user"): {"basic": {"rules": ["q", "/q"]}},
            site("other"): {"basic": {"note": "r"}},
            rule("q"): {"content": b"x"},
        }
        assert dict(store.objects) == expected
        await store.commit([Rename(rule("q"), "p")], ADMIN)
        assert store.objects[site("late")] == {"basic": {"rules": ["/p"]}}
    async with opened(tmp_path / "s") as again:
        assert again.objects[site("late")] == {"basic": {"rules": ["/p"]}}
        assert again.objects[site("user")] == {"basic": {"rules": ["p", "/p"]}}


async def test_changes_of_one_transaction_follow_each_other(store: Store) -> None:
    await store.commit(
        [
            Put(site("user"), {"basic": {"pool": "a"}}),
            Put(site("a"), {"basic": {"port": 1}}),
            Rename(site("a"), "b"),
            Put(site("a"), {"basic": {"port": 2}}),
            Put(site("second"), {"basic": {"pool": "a"}}),
        ],
        ADMIN,
    )
    assert store.objects[site("user")] == {"basic": {"pool": "b"}}
    assert store.objects[site("second")] == {"basic": {"pool": "a"}}
    assert store.objects[site("b")] == {"basic": {"port": 1}}
    assert store.objects[site("a")] == {"basic": {"port": 2}}
    assert store.revision == 1


async def test_a_reference_may_name_what_comes_later_and_goes_again(store: Store) -> None:
    user = Put(site("user"), {"basic": {"pool": "a", "monitors": ["a", "b"]}})
    await store.commit([user, Put(site("a"), {}), Delete(site("a")), user, Put(site("b"), {})], ADMIN)
    assert dict(store.objects) == {user.identity: user.settings, site("b"): {}}
    await store.commit([Rename(site("b"), "c"), Put(site("a"), {}), Rename(site("a"), "d")], ADMIN)
    assert store.objects[user.identity] == {"basic": {"pool": "d", "monitors": ["d", "c"]}}


async def test_two_objects_can_swap_names(store: Store) -> None:
    await store.commit(
        [Put(site("a"), {"basic": {"port": 1}}), Put(site("b"), {"basic": {"port": 2}})], ADMIN
    )
    await store.commit([Put(site("user"), {"basic": {"monitors": ["a", "b"]}})], ADMIN)
    await store.commit([Rename(site("a"), "x"), Rename(site("b"), "a"), Rename(site("x"), "b")], ADMIN)
    assert store.objects[site("a")] == {"basic": {"port": 2}}
    assert store.objects[site("user")] == {"basic": {"monitors": ["b", "a"]}}


async def test_an_object_made_again_is_the_one_that_was_deleted(store: Store) -> None:
    await store.commit(
        [Put(site("a"), {"basic": {"port": 1}}), Put(site("u"), {"basic": {"pool": "a"}})], ADMIN
    )
    uid = store.objects.uid(site("a"))
    await store.commit([Delete(site("a"))], ADMIN)
    assert site("a") not in store.objects
    assert store.objects[site("u")] == {"basic": {"pool": "a"}}
    assert store.changed_at(site("a")) == 2
    await store.commit([Put(site("a"), {"basic": {"note": "n"}})], ADMIN)
    assert store.objects.uid(site("a")) == uid
    assert store.objects[site("a")] == {"basic": {"note": "n"}}
    await store.commit([Rename(site("a"), "b")], ADMIN)
    assert store.objects[site("u")] == {"basic": {"pool": "b"}}


async def test_a_name_that_is_free_again_may_go_to_another(store: Store) -> None:
    await store.commit([Put(site("a"), {}), Put(site("u"), {"basic": {"pool": "a"}})], ADMIN)
    await store.commit([Put(site("b"), {"basic": {"port": 2}})], ADMIN)
    await store.commit([Delete(site("a")), Rename(site("b"), "a")], ADMIN)
    assert store.objects[site("a")] == {"basic": {"port": 2}}
    await store.commit([Rename(site("a"), "c")], ADMIN)
    assert store.objects[site("u")] == {"basic": {"pool": "c"}}
    assert set(store.objects) == {site("c"), site("u")}


async def test_singletons_and_factory_objects_have_one_uid_everywhere(tmp_path: Path) -> None:
    uids = []
    for name in ("one", "two"):
        async with opened(tmp_path / name) as store:
            changes = [
                Put(GLOBAL, {"basic": {"limit": 1}}),
                Put(site("Built-in"), {}),
                Put(site("own"), {}),
            ]
            await store.commit(changes, ADMIN)
            uids.append([store.objects.uid(change.identity) for change in changes])
    assert uids[0][:2] == uids[1][:2]
    assert uids[0][2] != uids[1][2]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ([Delete(site("none"))], UnknownObject, "sites/none: there is no such object"),
        ([Rename(site("none"), "x")], UnknownObject, "sites/none"),
        ([Rename(site("a"), "b")], NameTaken, 'sites/a: cannot be called "b"'),
        ([Rename(site("a"), "")], UnknownObject, "needs a name"),
        ([Put(ObjectId("nothing", "x"), {})], UnknownObject, 'there is no type "nothing"'),
        ([Put(site("new"), {}), Put(site("x"), {"basic": {"prot": 1}})], UnknownField, "sites/x: basic.prot"),
        ([Put(rule("r"), {"text": "x"})], UnknownField, "rules/r: content"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    store: Store, changes: list[Put | Delete | Rename], error: type[EditRefused], words: str
) -> None:
    await store.commit([Put(site("a"), {}), Put(site("b"), {})], ADMIN)
    before = store.objects
    with pytest.raises(error) as refused:
        await store.commit(changes, ADMIN)
    assert words in str(refused.value)
    assert store.objects is before
    assert store.revision == 1


async def test_a_failure_in_the_middle_of_a_write_leaves_all_as_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as store:
        await store.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN)
        before = store.objects
        with sqlite3.connect(tmp_path / "s" / "store.db") as other:
            # The vector is written last: log and registers are in the transaction by then.
            other.execute(
                "CREATE TRIGGER fault BEFORE UPDATE ON vv BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
            )
        other.close()
        with pytest.raises(NotStored, match=r"store\.db: not stored: disk is full; free space"):
            await store.commit([Put(site("a"), {"basic": {"port": 2}}), Put(site("b"), {})], ADMIN)
        assert store.objects is before
        assert store.revision == 1
        with sqlite3.connect(tmp_path / "s" / "store.db") as other:
            assert other.execute("SELECT count(*) FROM log").fetchone() == (1,)
            other.execute("DROP TRIGGER fault")
        other.close()
        made = await store.commit([Put(site("a"), {"basic": {"port": 3}})], ADMIN)
        assert made is not None
        assert (made.revision, made.sequence) == (2, 2)
    async with opened(tmp_path / "s") as again:
        assert dict(again.objects) == {site("a"): {"basic": {"port": 3}}}


async def test_commits_that_come_together_all_happen(store: Store) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(store.commit([Put(site(f"s{number}"), {"basic": {"port": number}})], ADMIN))
    assert len(store.objects) == store.revision == 20


async def test_a_commit_whose_caller_goes_away_is_whole_in_memory_too(store: Store) -> None:
    commit = asyncio.ensure_future(store.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN))
    await asyncio.sleep(0)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    await store.commit([Put(site("b"), {})], ADMIN)
    assert store.revision == len(store.objects) == 2


async def test_stamps_rise_over_restarts_when_the_wall_clock_goes_back(
    tmp_path: Path, clock: TestClock
) -> None:
    from tests.unit.store.resources import REGISTRY

    stamps = []
    for step in range(3):
        store = await Store.open(tmp_path / "s", REGISTRY, clock=clock)
        made = await store.commit([Put(site("a"), {"basic": {"port": step}})], ADMIN)
        assert made is not None
        stamps.append(made.hlc)
        clock.now -= 3600
        await store.close()
    assert stamps == sorted(set(stamps))
    async with opened(tmp_path / "s") as again:
        assert again.objects[site("a")] == {"basic": {"port": 2}}
