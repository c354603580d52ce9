"""A traffic manager keeps its settings and history under another name."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.running import running

from pointsman.control.error import Frozen
from pointsman.control.renaming import CannotRename, Names, NameTaken, Renaming, rename_traffic_manager
from pointsman.identity.called import Called, Wish, read_called, write_called
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Author, Put, Store

ANN = Author("ann", "192.0.2.7", "ui")
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
        with pytest.raises(NameTaken, match="another traffic manager is called pm2"):
            await rename_traffic_manager(store, "pm1", "pm2")
        assert {OLD, NEW} <= set(store.objects)
    finally:
        await store.close()


async def test_an_address_takes_the_place_of_the_host_name(tmp_path: Path) -> None:
    """R50: an address of the machine itself, that no other member is called by; the next start carries it out."""
    async with running(tmp_path) as manager:
        renaming = manager.control.renaming
        write_called(tmp_path, Called("pm1", "1"))
        await manager.control.edit(ANN, [Put(ObjectId("traffic_managers", "10.0.0.2"), {})])
        assert renaming.names() == Names("pm1", ("10.0.0.1", "10.0.0.2"), ("10.0.0.2",))
        for address, said in (
            ("", "several addresses"),
            ("pm2", "no IP address"),
            ("192.0.2.1", "no address of this machine"),
            ("10.0.0.2", "another traffic manager"),
        ):
            with pytest.raises(CannotRename, match=said):
                await renaming.use_address(ANN, address)
        assert read_called(tmp_path) == Called("pm1", "1")
        asked = asyncio.Event()

        def restart() -> bool:
            asked.set()
            return True

        assert not await renaming.use_address(ANN, "10.0.0.1")
        renaming.restart = restart
        assert await renaming.use_address(ANN, "10.0.0.1")
        await asyncio.wait_for(asked.wait(), 5)
        assert read_called(tmp_path) == Called("pm1", "1", Wish("10.0.0.1", "ann", "192.0.2.7", "ui"))
        assert [event.author for event in manager.events if event.tag == "renaming"] == ["ann", "ann"]


async def test_mixed_versions_do_not_stop_renaming(tmp_path: Path) -> None:
    """R57: while the configuration is frozen, a name can be replaced."""
    async with running(tmp_path) as manager:
        write_called(tmp_path, Called("pm1", "1"))
        manager.configuration.frozen = lambda: "the members run different versions"
        with pytest.raises(Frozen):
            await manager.control.put(ANN, ObjectId("pools", "new"), {})
        assert not await manager.control.renaming.use_address(ANN, "10.0.0.1")


async def test_the_page_knows_no_way_back(tmp_path: Path) -> None:
    """R50: a traffic manager that is called by an address gets another name by the configure script only."""
    store = await Store.open(tmp_path, BY_PATH)
    try:
        renaming = Renaming(tmp_path, "10.0.0.1", store, lambda event: None, lambda: ("10.0.0.2",))
        with pytest.raises(CannotRename, match="by the configure script"):
            await renaming.use_address(ANN, "10.0.0.2")
        renaming = Renaming(tmp_path, "pm1", store, lambda event: None, lambda: ())
        with pytest.raises(CannotRename, match="no address that others could reach"):
            await renaming.use_address(ANN, "")
    finally:
        await store.close()
