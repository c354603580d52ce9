"""Host names: remembered, and not forgotten because a name service is down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.control.resolve import Mentioned, Resolver, names_in
from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

GONE = "gone.invalid"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "names.json"


@pytest.fixture
def resolver(file: Path) -> Iterator[Resolver]:
    """One that a former control plane left an answer for."""
    file.write_text(json.dumps({GONE: ["192.0.2.1"]}))
    made = Resolver(file)
    yield made
    made.close()


async def test_a_name_that_stopped_resolving_keeps_its_address_over_a_restart(
    resolver: Resolver, file: Path
) -> None:
    assert await resolver.addresses([GONE]) == {GONE: ("192.0.2.1",)}
    assert not await resolver.refresh([GONE])
    assert resolver.known([GONE]) == {GONE: ("192.0.2.1",)}
    assert json.loads(file.read_text()) == {GONE: ["192.0.2.1"]}


async def test_answers_are_kept_for_the_next_start(resolver: Resolver, file: Path) -> None:
    found = await resolver.addresses(["localhost"])
    assert json.loads(file.read_text())["localhost"] == list(found["localhost"])
    assert await resolver.addresses(["never.invalid"]) == {}


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "\x00"])
async def test_a_damaged_file_is_no_obstacle(file: Path, content: str) -> None:
    file.write_text(content)
    resolver = Resolver(file)
    assert await resolver.addresses([GONE]) == {}
    resolver.close()
    file.unlink()
    file.mkdir()
    resolver = Resolver(file)
    assert await resolver.addresses(["localhost"])
    resolver.close()


def test_names_are_looked_up_and_addresses_are_not() -> None:
    nodes = [{"node": node} for node in ("web1.example:80", "192.0.2.1:80", "[2001:db8::1]:80")]
    objects = {ObjectId("pools", "app"): build(POOL, "app", {"basic": {"nodes_table": nodes}})}
    machines = ("db.example:5432", "host.example", "2001:db8::2", "[2001:db8::3]:80", "192.0.2.2", "")
    for number, machine in enumerate(machines):
        settings = {"basic": {"type": "ping", "machine": machine}}
        objects[ObjectId("monitors", str(number))] = build(MONITOR, str(number), settings)
    assert names_in(Snapshot(objects)) == {"web1.example", "db.example", "host.example"}


def test_what_did_not_change_is_not_looked_through_again() -> None:
    mentioned = Mentioned()
    one, two = (ObjectId("pools", name) for name in ("one", "two"))
    objects = {
        identity: build(
            POOL, identity.name, {"basic": {"nodes_table": [{"node": f"{identity.name}.example:80"}]}}
        )
        for identity in (one, two)
    }
    before = Snapshot(objects)
    assert mentioned.names_in(before) == {"one.example", "two.example"}
    assert mentioned.names_in(before) is mentioned.names_in(before)
    moved = build(POOL, "two", {"basic": {"nodes_table": [{"node": "moved.example:80"}]}})
    assert mentioned.names_in(Snapshot({**objects, two: moved})) == {"one.example", "moved.example"}
    assert mentioned.names_in(Snapshot({one: objects[one]})) == {"one.example"}
    assert mentioned.names_in(Snapshot(objects)) == {"one.example", "two.example"}
