"""A form that would put out of service what serves shows that first; who wants it all the same gets it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.reader import Reader
from tools.instance import Instance, free_port

MOVED = "/services/virtual-servers/moved"


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Where the two services listen."""
    first, second = free_port(), free_port()
    while second == first:
        second = free_port()
    return first, second


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[Instance]:
    """Two services that serve."""
    with Instance(tmp_path_factory.mktemp("ui") / "home") as running:
        assert running.put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})[0] == 201
        for name, port in zip(("kept", "moved"), ports, strict=True):
            basic = {"enabled": True, "port": port, "pool": "app"}
            assert running.put("virtual_servers", name, {"basic": basic})[0] == 201
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        reader.log_in()
        yield reader


def port_of(instance: Instance, name: str) -> int:
    """The port that is stored."""
    found: int = instance.get(f"config/active/virtual_servers/{name}")["properties"]["basic"]["port"]
    return found


def test_a_taken_port_is_applied_only_by_who_saw_what_it_does(
    reader: Reader, instance: Instance, ports: tuple[int, int]
) -> None:
    page = reader.get(MOVED)
    form = reader.form(page, MOVED, "basic.port")
    shown = reader.send(page, form, {"basic.port": str(ports[0])}, ("act", "apply"))
    assert "This is not applied yet: virtual_servers/moved would stop." in shown.text
    assert "Would be left out" in shown.text and "Passes the checks" not in shown.text
    assert port_of(instance, "moved") == ports[1]
    applied = reader.send(shown, reader.form(shown, f"{shown.url.path}/apply"))
    assert "Not in force" in applied.text and "Virtual Server moved was changed." in applied.text
    assert port_of(instance, "moved") == ports[0]


def test_what_is_left_out_already_can_be_changed_at_once(
    reader: Reader, instance: Instance, ports: tuple[int, int]
) -> None:
    assert instance.put("virtual_servers", "moved", {"basic": {"port": ports[0]}})[0] == 200
    page = reader.get(MOVED)
    form = reader.form(page, MOVED, "basic.port")
    changed = reader.send(page, form, {"basic.note": "not yet"}, ("act", "apply"))
    assert changed.url.path == MOVED and "Virtual Server moved was changed." in changed.text
