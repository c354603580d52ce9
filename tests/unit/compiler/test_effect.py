"""Each key that is said to have an effect changes the plan, and each other one is named when it is set."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.compiling import FACTS as PLAIN
from tests.compiling import snapshot
from tests.each import each

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.effect import COMPILED, ELSEWHERE, GUARDS, acts
from pointsman.compiler.facts import Interface, Member
from pointsman.compiler.plan import Plan
from pointsman.schema.condition import Standing
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Key, Kind, ValueKind
from pointsman.schema.validate import Invalid

FACTS = replace(
    PLAIN,
    cluster=tuple(
        Member(name, f"192.0.2.{number}")
        for name, number in (("b.example", 12), ("c.example", 13), (PLAIN.traffic_manager, 11))
    ),
    interfaces=(Interface("eth0", ("192.0.2.11/24",)), Interface("eth1", ("198.51.100.11/24",))),
)
PUBLIC, PRIVATE = self_signed("a.example")
OTHER_PUBLIC, OTHER_PRIVATE = self_signed("b.example")

BASE: dict[str, Any] = {
    "bandwidth/gold": {"basic": {"sharing": "machine"}},
    "virtual_servers/web": {
        "basic": {"enabled": True, "port": 8443, "pool": "app", "ssl_decrypt": True},
        "ssl": {
            "server_cert_default": "k",
            "server_cert_host_mapping": [{"host": "h.example", "certificate": "k"}],
        },
    },
    "virtual_servers/raw": {
        "basic": {
            "enabled": True,
            "port": 8444,
            "pool": "app",
            "protocol": "stream",
            "bandwidth_class": "gold",
        }
    },
    "virtual_servers/picky": {
        "basic": {
            "enabled": True,
            "port": 8445,
            "pool": "app",
            "listen_on_any": False,
            "listen_on_hosts": ["192.0.2.1"],
        }
    },
    "pools/app": {
        "basic": {"nodes_table": [{"node": "10.0.0.1:443"}], "monitors": ["http"], "failure_pool": ""},
        "load_balancing": {"algorithm": "weighted_round_robin"},
        "ssl": {"enable": True, "strict_verify": True},
    },
    "pools/ranked": {
        "basic": {"nodes_table": [{"node": "10.0.0.1:80", "priority": 2}, {"node": "10.0.0.2:80"}]},
        "load_balancing": {"priority_enabled": True},
    },
    "virtual_servers/ranked": {
        "basic": {"enabled": True, "port": 8446, "pool": "ranked", "protocol": "stream"}
    },
    "pools/talking": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], "monitors": ["tcp", "machine"]}},
    "virtual_servers/talking": {
        "basic": {"enabled": True, "port": 8447, "pool": "talking", "protocol": "stream"}
    },
    "pools/spare": {},
    "pools/by address": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], "persistence_class": "address"}},
    "pools/by cookie": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], "persistence_class": "cookie"}},
    "pools/by ours": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], "persistence_class": "ours"}},
    "persistence/address": {"basic": {"failure_mode": "url", "url": "https://sorry.example/"}},
    "persistence/cookie": {"basic": {"type": "cookie", "cookie": "session"}},
    "persistence/ours": {"basic": {"type": "transparent"}},
    "virtual_servers/by address": {"basic": {"enabled": True, "port": 8450, "pool": "by address"}},
    "virtual_servers/by cookie": {"basic": {"enabled": True, "port": 8451, "pool": "by cookie"}},
    "virtual_servers/by ours": {"basic": {"enabled": True, "port": 8452, "pool": "by ours"}},
    "monitors/http": {"basic": {"type": "http"}},
    "monitors/tcp": {"basic": {"type": "tcp_transaction"}},
    "monitors/machine": {"basic": {"type": "connect", "scope": "poolwide", "machine": "10.0.0.9:1"}},
    "ssl/server_keys/k": {"basic": {"public": PUBLIC, "private": PRIVATE}},
    "ssl/server_keys/l": {"basic": {"public": OTHER_PUBLIC, "private": OTHER_PRIVATE}},
    "ssl/cas/ca": {"content": PUBLIC.encode()},
    "traffic_managers/tm.example": {
        "basic": {"trafficip": [{"name": "eth1", "networks": ["192.0.2.0/24"]}]},
    },
    "traffic_ip_groups/front": {
        "basic": {
            "ipaddresses": [f"192.0.2.{number}" for number in range(101, 106)],
            "machines": ["tm.example", "b.example", "c.example"],
            "slaves": ["c.example"],
            "ip_mapping": [{"ip": "192.0.2.101", "traffic_manager": "tm.example"}],
        }
    },
    "global_settings": {},
}

# Where the object or the value to try cannot be guessed from the declaration: path -> object, value.
TRIALS: dict[str, tuple[str, Any]] = {
    "bandwidth basic.sharing": ("bandwidth/gold", "connection"),
    "virtual_servers basic.bandwidth_class": ("virtual_servers/web", "gold"),
    "pools basic.bandwidth_class": ("pools/app", "gold"),
    "virtual_servers basic.pool": ("virtual_servers/web", "spare"),
    "virtual_servers basic.protocol": ("virtual_servers/raw", "client_first"),
    "virtual_servers basic.listen_on_any": ("virtual_servers/picky", True),
    "virtual_servers basic.listen_on_hosts": ("virtual_servers/picky", ["192.0.2.2"]),
    "virtual_servers ssl.server_cert_default": ("virtual_servers/web", "l"),
    "virtual_servers ssl.server_cert_host_mapping.host": ("virtual_servers/web", "other.example"),
    "virtual_servers ssl.server_cert_host_mapping.certificate": ("virtual_servers/web", "l"),
    "virtual_servers basic.listen_on_traffic_ips": ("virtual_servers/picky", ["front"]),
    "traffic_ip_groups basic.ip_mapping.ip": ("traffic_ip_groups/front", "192.0.2.102"),
    "traffic_ip_groups basic.ip_mapping.traffic_manager": ("traffic_ip_groups/front", "b.example"),
    "traffic_ip_groups basic.ipaddresses": ("traffic_ip_groups/front", ["192.0.2.103"]),
    "traffic_ip_groups basic.machines": ("traffic_ip_groups/front", ["tm.example", "c.example"]),
    "traffic_ip_groups basic.slaves": ("traffic_ip_groups/front", []),
    "traffic_managers basic.trafficip.name": ("traffic_managers/tm.example", "eth0"),
    "traffic_managers basic.trafficip.networks": ("traffic_managers/tm.example", ["203.0.113.0/24"]),
    "global_settings fault_tolerance.frontend_check_ips": ("global_settings", ["192.0.2.1"]),
    "virtual_servers ssl.support_tls1_2": ("virtual_servers/web", "disabled"),
    "virtual_servers ssl.support_tls1_3": ("virtual_servers/web", "disabled"),
    "pools ssl.support_tls1_2": ("pools/app", "disabled"),
    "pools ssl.support_tls1_3": ("pools/app", "disabled"),
    "pools basic.failure_pool": ("pools/app", "spare"),
    "pools basic.max_timed_out_connection_attempts": ("pools/app", 1),
    "pools basic.monitors": ("pools/app", ["tcp"]),
    "pools basic.nodes_table.node": ("pools/app", "10.0.0.7:80"),
    "pools basic.nodes_table.priority": ("pools/ranked", 5),
    "pools basic.nodes_table.source_ip": ("pools/app", "192.0.2.9"),
    "pools basic.persistence_class": ("pools/app", "ours"),
    "persistence basic.cookie": ("persistence/cookie", "other"),
    "persistence basic.failure_mode": ("persistence/ours", "close"),
    "persistence basic.transparent_always_set_cookie": ("persistence/ours", True),
    "persistence basic.transparent_directives": ("persistence/ours", "Secure"),
    "persistence basic.type": ("persistence/cookie", "ip"),
    "pools ssl.common_name_match": ("pools/app", ["c.example"]),
    "pools load_balancing.priority_nodes": ("pools/ranked", 2),
    "pools load_balancing.priority_enabled": ("pools/ranked", False),
    "monitors basic.machine": ("monitors/machine", "10.0.0.8:2"),
    "monitors basic.type": ("monitors/http", "connect"),
    "ssl/server_keys basic.public": ("ssl/server_keys/k", OTHER_PUBLIC + PUBLIC),
    "ssl/server_keys basic.private": ("ssl/server_keys/k", OTHER_PRIVATE),
}
USUAL = {
    "bandwidth": "bandwidth/gold",
    "virtual_servers": "virtual_servers/web",
    "pools": "pools/app",
    "monitors": "monitors/http",
    "persistence": "persistence/address",
    "global_settings": "global_settings",
    "ssl/server_keys": "ssl/server_keys/k",
    "traffic_ip_groups": "traffic_ip_groups/front",
    "traffic_managers": "traffic_managers/tm.example",
}

COMPILED_KEYS = [
    (kind, section, name)
    for kind, table in COMPILED.items()
    for section, names in table.items()
    for name in sorted(names)
]


def served(objects: dict[str, Any]) -> Plan:
    """The plan without its remarks: what the engine and the monitors do."""
    return replace(compile_plan(snapshot(objects), FACTS), conditions=())


@cache
def served_base() -> Plan:
    return served(BASE)


def another(key: Key, current: Any) -> Any:
    """A permitted value that is not the current one."""
    if key.choices:
        return next(choice for choice in reversed(key.choices) if choice != current)
    match key.kind:
        case ValueKind.BOOLEAN:
            return not current
        case ValueKind.INTEGER:
            return current + 1 if current != key.maximum else current - 1
        case ValueKind.STRING:
            return f"{current or '/'}x"
        case _:
            raise AssertionError(f"{key.path} needs an entry in TRIALS")


@each(COMPILED_KEYS, "{} {}.{}".format)
def test_a_key_with_effect_changes_the_plan(kind: str, section: str, name: str) -> None:
    objects = copy.deepcopy(BASE)
    path, value = TRIALS.get(f"{kind} {section}.{name}", (USUAL[kind], None))
    if kind == "monitors" and section == "tcp":
        path = "monitors/tcp"
    table, _, column = name.rpartition(".")
    key = BY_PATH[kind].key(section, table or name)
    assert key is not None, f"{kind} has no key {section}.{name}"
    keys = objects[path].setdefault(section, {})
    if column != name:
        key = next(found for found in key.columns if found.name == column)
        row = keys[table][0]
        row[column] = value if value is not None else another(key, row.get(column, key.default))
    else:
        keys[name] = value if value is not None else another(key, keys.get(name, key.default))
    assert served(objects) != served_base()


def test_the_base_itself_is_served() -> None:
    plan = compile_plan(snapshot(BASE), FACTS)
    assert not [condition for condition in plan.conditions if condition.standing is Standing.REJECTED]


def test_the_tables_name_real_keys() -> None:
    for tables in (COMPILED, ELSEWHERE, GUARDS):
        for kind, table in tables.items():
            for section, names in table.items():
                for name in names:
                    before, _, column = name.rpartition(".")
                    key = BY_PATH[kind].key(section, before or name)
                    assert key is not None, f"{kind} has no key {section}.{name}"
                    assert not before or column in {found.name for found in key.columns}


def test_no_key_is_in_two_tables() -> None:
    for kind, table in COMPILED.items():
        for section, names in table.items():
            assert not names & ELSEWHERE.get(kind, {}).get(section, frozenset())
            assert not names & GUARDS.get(kind, {}).get(section, frozenset())


WITHOUT_EFFECT = [
    (kind.path, key)
    for kind in BY_PATH.values()
    if kind.kind is not Kind.FILE
    for key in kind.keys
    if key.kind is not ValueKind.TABLE
    and key.reference is None
    and not acts(kind.path, key.section, key.name)
]


SIMPLE = (ValueKind.BOOLEAN, ValueKind.INTEGER, ValueKind.STRING)


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in WITHOUT_EFFECT}))
def test_each_key_without_effect_is_named_when_it_is_set(kind: str) -> None:
    base = {"basic": {"port": 1, "pool": "p"}} if kind == "virtual_servers" else {}
    for key in (key for path, key in WITHOUT_EFFECT if path == kind and key.kind in SIMPLE):
        settings = copy.deepcopy(base)
        settings.setdefault(key.section, {})[key.name] = another(key, key.default)
        path = kind if BY_PATH[kind].kind is Kind.SINGLETON else f"{kind}/x"
        try:
            objects = snapshot({path: settings})
        except Invalid:
            continue  # a value with a form of its own, which cannot be guessed
        plan = compile_plan(objects, FACTS)
        found = [c for c in plan.conditions if c.path == (key.section, key.name)]
        assert len(found) == 1, key.path
        assert "not yet acted on" in found[0].message
        guards = key.name in GUARDS.get(kind, {}).get(key.section, ())
        assert found[0].standing is (Standing.WARNING if guards else Standing.NOTICE)


CELLS: dict[ValueKind, Any] = {
    ValueKind.STRING: "x",
    ValueKind.INTEGER: 1,
    ValueKind.BOOLEAN: True,
    ValueKind.LIST: [],
}


def test_each_table_without_effect_is_named_when_it_has_a_row() -> None:
    for kind in BY_PATH.values():
        base: dict[str, Any] = {"basic": {"port": 1, "pool": "p"}} if kind.path == "virtual_servers" else {}
        for key in kind.keys:
            if key.kind is not ValueKind.TABLE or acts(kind.path, key.section, key.name):
                continue
            row = {column.name: CELLS[column.kind] for column in key.columns if column.required}
            settings = copy.deepcopy(base)
            settings.setdefault(key.section, {})[key.name] = [row]
            path = kind.path if kind.kind is Kind.SINGLETON else f"{kind.path}/x"
            try:
                objects = snapshot({path: settings})
            except Invalid:
                continue  # a cell with a form of its own, which cannot be guessed
            columns = [c.name for c in key.columns if acts(kind.path, key.section, f"{key.name}.{c.name}")]
            said = [c for c in compile_plan(objects, FACTS).conditions if "not yet acted on" in c.message]
            assert bool(said) is not bool(columns), key.path


def test_a_key_named_by_a_word_of_python_is_named_like_any_other() -> None:
    settings = {"appliance": {"if": [{"name": "eth0"}]}}
    (said,) = compile_plan(snapshot({"traffic_managers/x": settings}), FACTS).conditions
    assert said.path == ("appliance", "if")


def test_a_key_set_to_its_default_is_not_named() -> None:
    plan = compile_plan(snapshot({"pools/p": {"auto_scaling": {"enabled": False, "max_nodes": 4}}}), FACTS)
    assert plan.conditions == ()


def test_nothing_is_said_of_what_the_product_brings_along() -> None:
    objects = {
        f"{kind.path}/{name}": made for kind in BY_PATH.values() for name, made in kind.factory.items()
    }
    assert len(objects) > 10
    assert compile_plan(snapshot(objects), FACTS).conditions == ()
