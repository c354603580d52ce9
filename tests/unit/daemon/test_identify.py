"""The identity of an instance: made once, renamed as ordered, also over a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.control.first_start import furnish
from pointsman.control.renaming import rename_traffic_manager
from pointsman.daemon.identify import IdentityDamaged, identify
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Author, Put, Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.open(tmp_path / "store", BY_PATH)
    yield made
    await made.close()


def names(store: Store) -> set[str]:
    return {identity.name for identity in store.objects if identity.type == "traffic_managers"}


async def test_it_is_made_once(tmp_path: Path, store: Store) -> None:
    first = await identify(tmp_path, store, flag=None, ordered="pm1")
    assert first.name == "pm1"
    assert await identify(tmp_path, store, flag=None, ordered="") == first
    other = await identify(tmp_path, store, flag="pm9", ordered="pm2")
    assert (other.name, other.uuid) == ("pm9", first.uuid)
    assert (await identify(tmp_path, store, flag=None, ordered="")).name == "pm1"


async def test_the_ordered_name_is_taken_with_the_object(tmp_path: Path, store: Store) -> None:
    """R49: the object is renamed with its settings, and there is one traffic manager as before."""
    first = await identify(tmp_path, store, flag=None, ordered="pm1")
    await furnish(store, "pm1", ())
    await store.commit(
        [Put(ObjectId("traffic_managers", "pm1"), {"rest_api": {"port": 9071}})], Author("a"), ""
    )
    second = await identify(tmp_path, store, flag=None, ordered="10.0.0.1")
    assert (second.name, second.uuid) == ("10.0.0.1", first.uuid)
    await furnish(store, second.name, ())
    assert names(store) == {"10.0.0.1"}
    assert store.objects[ObjectId("traffic_managers", "10.0.0.1")]["rest_api"] == {"port": 9071}


async def test_a_start_that_was_cut_short_goes_on(tmp_path: Path, store: Store) -> None:
    """R49: a crash between the object and the file leaves one object, under the new name."""
    await identify(tmp_path, store, flag=None, ordered="pm1")
    await furnish(store, "pm1", ())
    await rename_traffic_manager(store, "pm1", "pm2")
    assert (await identify(tmp_path, store, flag=None, ordered="pm2")).name == "pm2"
    await furnish(store, "pm2", ())
    assert names(store) == {"pm2"}


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"name": "a"}'])
async def test_a_damaged_file_is_named(tmp_path: Path, store: Store, content: str) -> None:
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "instance.json").write_text(content)
    with pytest.raises(IdentityDamaged, match=r"instance\.json"):
        await identify(tmp_path, store, flag=None, ordered="")
