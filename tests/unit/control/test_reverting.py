"""One transaction taken back, with everything that came after it kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.running import AUTHOR, Running, running

from pointsman.control.error import Forbidden, NoSuchRevision
from pointsman.control.reverting import prepare_undo
from pointsman.schema.problem import ObjectId
from pointsman.store import Delete, Put, Rename

POOL = ObjectId("pools", "p")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as found:
        yield found


def settings(note: str, *nodes: str, **more: Any) -> dict[str, Any]:
    rows = [{"node": node} for node in nodes or ("a:1",)]
    return {"basic": {"nodes_table": rows, "note": note, **more}}


async def undo(site: Running, revision: int, **choices: Any) -> int:
    reverting = await prepare_undo(site.control, revision, {POOL: choices} if choices else None)
    return await site.control.edit(AUTHOR, reverting.changes, base=reverting.base)


async def test_a_change_goes_back_and_the_undo_as_well(site: Running) -> None:
    control = site.control
    await control.edit(AUTHOR, [Put(POOL, settings("one"))])
    changed = await control.edit(AUTHOR, [Put(POOL, settings("two", "a:1", "b:1"))])
    undone = await undo(site, changed)
    assert control.settings(POOL) == await _stored(site, changed - 1)
    await undo(site, undone)
    assert control.settings(POOL) == await _stored(site, changed)


async def _stored(site: Running, revision: int) -> Any:
    return (await site.control.objects_at(revision)).get(POOL)


async def test_making_and_deleting_go_back(site: Running) -> None:
    control = site.control
    made = await control.edit(AUTHOR, [Put(POOL, settings("one"))])
    deleted = await undo(site, made)
    assert control.settings(POOL) is None
    await undo(site, deleted)
    assert control.settings(POOL) == await _stored(site, made)


async def test_what_came_later_stays(site: Running) -> None:
    control = site.control
    await control.edit(AUTHOR, [Put(POOL, settings("one"))])
    changed = await control.edit(AUTHOR, [Put(POOL, settings("two", monitors=["Ping"]))])
    await control.edit(AUTHOR, [Put(POOL, settings("three", "a:1", "z:1", monitors=["Ping"]))])
    reverting = await prepare_undo(control, changed)
    assert [clash.name for clash in reverting.clashes[POOL]] == ["basic.note"]
    await undo(site, changed)
    found = control.settings(POOL)
    assert found is not None
    assert found["basic"]["note"] == "three"  # changed since, so it stays
    assert "monitors" not in found["basic"]
    assert [row["node"] for row in found["basic"]["nodes_table"]] == ["a:1", "z:1"]


async def test_what_was_changed_since_goes_back_when_that_is_chosen(site: Running) -> None:
    control = site.control
    await control.edit(AUTHOR, [Put(POOL, settings("one"))])
    changed = await control.edit(AUTHOR, [Put(POOL, settings("two"))])
    await control.edit(AUTHOR, [Put(POOL, settings("three"))])
    assert (await prepare_undo(control, changed)).changes == ()
    await undo(site, changed, **{"basic.note": "mine"})
    found = control.settings(POOL)
    assert found is not None
    assert found["basic"]["note"] == "one"


async def test_an_object_changed_since_it_was_made_is_kept(site: Running) -> None:
    made = await site.control.edit(AUTHOR, [Put(POOL, settings("one"))])
    await site.control.edit(AUTHOR, [Put(POOL, settings("two"))])
    reverting = await prepare_undo(site.control, made)
    assert reverting.changes == ()
    assert [clash.name for clash in reverting.clashes[POOL]] == ["object"]
    deleting = await prepare_undo(site.control, made, {POOL: {"object": "mine"}})
    assert deleting.changes == (Delete(POOL),)


async def test_a_renaming_goes_back_while_nothing_came_after(site: Running) -> None:
    control = site.control
    await control.edit(AUTHOR, [Put(POOL, settings("one"))])
    renamed = await control.edit(AUTHOR, [Rename(POOL, "q")])
    reverting = await prepare_undo(control, renamed)
    assert Rename(ObjectId("pools", "q"), "p") in reverting.changes
    await control.edit(AUTHOR, [Put(ObjectId("pools", "q"), settings("later"))])
    with pytest.raises(Forbidden, match="rename it back"):
        await prepare_undo(control, renamed)


async def test_a_number_that_no_transaction_has(site: Running) -> None:
    with pytest.raises(NoSuchRevision):
        await prepare_undo(site.control, site.control.revision + 5)
