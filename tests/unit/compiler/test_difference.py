"""The least act between two plans."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.compiling import FACTS, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.difference import (
    AddListEntry,
    AddServer,
    AtRunTime,
    ChangeServer,
    DropCertificate,
    DropListEntry,
    Nothing,
    Operation,
    PutCertificate,
    Reload,
    RemoveServer,
    SetMap,
    Step,
    difference,
)
from pointsman.compiler.plan import Plan

Objects = dict[str, Any]
PAIRS = {name: self_signed(f"{name}.example") for name in ("main", "www", "new")}


def key(name: str) -> dict[str, Any]:
    public, private = PAIRS[name]
    return {"basic": {"public": public, "private": private}}


BASE: Objects = {
    "virtual_servers/web": {
        "basic": {"enabled": True, "port": 8443, "pool": "app", "ssl_decrypt": True},
        "ssl": {
            "server_cert_default": "main",
            "server_cert_host_mapping": [{"host": "www.example", "certificate": "www"}],
        },
    },
    "pools/app": {
        "basic": {"nodes_table": [{"node": "10.0.0.1:80"}, {"node": "app.example:80"}]},
        "load_balancing": {"algorithm": "weighted_round_robin"},
    },
    "pools/idle": {},
    "ssl/server_keys/main": key("main"),
    "ssl/server_keys/www": key("www"),
}
ADDRESSES = {"app.example": ("10.0.0.2",)}


def plan(objects: Objects, **facts: Any) -> Plan:
    return compile_plan(snapshot(objects), replace(FACTS, **{"addresses": ADDRESSES, **facts}))


def changed(path: str, section: str, **keys: Any) -> Objects:
    objects = copy.deepcopy(BASE)
    objects.setdefault(path, {}).setdefault(section, {}).update(keys)
    return objects


def step(objects: Objects, **facts: Any) -> Step:
    return difference(plan(BASE), plan(objects, **facts))


def operations(objects: Objects, **facts: Any) -> tuple[Operation, ...]:
    found = step(objects, **facts)
    assert isinstance(found, AtRunTime), found
    return found.operations


def nodes(*rows: dict[str, Any]) -> Objects:
    return changed("pools/app", "basic", nodes_table=list(rows))


ONE, TWO = {"node": "10.0.0.1:80"}, {"node": "app.example:80"}


def test_equal_plans_need_nothing() -> None:
    assert step(BASE) == Nothing()


@pytest.mark.parametrize(
    "objects",
    [
        changed("pools/app", "basic", note="x"),
        changed("pools/idle", "connection", max_reply_time=3),
        changed("virtual_servers/other", "basic", port=1, pool="app"),
        changed("monitors/unused", "basic", type="connect"),
    ],
)
def test_what_the_engine_does_not_see_needs_nothing(objects: Objects) -> None:
    assert step(objects) == Nothing()


@pytest.mark.parametrize(
    ("row", "weight", "enabled"),
    [
        ({"weight": 5}, 5, True),
        ({"state": "draining"}, 0, True),
        ({"state": "disabled"}, 1, False),
    ],
)
def test_node_states_and_weights_change_at_run_time(row: dict[str, Any], weight: int, enabled: bool) -> None:
    found = operations(nodes({**ONE, **row}, TWO))
    assert len(found) == 2  # the backend and its twin
    for operation in found:
        assert isinstance(operation, ChangeServer)
        assert operation.after.node == "10.0.0.1:80"
        assert (operation.before.weight, operation.before.enabled) == (1, True)
        assert (operation.after.weight, operation.after.enabled) == (weight, enabled)


def test_an_address_changes_at_run_time() -> None:
    for operation in operations(BASE, addresses={"app.example": ("10.9.9.9",)}):
        assert isinstance(operation, ChangeServer)
        assert (operation.before.address, operation.after.address) == ("10.0.0.2", "10.9.9.9")


def test_nodes_come_before_others_go() -> None:
    before, after = (
        copy.deepcopy(objects) for objects in (BASE, nodes(ONE, {"node": "10.0.0.3:80", "state": "draining"}))
    )
    for objects in (before, after):
        objects["monitors/up"] = {"basic": {"type": "connect", "back_off": False, "delay": 6}}
        objects["pools/app"]["basic"]["monitors"] = ["up"]
    step_found = difference(plan(before), plan(after))
    assert isinstance(step_found, AtRunTime)
    found = step_found.operations
    kinds = [type(operation) for operation in found]
    assert kinds == [AddServer, AddServer, RemoveServer, RemoveServer]
    added = found[0]
    assert isinstance(added, AddServer)
    assert "track" not in added.server.dynamic_options
    assert added.server.weight == 0
    # The server that is followed goes after its follower.
    tracked = [operation.server.tracks for operation in found[2:] if isinstance(operation, RemoveServer)]
    assert tracked[0]
    assert not tracked[1]


def test_a_pool_can_be_emptied_and_filled_at_run_time() -> None:
    assert len(operations(nodes())) == 4
    filled = difference(plan(nodes()), plan(BASE))
    assert isinstance(filled, AtRunTime)
    assert all(isinstance(operation, AddServer) for operation in filled.operations)


def test_certificates_change_at_run_time() -> None:
    objects = copy.deepcopy(BASE)
    objects["ssl/server_keys/www"] = key("new")
    (found,) = operations(objects)
    assert isinstance(found, PutCertificate)
    assert found.replace


def test_hosts_get_certificates_at_run_time_without_a_gap() -> None:
    mapping = [
        {"host": "shop.example", "certificate": "new"},
        {"host": "more.example", "certificate": "main"},
    ]
    objects = changed("virtual_servers/web", "ssl", server_cert_host_mapping=mapping)
    objects["ssl/server_keys/new"] = key("new")
    found = operations(objects)
    assert [type(operation) for operation in found] == [
        PutCertificate,
        AddListEntry,
        AddListEntry,
        DropListEntry,
        DropCertificate,
    ]


def test_the_default_certificate_needs_a_reload() -> None:
    objects = changed("virtual_servers/web", "ssl", server_cert_default="www")
    assert step(objects) == Reload(("virtual server web: default certificate changed",))


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        (changed("virtual_servers/web", "basic", port=8444), "virtual server web: changed"),
        (changed("virtual_servers/web", "basic", enabled=False), "virtual server web: removed"),
        (
            changed("virtual_servers/new", "basic", port=8444, pool="app", enabled=True),
            "virtual server new: new",
        ),
        (changed("pools/app", "connection", max_reply_time=3), "pool app: changed"),
        (changed("pools/app", "basic", max_idle_connections_pernode=3), "pool app: changed"),
        (changed("pools/app", "load_balancing", algorithm="random"), "pool app: changed"),
        (changed("pools/app", "http", keepalive=False), "pool app: changed"),
        (changed("virtual_servers/web", "basic", pool="idle"), "pool idle: new"),
        (changed("virtual_servers/web", "basic", pool="idle"), "pool app: removed"),
        (changed("global_settings", "basic", max_fds=5000), "the engine's own settings: changed"),
    ],
)
def test_anything_else_is_a_reload_with_its_reason(objects: Objects, reason: str) -> None:
    found = step(objects)
    assert isinstance(found, Reload)
    assert reason in found.reasons
    assert len(set(found.reasons)) == len(found.reasons)


def test_a_node_of_a_new_priority_is_a_reload() -> None:
    ranked = changed("pools/app", "load_balancing", priority_enabled=True)
    more = copy.deepcopy(ranked)
    more["pools/app"]["basic"]["nodes_table"] = [ONE, {**TWO, "priority": 2}]
    assert difference(plan(ranked), plan(more)) == Reload(
        ("virtual server web: changed", "pool app: changed")
    )
    again = copy.deepcopy(more)
    again["pools/app"]["basic"]["nodes_table"] = [ONE, {**TWO, "priority": 2}, {"node": "10.0.0.9:80"}]
    assert isinstance(difference(plan(more), plan(again)), AtRunTime)


def test_files_and_maps() -> None:
    old = replace(plan(BASE), files={"cas/all.pem": b"a"}, maps={"m": (("a", "b"),)})
    assert difference(old, replace(old, files={"cas/all.pem": b"b"})) == Reload(
        ("file cas/all.pem: changed",)
    )
    assert difference(old, replace(old, maps={"m": (("a", "c"),)})) == AtRunTime(
        (SetMap("m", (("a", "c"),)),)
    )
    assert difference(old, replace(old, maps={})) == Reload(("map m: removed",))


def test_the_first_plan_of_all_is_a_reload() -> None:
    found = difference(plan({}), plan(BASE))
    assert isinstance(found, Reload)
    assert found.reasons == (
        "virtual server web: new",
        "pool app: new",
        "virtual server web: certificate list new",
    )
