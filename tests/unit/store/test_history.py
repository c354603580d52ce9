"""History: who changed what, and the way back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.opening import ADMIN, TestClock, opened, rounds, rule, site

from pointsman.schema.problem import ObjectId
from pointsman.store import (
    Author,
    Change,
    ChangeRecord,
    Delete,
    EditRefused,
    Only,
    Put,
    Rename,
    Store,
    UnknownRevision,
    changes_between,
)


def _nodes(**weights: int) -> dict[str, Any]:
    return {"basic": {"nodes": [{"node": node, "weight": weight} for node, weight in weights.items()]}}


async def test_the_newest_transaction_is_told_without_its_changes(store: Store) -> None:
    assert await store.newest() is None
    await store.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN, "made")
    await store.commit([Put(site("a"), {"basic": {"port": 2}})], Author("eve"), "edit")
    newest = await store.newest()
    assert newest is not None
    assert (newest.revision, newest.author, newest.reason, newest.changes) == (2, Author("eve"), "edit", ())


async def test_a_transaction_tells_each_field_before_and_after(store: Store) -> None:
    await store.commit([Put(site("a"), {"basic": {"port": 1, "tags": ["x", "y"]}})], ADMIN, "made")
    await store.commit([Put(site("a"), {"basic": {"tags": ["y", "z"], "note": "n"}})], Author("eve"), "edit")
    second, first = await store.transactions()
    assert (first.author, first.reason, first.time, second.author) == (
        ADMIN,
        "made",
        1_800_000_000.0,
        Author("eve"),
    )
    assert first.changes == (
        ChangeRecord(site("a"), (), None, "a"),
        ChangeRecord(site("a"), ("basic", "port"), None, 1),
        ChangeRecord(site("a"), ("basic", "tags"), None, ["x", "y"]),
    )
    assert second.changes == (
        ChangeRecord(site("a"), ("basic", "note"), None, "n"),
        ChangeRecord(site("a"), ("basic", "port"), 1, None),
        ChangeRecord(site("a"), ("basic", "tags", "x"), "x", None),
        ChangeRecord(site("a"), ("basic", "tags", "z"), None, "z"),
    )


async def test_the_commit_returns_what_the_log_says_later(store: Store) -> None:
    made = await store.commit([Put(site("b"), _nodes(n=1)), Put(site("a"), _nodes(n=1, m=2))], ADMIN)
    assert await store.transactions() == (made,)


async def test_rows_are_told_by_their_key_and_column(store: Store) -> None:
    await store.commit([Put(site("a"), _nodes(n=1, m=1))], ADMIN)
    changed = await store.commit([Put(site("a"), _nodes(m=1, n=2, k=3))], ADMIN)
    swapped = await store.commit([Put(site("a"), _nodes(n=2, m=1, k=3))], ADMIN)
    assert changed is not None
    assert changed.changes == (
        ChangeRecord(site("a"), ("basic", "nodes", "k"), None, {"node": "k", "weight": 3}),
        ChangeRecord(site("a"), ("basic", "nodes", "n", "weight"), 1, 2),
    )
    assert swapped is not None
    assert swapped.changes == (ChangeRecord(site("a"), ("basic", "nodes"), ["m", "n", "k"], ["n", "m", "k"]),)


async def test_secrets_are_fingerprints_in_history(store: Store) -> None:
    shown = []
    for password in ("hush", "hush2", "hush"):
        secret = {"password": password, "codes": [password], "nodes": [{"node": "n", "token": password}]}
        made = await store.commit([Put(site("a"), {"safe": secret})], ADMIN)
        assert made is not None
        assert "hush" not in repr(made)
        shown.append({record.path: record.after for record in made.changes})
    name = ("safe", "password")
    assert shown[0][name].startswith("***")
    assert len(shown[0][name]) == 11
    assert shown[0][name] == shown[2][name] != shown[1][name]
    assert shown[1][("safe", "nodes", "n", "token")].startswith("***")


async def test_a_renamed_object_keeps_its_history(store: Store) -> None:
    await store.commit([Put(site("a"), {"basic": {"port": 1}})], ADMIN)
    await store.commit([Put(site("other"), {})], ADMIN)
    renamed = await store.commit([Rename(site("a"), "b")], ADMIN)
    assert renamed is not None
    assert renamed.changes == (ChangeRecord(site("b"), (), "a", "b"),)
    await store.commit([Delete(site("b"))], ADMIN)
    assert [t.revision for t in await store.transactions(subject=site("b"))] == [4, 3, 1]
    assert await store.transactions(subject=site("nobody")) == ()


async def test_history_comes_in_pages(store: Store) -> None:
    for port in range(5):
        await store.commit([Put(site("a"), {"basic": {"port": port}})], ADMIN)
    page = await store.transactions(limit=2)
    assert [t.revision for t in page] == [5, 4]
    assert [t.revision for t in await store.transactions(limit=9, before=4, subject=site("a"))] == [3, 2, 1]


async def test_history_is_filtered_by_who_and_what(store: Store, clock: TestClock) -> None:
    eve, ann = Author("eve", "10.0.0.9", "ui"), Author("ann", "", "local")
    for number, author in enumerate((ADMIN, eve, ann)):
        clock.now = 1_800_000_000.0 + number * 100
        await store.commit(
            [Put(site("a"), {"basic": {"note": f'50%_\\ "{number}"'}})], author, f"why {number}"
        )

    async def seen(**wanted: Any) -> list[int]:
        return [found.revision for found in await store.transactions(only=Only(**wanted))]

    assert await seen() == [3, 2, 1]
    assert await seen(author="eve") == [2]
    assert await seen(surface="local") == [3]
    assert await seen(not_surfaces=("local", "ui")) == [1]
    assert await seen(since=1_800_000_050.0, until=1_800_000_150.0) == [2]
    assert await seen(text="why 1") == [2]
    assert await seen(text='"2"') == [3], "a value, quotes and all"
    assert await seen(text="0%_\\ ") == [3, 2, 1]
    assert await seen(text="a%") == []
    assert [t.revision for t in await store.transactions(subject=site("a"), only=Only(author="ann"))] == [3]


async def test_who_disabled_this_node(store: Store) -> None:
    rows = [{"node": "n", "state": "active", "weight": 1}, {"node": "m"}]
    await store.commit([Put(site("a"), {"basic": {"nodes": rows}}), Put(site("b"), {})], Author("maker"))
    rows[0] = {"node": "n", "state": "disabled", "weight": 1}
    await store.commit([Put(site("a"), {"basic": {"nodes": rows}})], Author("disabler"))
    rows[0] = {"node": "n", "state": "disabled", "weight": 9}
    await store.commit([Put(site("a"), {"basic": {"nodes": rows}})], Author("weigher"))
    rows.reverse()
    await store.commit([Put(site("a"), {"basic": {"nodes": rows}})], Author("sorter"))

    async def who(*path: str) -> str | None:
        last = await store.last_change(site("a"), path)
        return None if last is None else last.author.name

    assert await who("basic", "nodes", "n", "state") == "disabler"
    assert await who("basic", "nodes", "n") == "weigher"
    assert await who("basic", "nodes", "m") == "maker"
    assert await who("basic", "nodes", "m", "state") == "maker"
    assert await who("basic", "nodes") == "sorter"
    assert await who() == "sorter"
    assert await who("basic", "port") is None
    assert await who("basic", "nodes", "none") is None
    assert await store.last_change(site("none"), ()) is None
    last = await store.last_change(site("a"), ("basic", "nodes", "m"))
    assert last is not None
    assert {record.identity for record in last.changes} == {site("a")}


async def test_the_configuration_of_a_revision(store: Store, clock: TestClock) -> None:
    seen = [dict(store.objects)]
    for change in (
        Put(site("a"), {"basic": {"pool": "b"}, "safe": {"password": "hush"}}),
        Put(site("b"), {}),
        Rename(site("b"), "c"),
        Put(rule("r"), {"content": b"text"}),
        Delete(site("c")),
    ):
        clock.now += 10
        await store.commit([change], ADMIN)
        seen.append(dict(store.objects))
    for revision, objects in enumerate(seen):
        assert dict(await store.objects_at(revision)) == objects
    with pytest.raises(UnknownRevision, match="no revision 6; give one from 0"):
        await store.objects_at(6)


async def test_a_restore_is_one_more_transaction(store: Store) -> None:
    await store.commit(
        [
            Put(site("a"), {"basic": {"port": 1, "pool": "b"}}),
            Put(site("b"), {}),
            Put(rule("r"), {"content": b"1"}),
        ],
        ADMIN,
    )
    then = dict(store.objects)
    await store.commit(
        [Rename(site("b"), "c"), Put(site("a"), {}), Delete(rule("r")), Put(site("n"), {})], ADMIN
    )
    uid = store.objects.uid(site("c"))
    changes = changes_between(store.objects, await store.objects_at(1))
    await store.commit(changes, ADMIN, "restore of revision 1")
    assert dict(store.objects) == then
    assert store.objects.uid(site("b")) == uid
    assert store.revision == 3
    assert changes_between(store.objects, await store.objects_at(1)) == ()


names = st.sampled_from(["a", "b", "c", "d"])
site_settings = st.fixed_dictionaries(
    {},
    optional={
        "basic": st.fixed_dictionaries(
            {"port": st.integers(1, 3)},
            optional={"pool": names, "monitors": st.lists(names, unique=True, max_size=3)},
        )
    },
)
edits = st.one_of(
    st.builds(Put, st.builds(site, names), site_settings),
    st.builds(Delete, st.builds(site, names)),
    st.builds(Rename, st.builds(site, names), names),
)


@settings(max_examples=rounds(25), deadline=None)
@given(st.lists(st.lists(edits, min_size=1, max_size=3), max_size=6), st.integers(0, 5))
async def test_any_earlier_state_can_be_read_and_restored(batches: list[list[Change]], choice: int) -> None:
    with TemporaryDirectory() as directory:
        async with opened(Path(directory)) as store:
            seen: dict[int, dict[ObjectId, Any]] = {0: {}}
            for batch in batches:
                try:
                    await store.commit(batch, ADMIN)
                except EditRefused:
                    continue
                seen[store.revision] = dict(store.objects)
            for revision, objects in seen.items():
                assert dict(await store.objects_at(revision)) == objects
            target = choice % len(seen)
            await store.commit(changes_between(store.objects, await store.objects_at(target)), ADMIN)
            assert dict(store.objects) == seen[target]
            now = dict(store.objects)
            assert dict(await store.objects_at(store.revision)) == now
        async with opened(Path(directory)) as again:
            assert dict(again.objects) == now
