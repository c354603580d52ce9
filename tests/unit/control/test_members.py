"""The configuration of a cluster's member: what others commit is published and checked against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from tests.unit.store.resources import GLOBAL as INTERNAL_MODEL

from pointsman.control.configuration import Configuration
from pointsman.control.error import Conflict, InUse
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Delete, Put, Store, Transaction

ANN = Author("ann", "192.0.2.1", "rest")
BOB = Author("bob", "192.0.2.2", "rest")
PRODUCT = Author("", "", "product")
APP = ObjectId("pools", "app")
WEB = ObjectId("virtual_servers", "web")
RECORD = ObjectId("cluster/records", "one")
STORED = {
    **BY_PATH,
    RECORD.type: ResourceType(
        path=RECORD.type, title="Record", plural="Records", kind=Kind.COLLECTION, model=INTERNAL_MODEL.model
    ),
}
SERVER = {"basic": {"port": 80, "pool": "app"}}
NODES = {"basic": {"nodes_table": [{"node": "a:1"}]}}


class Member:
    """A store with its configuration, and what that told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.told: list[str] = []
        self.configuration = Configuration(store, self._changed)

    def _changed(self, reason: str, transaction: Transaction) -> None:
        assert self.configuration.snapshot.revision == self.store.revision
        self.told.append(reason)

    async def hear(self, other: Member) -> None:
        """Takes what the other has."""
        batch = await other.store.parcels_after(self.store.vector)
        await self.store.receive(batch.parcels, batch.blobs)


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[tuple[Member, Member]]:
    stores = [await Store.open(tmp_path / name, STORED) for name in ("one", "two")]
    await stores[1].adopt(await stores[0].whole(), keys=stores[0].keys, replace=True)
    yield Member(stores[0]), Member(stores[1])
    for store in stores:
        await store.close()


async def test_what_another_member_commits_is_published_with_its_author(
    members: tuple[Member, Member],
) -> None:
    one, two = members
    await one.configuration.put(ANN, APP, NODES, reason="a pool")
    await one.configuration.put(ANN, WEB, SERVER)
    await two.hear(one)
    assert two.told == ["a pool, by ann on another member", "virtual_servers/web, by ann on another member"]
    assert two.configuration.snapshot.objects == one.configuration.snapshot.objects
    assert one.told == ["a pool", "virtual_servers/web"]


@contextmanager
def held_up() -> Iterator[None]:
    """Checks, which run in threads, wait until the end of this."""
    executor, gate = ThreadPoolExecutor(1), Event()
    asyncio.get_running_loop().set_default_executor(executor)
    executor.submit(gate.wait, 30)
    yield
    gate.set()


async def test_an_edit_is_checked_and_merged_anew_when_another_member_was_faster(
    members: tuple[Member, Member],
) -> None:
    one, two = members
    await one.configuration.put(ANN, APP, NODES)
    await two.hear(one)
    with held_up():
        edit = asyncio.create_task(two.configuration.put(ANN, APP, {"connection": {"max_reply_time": 9}}))
        await asyncio.sleep(0)
        await one.store.commit([Put(APP, {"basic": {**NODES["basic"], "note": "bob's"}})], BOB)
        await two.hear(one)
    await edit
    await one.hear(two)
    for member in members:
        settings = member.configuration.settings(APP)
        assert settings is not None
        assert settings["basic"]["note"] == "bob's"
        assert settings["connection"] == {"max_reply_time": 9}
    with held_up():
        change = two.configuration.put(ANN, APP, {"basic": {"note": "ann's"}}, base=two.store.revision)
        edit = asyncio.create_task(change)
        await asyncio.sleep(0)
        await one.store.commit([Put(APP, {"basic": {**NODES["basic"], "note": "another"}})], BOB)
        await two.hear(one)
    with pytest.raises(Conflict):
        await edit
    assert two.configuration.snapshot.revision == two.store.revision


async def test_a_pool_that_another_member_just_used_cannot_be_deleted(members: tuple[Member, Member]) -> None:
    one, two = members
    await one.configuration.put(ANN, APP, NODES)
    await two.hear(one)
    with held_up():
        edit = asyncio.create_task(two.configuration.delete(ANN, APP))
        await asyncio.sleep(0)
        await one.store.commit([Put(WEB, SERVER)], BOB)
        await two.hear(one)
    with pytest.raises(InUse):
        await edit


async def test_a_restore_leaves_the_cluster_as_it_is(members: tuple[Member, Member]) -> None:
    one, _ = members
    first, second = (ObjectId("traffic_managers", name) for name in ("tm1", "tm2"))
    await one.store.commit([Put(first, {}), Put(RECORD, {"basic": {"limit": 1}})], PRODUCT)
    await one.configuration.put(ANN, APP, NODES)
    await one.configuration.put(ANN, first, {"rest_api": {"port": 9999}})
    before = one.store.revision
    await one.configuration.put(ANN, first, {"rest_api": {"port": 9070}})
    await one.configuration.put(ANN, ObjectId("pools", "late"), NODES)
    await one.store.commit([Put(second, {}), Put(RECORD, {"basic": {"limit": 2}})], PRODUCT)
    assert RECORD not in one.configuration.objects
    assert RECORD not in one.configuration.snapshot.objects
    await one.configuration.restore(ANN, before)
    assert one.store.objects[first] == {"rest_api": {"port": 9999}}
    assert one.store.objects[second] == {}
    assert one.store.objects[RECORD] == {"basic": {"limit": 2}}
    assert ObjectId("pools", "late") not in one.store.objects
    await one.store.commit([Delete(second)], PRODUCT)
    await one.configuration.restore(ANN, one.store.revision - 1)
    assert second not in one.store.objects


async def test_nothing_invalid_is_committed_on_top_of_what_came(members: tuple[Member, Member]) -> None:
    one, two = members
    await one.configuration.put(ANN, APP, NODES)
    await two.hear(one)
    with pytest.raises(Invalid):
        await two.configuration.put(ANN, WEB, {"basic": {"port": 0, "pool": "app"}})


async def test_a_claim_dates_from_the_last_change_of_what_is_claimed(members: tuple[Member, Member]) -> None:
    one, two = members
    rival = ObjectId("virtual_servers", "a-rival")
    await one.configuration.put(ANN, APP, NODES)
    await one.configuration.put(ANN, WEB, SERVER)
    first = one.configuration.snapshot.claims[WEB]
    await one.configuration.put(ANN, rival, SERVER)
    await one.configuration.put(ANN, WEB, {"basic": {"note": "n"}})
    claims = one.configuration.snapshot.claims
    assert claims[WEB] == first < claims[rival]
    assert APP not in claims
    await one.configuration.put(ANN, WEB, {"basic": {"listen_on_any": False, "listen_on_hosts": ["a"]}})
    await one.configuration.put(ANN, WEB, {"basic": {"listen_on_any": True, "listen_on_hosts": []}})
    assert one.configuration.snapshot.claims[WEB] > claims[rival]
    await two.hear(one)
    assert two.configuration.snapshot.claims == one.configuration.snapshot.claims
