"""Members of two levels of the schema: neither loses what the other writes, and both mean the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.unit.store.exchanging import exchange, join
from tests.unit.store.opening import ADMIN

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, RenamedKey, Resource, ResourceType, Row, Section
from pointsman.schema.value import Line, Lines, LineSet, Secret, Table, TableKey
from pointsman.store import Delete, Put, Store
from pointsman.store.register import Register, Stamp
from pointsman.store.shape import Shape


class NodeRow(Row):
    """A node."""

    node: Line
    weight: int = 1


class OldBasic(Section):
    """What a thing is, in the words of level 1."""

    note: Line = ""
    port: int = 0
    password: Annotated[Line, Secret()] = ""
    words: Lines = ()
    tags: LineSet = ()
    nodes: Annotated[Table[NodeRow], TableKey("node")] = ()


class OldThing(Resource):
    """A thing."""

    basic: OldBasic = OldBasic()


class NewBasic(Section):
    """What it is."""

    note: Line = ""
    tags: LineSet = ()


class NewHealth(Section):
    """The keys that were renamed."""

    number: int = 0
    secret: Annotated[Line, Secret()] = ""
    texts: Lines = ()
    table: Annotated[Table[NodeRow], TableKey("node")] = ()


class NewThing(Resource):
    """A thing."""

    basic: NewBasic = NewBasic()
    health: NewHealth = NewHealth()


class Extra(Resource):
    """A type that level 1 does not have."""

    basic: NewBasic = NewBasic()


OLD = ResourceType("things", "Thing", "Things", Kind.COLLECTION, OldThing)
NEW = ResourceType(
    "things",
    "Thing",
    "Things",
    Kind.COLLECTION,
    NewThing,
    renamed=(
        RenamedKey(2, ("basic", "port"), ("health", "port")),
        RenamedKey(3, ("health", "port"), ("health", "number")),
        RenamedKey(2, ("basic", "password"), ("health", "secret")),
        RenamedKey(2, ("basic", "words"), ("health", "texts")),
        RenamedKey(2, ("basic", "nodes"), ("health", "table")),
    ),
)
EXTRA = ResourceType("extras", "Extra", "Extras", Kind.COLLECTION, Extra)
REGISTRIES: Mapping[str, Mapping[str, ResourceType]] = {
    "old": {"things": OLD},
    "new": {"things": NEW, "extras": EXTRA},
}
T = ObjectId("things", "t")
OLD_SETTINGS: dict[str, Any] = {
    "basic": {
        "note": "n",
        "port": 81,
        "password": "hush",
        "words": ["b", "a", "b"],
        "tags": ["x"],
        "nodes": [{"node": "n1", "weight": 2}, {"node": "n2"}],
    }
}
NEW_SETTINGS: dict[str, Any] = {
    "basic": {"note": "n", "tags": ["x"]},
    "health": {
        "number": 81,
        "secret": "hush",
        "texts": ["b", "a", "b"],
        "table": [{"node": "n1", "weight": 2}, {"node": "n2"}],
    },
}


class Pair:
    """A member of each level, and another new one. `old` and `new` exchange only when told."""

    def __init__(self, old: Store, new: Store, third: Store) -> None:
        self.old, self.new, self.third = old, new, third

    async def exchange(self) -> None:
        await exchange(self.old, self.new)
        await exchange(self.new, self.old)

    def settings(self, store: Store) -> Mapping[str, Any]:
        return store.objects[T]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        stores = []
        for name, level in (("old", "old"), ("new", "new"), ("third", "new")):
            store = await Store.open(tmp_path / name, REGISTRIES[level])
            stack.push_async_callback(store.close)
            stores.append(store)
        await join(stores[0], stores[1])
        await join(stores[0], stores[2])
        stores[1].set_level(1)
        stores[2].set_level(3)
        yield Pair(*stores)


async def test_the_new_reads_what_the_old_wrote(pair: Pair) -> None:
    await pair.old.commit([Put(T, OLD_SETTINGS)], ADMIN)
    await pair.exchange()
    assert pair.settings(pair.new) == NEW_SETTINGS


async def test_the_new_writes_what_the_old_reads(pair: Pair) -> None:
    await pair.new.commit([Put(T, NEW_SETTINGS)], ADMIN)
    await pair.exchange()
    assert pair.settings(pair.old) == OLD_SETTINGS
    changed = {
        "basic": {"tags": ["y"]},
        "health": {"texts": ["a"], "table": [{"node": "n2", "weight": 3}]},
    }
    await pair.new.commit([Put(T, changed)], ADMIN)
    await pair.exchange()
    assert pair.settings(pair.old) == {
        "basic": {"words": ["a"], "tags": ["y"], "nodes": [{"node": "n2", "weight": 3}]}
    }
    assert pair.settings(pair.new) == changed


async def test_nothing_is_written_by_reading(pair: Pair) -> None:
    """And settings that are there already give no transaction, under whatever name they lie."""
    await pair.old.commit([Put(T, OLD_SETTINGS)], ADMIN)
    await pair.exchange()
    for level in (1, 2, 3):
        pair.new.set_level(level)
        assert await pair.new.commit([Put(T, NEW_SETTINGS)], ADMIN) is None
    assert pair.new.digest == pair.old.digest


async def test_the_newer_of_two_names_counts(pair: Pair) -> None:
    await pair.old.commit([Put(T, OLD_SETTINGS)], ADMIN)
    await pair.exchange()
    pair.new.set_level(3)
    later = {**NEW_SETTINGS, "health": {**NEW_SETTINGS["health"], "number": 82}}
    await pair.new.commit([Put(T, later)], ADMIN)
    assert pair.settings(pair.new) == later
    await pair.exchange()
    # The old one cannot read the new name: it has what it knew, and hands on what it does not know.
    assert pair.settings(pair.old) == OLD_SETTINGS
    await exchange(pair.old, pair.third)
    assert pair.settings(pair.third) == later
    again = {"basic": {**OLD_SETTINGS["basic"], "port": 83}}
    await pair.old.commit([Put(T, again)], ADMIN)
    await pair.exchange()
    assert pair.settings(pair.new)["health"]["number"] == 83


async def test_a_deletion_under_either_name_counts(pair: Pair) -> None:
    await pair.old.commit([Put(T, OLD_SETTINGS)], ADMIN)
    await pair.exchange()
    pair.new.set_level(3)
    await pair.new.commit([Put(T, {"basic": NEW_SETTINGS["basic"]})], ADMIN)
    assert pair.settings(pair.new) == {"basic": NEW_SETTINGS["basic"]}
    await pair.new.commit([Put(T, NEW_SETTINGS)], ADMIN)
    pair.new.set_level(1)
    await pair.new.commit([Put(T, {"basic": {"note": "n"}})], ADMIN)
    assert pair.settings(pair.new) == {"basic": {"note": "n"}}
    await pair.exchange()
    assert pair.settings(pair.old) == {"basic": {"note": "n"}}
    await exchange(pair.old, pair.third)
    assert pair.settings(pair.third) == {"basic": {"note": "n"}}


async def test_the_old_keeps_and_hands_on_types_it_does_not_know(pair: Pair) -> None:
    extra = ObjectId("extras", "e")
    await pair.new.commit([Put(extra, {"basic": {"note": "kept"}})], ADMIN)
    await pair.exchange()
    assert extra not in pair.old.objects
    await exchange(pair.old, pair.third)
    assert pair.third.objects[extra] == {"basic": {"note": "kept"}}
    await pair.new.commit([Delete(extra)], ADMIN)
    await pair.exchange()
    await exchange(pair.old, pair.third)
    assert extra not in pair.third.objects


async def test_a_whole_state_and_a_restart_keep_both_names(pair: Pair, tmp_path: Path) -> None:
    await pair.old.commit([Put(T, OLD_SETTINGS)], ADMIN)
    await pair.exchange()
    pair.new.set_level(2)
    later = {**NEW_SETTINGS, "health": {**NEW_SETTINGS["health"], "number": 90, "secret": "new"}}
    await pair.new.commit([Put(T, later)], ADMIN)
    await pair.exchange()
    for reopened in (False, True):
        store = await Store.open(tmp_path / "fourth", REGISTRIES["new"])
        if not reopened:
            await join(pair.old, store)
        assert store.objects[T] == later
        assert await store.commit([Put(T, later)], ADMIN) is None
        await store.close()


async def test_history_tells_todays_names(pair: Pair) -> None:
    made = await pair.new.commit([Put(T, NEW_SETTINGS)], ADMIN)
    changed = {**NEW_SETTINGS, "health": {**NEW_SETTINGS["health"], "number": 5}}
    edit = await pair.new.commit([Put(T, changed)], ADMIN)
    assert made is not None
    assert edit is not None
    assert [change.path for change in edit.changes] == [("health", "number")]
    assert (await pair.new.last_change(T, ("health", "number"))) is not None


def test_names_by_level() -> None:
    shape = Shape(NEW)
    names = shape.renamings
    for written in ("basic.port", "health.port", "health.number"):
        assert names.today(written) == "health.number"
    assert [names.at_level("health.number", level) for level in (1, 2, 3, 9)] == [
        "basic.port",
        "health.port",
        "health.number",
        "health.number",
    ]
    assert names.at_level("health.table/n1", 1) == "basic.nodes/n1"
    assert names.today("basic.nodes/a/b") == "health.table/a/b"
    assert names.today("basic.note") == names.at_level("basic.note", 1) == "basic.note"
    assert shape.secret("basic.password")
    assert shape.secret("health.secret")


def test_of_one_stamp_todays_name_counts() -> None:
    names = Shape(NEW).renamings
    stamp = Stamp(5, "a")
    registers = {
        name: Register("1", stamp) for name in ("basic.port", "health.port", "health.number", "name")
    }
    assert names.places(registers) == {"health.number": "health.number", "name": "name"}
    del registers["health.number"]
    registers["basic.port"] = Register(None, Stamp(6, "a"))
    assert names.places(registers)["health.number"] == "basic.port"


def test_a_name_of_before_is_no_name_of_today() -> None:
    wrong = ResourceType(
        "things",
        "Thing",
        "Things",
        Kind.COLLECTION,
        NewThing,
        renamed=(RenamedKey(2, ("basic", "note"), ("health", "number")),),
    )
    with pytest.raises(ValueError, match=r"basic\.note"):
        Shape(wrong)
