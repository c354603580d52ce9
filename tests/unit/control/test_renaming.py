"""A traffic manager keeps its settings and history under another name."""

from __future__ import annotations

from pathlib import Path

from pointsman.control.renaming import rename_traffic_manager
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Author, Put, Store

OLD, NEW, ADDRESS = (ObjectId("traffic_managers", name) for name in ("pm1", "pm2", "10.0.0.1"))


async def test_the_object_is_renamed_with_its_settings(tmp_path: Path) -> None:
    """R49: the traffic manager's object has the new name, everything in it is kept, and repeating does no harm."""
    store = await Store.open(tmp_path, BY_PATH)
    try:
        await store.commit([Put(OLD, {"rest_api": {"port": 9071}})], Author("admin"), "")
        assert await rename_traffic_manager(store, "pm1", "10.0.0.1")
        assert OLD not in store.objects
        assert store.objects[ADDRESS] == {"rest_api": {"port": 9071}, "basic": {"nameip": "10.0.0.1"}}
        (transaction, *_) = await store.transactions(limit=1)
        assert transaction.author.surface == "configure"
        revision = store.revision
        assert not await rename_traffic_manager(store, "pm1", "10.0.0.1")
        assert not await rename_traffic_manager(store, "10.0.0.1", "10.0.0.1")
        assert store.revision == revision
        assert await rename_traffic_manager(store, "10.0.0.1", "pm2")
        assert store.objects[NEW] == {"rest_api": {"port": 9071}}
        assert len(await store.transactions(subject=NEW)) == 3
    finally:
        await store.close()


async def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    store = await Store.open(tmp_path, BY_PATH)
    try:
        await store.commit([Put(OLD, {}), Put(NEW, {})], Author("admin"), "")
        assert not await rename_traffic_manager(store, "pm1", "pm2")
        assert {OLD, NEW} <= set(store.objects)
    finally:
        await store.close()
