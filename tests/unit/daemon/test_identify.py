"""The identity of an instance: made once, renamed as wished, also over a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.control.first_start import furnish
from pointsman.control.renaming import rename_traffic_manager
from pointsman.daemon.identify import identify
from pointsman.identity.called import IdentityDamaged, Wish, read_called, wish_name
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
    assert not wish_name(tmp_path, Wish("pm0"))
    first = await identify(tmp_path, store, flag=None, ordered="pm1")
    assert first.name == "pm1"
    assert await identify(tmp_path, store, flag=None, ordered="") == first
    assert await identify(tmp_path, store, flag=None, ordered="pm0") == first
    assert wish_name(tmp_path, Wish("pm2"))
    other = await identify(tmp_path, store, flag="pm9", ordered="")
    assert (other.name, other.uuid) == ("pm9", first.uuid)
    assert (await identify(tmp_path, store, flag=None, ordered="")).name == "pm2"


async def test_the_wished_name_is_taken_with_the_object(tmp_path: Path, store: Store) -> None:
    """R49: the object is renamed with its settings and in the name of who wished so, and there is one as before."""
    first = await identify(tmp_path, store, flag=None, ordered="pm1")
    await furnish(store, "pm1", ())
    await store.commit(
        [Put(ObjectId("traffic_managers", "pm1"), {"rest_api": {"port": 9071}})], Author("a"), ""
    )
    assert wish_name(tmp_path, Wish("10.0.0.1", "ann", "192.0.2.7", "ui"))
    second = await identify(tmp_path, store, flag=None, ordered="")
    assert (second.name, second.uuid) == ("10.0.0.1", first.uuid)
    await furnish(store, second.name, ())
    assert names(store) == {"10.0.0.1"}
    assert store.objects[ObjectId("traffic_managers", "10.0.0.1")]["rest_api"] == {"port": 9071}
    (transaction,) = await store.transactions(limit=1)
    assert transaction.author == Author("ann", "192.0.2.7", "ui")
    called = read_called(tmp_path)
    assert called is not None
    assert called.wish is None


async def test_a_start_that_was_cut_short_goes_on(tmp_path: Path, store: Store) -> None:
    """R49: a crash between the object and the file leaves one object, under the new name."""
    await identify(tmp_path, store, flag=None, ordered="pm1")
    await furnish(store, "pm1", ())
    assert wish_name(tmp_path, Wish("pm2"))
    await rename_traffic_manager(store, "pm1", "pm2")
    assert (await identify(tmp_path, store, flag=None, ordered="")).name == "pm2"
    await furnish(store, "pm2", ())
    assert names(store) == {"pm2"}


async def test_a_name_that_another_has_is_not_taken(tmp_path: Path, store: Store) -> None:
    """R49: names are unique among the members: the former one stays, and the wish is over."""
    await identify(tmp_path, store, flag=None, ordered="pm1")
    await furnish(store, "pm1", ())
    await furnish(store, "pm2", ())
    assert wish_name(tmp_path, Wish("pm2"))
    assert (await identify(tmp_path, store, flag=None, ordered="")).name == "pm1"
    assert names(store) == {"pm1", "pm2"}
    called = read_called(tmp_path)
    assert called is not None
    assert called.wish is None


async def test_a_wish_for_the_present_name_takes_another_back(tmp_path: Path, store: Store) -> None:
    await identify(tmp_path, store, flag=None, ordered="pm1")
    assert wish_name(tmp_path, Wish("pm2"))
    assert not wish_name(tmp_path, Wish("pm1"))
    assert (await identify(tmp_path, store, flag=None, ordered="")).name == "pm1"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"name": "a"}', '{"name":"a","uuid":"b","wish":{}}'])
async def test_a_damaged_file_is_named(tmp_path: Path, store: Store, content: str) -> None:
    (tmp_path / "identity").mkdir()
    (tmp_path / "identity" / "instance.json").write_text(content)
    with pytest.raises(IdentityDamaged, match=r"instance\.json"):
        await identify(tmp_path, store, flag=None, ordered="")
