"""Bad and hostile input: a clear error on the object, or accepted and safe; nothing else is disturbed."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import quote

import pytest
from tests.certificates import self_signed
from tests.e2e.test_traffic import in_force
from tools.instance import Instance, free_port, wait_for


@pytest.fixture
def instance(emptied: Instance) -> Instance:
    """The traffic manager that all tests here share, with nothing configured."""
    return emptied


NAMES = [
    "a/b",
    "with space",
    'quo"te',
    "it's",
    "hash#tag",
    "ünïcödé",
    "日本語",
    "back\\slash",
    "${HOME}",
    "%{x}",
    "-v",
    "a;b",
]


def test_strange_names_work(instance: Instance) -> None:
    ports = {name: free_port() for name in NAMES}
    for name, port in ports.items():
        make(instance, name, port)
    wait_for("in force", lambda: in_force(instance))
    for name, port in ports.items():
        conditions = instance.get(f"status/local_tm/conditions/virtual_servers/{quote(name, safe='')}")[
            "conditions"
        ]
        assert not [c for c in conditions if c["standing"] == "rejected"], conditions
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
    listed = instance.get("config/active/virtual_servers")["children"]
    assert sorted(child["name"] for child in listed) == sorted(NAMES)
    for child in listed:
        assert instance.rest("GET", child["href"])[0] == 200


def make(instance: Instance, name: str, port: int) -> None:
    """A pool and a virtual server of that name."""
    assert (
        instance.put("pools", name, {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "note": name}})[0]
        == 201
    )
    basic = {"enabled": True, "port": port, "pool": name}
    assert instance.put("virtual_servers", name, {"basic": basic})[0] == 201


def test_impossible_names_are_refused(instance: Instance) -> None:
    for name in ("a\nb", "a\rb", "a\0b", "x" * 2000, ".."):
        status, body = instance.put("pools", name, {})
        assert status in (400, 404), body
        assert body["error_id"]
        assert body["error_text"]
    assert instance.get("config/active/pools")["children"] == []


def fault(body: Any, *path: str) -> Any:
    """The error leaf at a path of `error_info`."""
    found = body["error_info"]
    for part in path:
        found = found[part]
    return found


def test_faults_name_their_field(instance: Instance) -> None:
    status, body = instance.put("virtual_servers", "v", {})
    assert status == 400
    assert fault(body, "basic", "port")["error_id"] == "property.no_default"
    assert fault(body, "basic", "pool")["error_id"] == "property.no_default"
    rows = [{"node": "127.0.0.1:80", "weight": 1000}]
    status, body = instance.put("pools", "p", {"basic": {"nodes_table": rows}})
    assert status == 400
    assert fault(body, "basic", "nodes_table", "127.0.0.1:80", "weight")["error_id"] == "num.out_of_range"
    status, body = instance.put("pools", "p", {"basic": {"passive_monitoring": "yes", "nonsense": 1}})
    assert status == 400
    assert fault(body, "basic", "passive_monitoring")["error_id"] == "json.wrong_type"
    assert fault(body, "basic", "nonsense")["error_id"] == "json.unknown_property"
    status, body = instance.put("monitors", "m", {"http": {"path": "/x\r\nHost: evil"}})
    assert status == 400
    assert fault(body, "http", "path")["error_text"]
    assert instance.get("config/active/pools")["children"] == []


def test_what_configuration_alone_decides_is_refused(instance: Instance) -> None:
    assert instance.put("pools", "a", {})[0] == 201
    assert instance.put("pools", "b", {"basic": {"failure_pool": "a"}})[0] == 201
    status, body = instance.put("pools", "a", {"basic": {"failure_pool": "b"}})
    assert status == 400
    assert "circle" in fault(body, "basic", "failure_pool")["error_text"]
    public, _ = self_signed("one.example")
    _, other = self_signed("two.example")
    status, body = instance.put("ssl/server_keys", "k", {"basic": {"public": public, "private": other}})
    assert status == 400
    assert fault(body, "basic", "private")["error_text"]
    assert instance.get("config/active/ssl/server_keys")["children"] == []


def test_a_port_in_use_is_a_condition_and_heals(instance: Instance) -> None:
    assert instance.put("pools", "p", {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}})[0] == 201
    good = free_port()
    assert (
        instance.put("virtual_servers", "good", {"basic": {"enabled": True, "port": good, "pool": "p"}})[0]
        == 201
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert (
            instance.put("virtual_servers", "bad", {"basic": {"enabled": True, "port": port, "pool": "p"}})[0]
            == 201
        )
        wait_for("in force", lambda: in_force(instance))
        found = instance.get("status/local_tm/conditions/virtual_servers/bad")["conditions"]
        assert [c["standing"] for c in found if "use" in c["message"]] == ["rejected"], found
        assert any("bad" in error for error in instance.get("status/local_tm/state")["state"]["errors"])
        with socket.create_connection(("127.0.0.1", good), 5):
            pass

    def serves() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    wait_for("the freed port is taken", serves, 20)


def test_a_stored_key_without_effect_says_so(instance: Instance) -> None:
    assert instance.put("pools", "p", {"auto_scaling": {"name": "x"}})[0] == 201
    wait_for("in force", lambda: in_force(instance))
    found = instance.get("status/local_tm/conditions/pools/p")["conditions"]
    assert any("not yet acted on" in c["message"] for c in found), found


def test_huge_and_broken_bodies(instance: Instance) -> None:
    status, body = instance.rest("PUT", "config/active/pools/p", b"{" * 100_000)
    assert status == 400, body
    status, body = instance.rest("PUT", "config/active/pools/p", b'{"properties": {"basic": {"note": NaN}}}')
    assert status == 400, body
    deep = b'{"properties":' * 5000 + b"1" + b"}" * 5000
    assert instance.rest("PUT", "config/active/pools/p", deep)[0] == 400
    status, body = instance.rest("PUT", "config/active/pools/p", b" " * 70_000_000)
    assert status == 413, body
    assert instance.get("config/active/pools")["children"] == []
