"""Use cases on the real store: merging, refusals, restore, and what the store cannot read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.control.configuration import Configuration
from pointsman.control.error import Conflict, Forbidden, InUse, NotFound
from pointsman.control.journal import events_of
from pointsman.schema.event import Event
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Delete, Put, Store

ANN = Author("ann", "192.0.2.1", "rest")
APP = ObjectId("pools", "app")
WEB = ObjectId("virtual_servers", "web")
GLOBAL = ObjectId("global_settings", "")


class Opened:
    """A configuration and the events of its changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events: list[Event] = []
        self.reasons: list[str] = []
        self.configuration = Configuration(store, self._changed)

    def _changed(self, reason: str, transaction: object) -> None:
        self.reasons.append(reason)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty configuration."""
    store = await Store.open(tmp_path / "store", BY_PATH)
    yield Opened(store)
    await store.close()


async def web(opened: Opened) -> None:
    """A virtual server with its pool."""
    await opened.configuration.put(ANN, APP, {"basic": {"nodes_table": [{"node": "a:1"}]}})
    await opened.configuration.put(ANN, WEB, {"basic": {"port": 80, "pool": "app"}})


async def test_create_then_merge(opened: Opened) -> None:
    made = await opened.configuration.put(ANN, APP, {"basic": {"note": "one"}})
    again = await opened.configuration.put(ANN, APP, {"connection": {"max_reply_time": 9}})
    assert (made.created, again.created) == (True, False)
    assert opened.configuration.settings(APP) == {
        "basic": {"note": "one"},
        "connection": {"max_reply_time": 9},
    }
    same = await opened.configuration.put(ANN, APP, {"basic": {"note": "one"}})
    assert same.revision == again.revision


async def test_nothing_invalid_is_stored(opened: Opened) -> None:
    with pytest.raises(Invalid):
        await opened.configuration.put(ANN, APP, {"basic": {"note": 3}})
    assert opened.store.revision == 0
    with pytest.raises(Invalid):
        await opened.configuration.edit(ANN, [Put(APP, {}), Put(WEB, {"basic": {"port": 0, "pool": "app"}})])
    assert opened.store.revision == 0
    assert opened.configuration.snapshot.objects.keys() == {GLOBAL}


async def test_an_object_in_use_cannot_be_deleted(opened: Opened) -> None:
    await web(opened)
    with pytest.raises(InUse) as refusal:
        await opened.configuration.delete(ANN, APP)
    assert refusal.value.users == (WEB,)
    await opened.configuration.delete(ANN, WEB)
    await opened.configuration.delete(ANN, APP)
    with pytest.raises(NotFound):
        await opened.configuration.delete(ANN, APP)


async def test_what_is_not_made_this_way(opened: Opened) -> None:
    with pytest.raises(Forbidden):
        await opened.configuration.put(ANN, ObjectId("traffic_managers", "other"), {})
    with pytest.raises(Forbidden):
        await opened.configuration.delete(ANN, GLOBAL)
    await opened.configuration.put(ANN, GLOBAL, {"basic": {"max_fds": 5000}})
    assert opened.configuration.settings(GLOBAL) == {"basic": {"max_fds": 5000}}


async def test_a_stale_base_is_a_conflict(opened: Opened) -> None:
    first = await opened.configuration.put(ANN, APP, {"basic": {"note": "one"}})
    await opened.configuration.put(ANN, APP, {"basic": {"note": "two"}})
    with pytest.raises(Conflict):
        await opened.configuration.put(ANN, APP, {"basic": {"note": "three"}}, base=first.revision)


async def test_restore_is_a_new_transaction(opened: Opened) -> None:
    await web(opened)
    before = dict(opened.store.objects)
    revision = opened.store.revision
    await opened.configuration.edit(ANN, [Delete(WEB), Put(APP, {"basic": {"note": "lost"}})], "a mistake")
    restored = await opened.configuration.restore(ANN, revision)
    assert restored == revision + 2
    assert dict(opened.store.objects) == before
    assert opened.reasons[-1] == f"restore of revision {revision}"


async def test_events_name_object_author_and_fields(opened: Opened) -> None:
    await web(opened)
    await opened.configuration.put(ANN, APP, {"basic": {"note": "new"}}, reason="ticket 7")
    await opened.configuration.delete(ANN, WEB)
    found = [event for t in reversed(await opened.store.transactions()) for event in events_of(t)]
    assert [(event.tag, event.subject, event.author) for event in found] == [
        ("confadd", APP, "ann"),
        ("confadd", WEB, "ann"),
        ("confmod", APP, "ann"),
        ("confdel", WEB, "ann"),
    ]
    assert "basic.note" in found[2].reason
    assert "ticket 7" in found[2].reason
    assert "192.0.2.1" in found[2].reason


async def test_an_event_without_an_author_names_none(opened: Opened) -> None:
    await opened.store.commit([Put(APP, {})], Author("", "", "start"), "first start")
    found = [event for t in await opened.store.transactions() for event in events_of(t)]
    assert [event.reason for event in found if event.subject == APP] == ["made (first start)"]


async def test_what_cannot_be_read_is_named_and_left_out(opened: Opened) -> None:
    await opened.store.commit([Put(APP, {"basic": {"passive_monitoring": "perhaps"}})], ANN)
    other = Opened(opened.store)
    assert APP not in other.configuration.snapshot.objects
    assert [problem.path for problem in other.configuration.unreadable[APP]] == [
        ("basic", "passive_monitoring")
    ]
