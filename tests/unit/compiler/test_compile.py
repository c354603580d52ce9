"""What holds for every configuration: it compiles, HAProxy accepts it, every line has its origin and every name its
meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.certificates import self_signed
from tests.compiling import FACTS, complaints, snapshot
from tests.unit.schema.generated import settings_of

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.difference import Nothing, difference
from pointsman.compiler.facts import Facts
from pointsman.compiler.plan import Plan
from pointsman.schema.condition import Standing
from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import ResourceType
from pointsman.schema.sample import Role
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VIRTUAL_SERVER

NAMES = ["a", "b", "it's #1", "日本"]
PUBLIC, PRIVATE = self_signed("a.example")
ODD_PUBLIC = self_signed("odd.example")[0]

Edits = Mapping[str, Mapping[str, st.SearchStrategy[Any]]]
POOLS = st.sampled_from([*NAMES, "discard", "gone"])
VIRTUAL_SERVER_EDITS: Edits = {
    "basic": {
        "enabled": st.just(True),
        "pool": POOLS,
        "ssl_decrypt": st.booleans(),
        "protocol": st.sampled_from(["http", "http", "stream", "client_first", "https", "udp"]),
    },
    "ssl": {
        "server_cert_default": st.sampled_from(["good", "good", "odd", "gone", ""]),
        "support_tls1": st.sampled_from(["use_default", "enabled"]),
    },
}
POOL_EDITS: Edits = {
    "basic": {
        "monitors": st.lists(st.sampled_from([*NAMES, "gone"]), max_size=2),
        "failure_pool": st.sampled_from(["", *NAMES]),
    },
    "ssl": {"enable": st.booleans(), "strict_verify": st.booleans(), "server_name": st.booleans()},
    "load_balancing": {"priority_enabled": st.booleans()},
}
MONITOR_EDITS: Edits = {
    "basic": {"back_off": st.just(False)},
    "http": {"host_header": st.sampled_from(["", "www.example", "w w"])},
}

EDITS: tuple[tuple[ResourceType, Edits], ...] = (
    (VIRTUAL_SERVER, VIRTUAL_SERVER_EDITS),
    (POOL, POOL_EDITS),
    (MONITOR, MONITOR_EDITS),
)


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Objects that the schema accepts, mentioning each other and things that are not there."""
    objects: dict[str, Any] = {
        "ssl/server_keys/good": {"basic": {"public": PUBLIC, "private": PRIVATE}},
        "ssl/server_keys/odd": {"basic": {"public": ODD_PUBLIC, "private": PRIVATE}},
        "ssl/cas/broken": {"content": b"nonsense"},
    }
    if draw(st.booleans()):
        objects["ssl/cas/good"] = {"content": PUBLIC.encode()}
    for kind, edits in EDITS:
        for name in NAMES:
            drawn = draw(settings_of(kind))
            for section, keys in edits.items():
                for key, values in keys.items():
                    drawn.setdefault(section, {})[key] = draw(values)
            objects[f"{kind.path}/{name}"] = drawn
    return objects


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    """Machines: some names resolve, some objects were refused."""
    return replace(
        FACTS,
        addresses={"a.test": ("10.1.1.1", "2001:db8::9")},
        refused=draw(
            st.sampled_from([{}, {ObjectId("pools", "a"): "no", ObjectId("virtual_servers", "b"): "no"}])
        ),
        ipv6=draw(st.booleans()),
        can_ping=draw(st.booleans()),
        serving=frozenset(draw(st.lists(st.sampled_from(NAMES)))),
    )


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(objects=configurations(), facts=worlds())
def test_any_configuration_compiles_and_is_accepted(
    tmp_path_factory: pytest.TempPathFactory, objects: dict[str, Any], facts: Facts
) -> None:
    plan = compile_plan(snapshot(objects), facts)
    said = complaints(plan, tmp_path_factory.mktemp("any"))
    assert not said, f"{said}\n{plan.text()}"
    assert_whole(plan)
    assert compile_plan(snapshot(dict(reversed(objects.items()))), facts) == plan
    assert difference(plan, plan) == Nothing()


def assert_whole(plan: Plan) -> None:
    """Names, listeners, lists and origins of a plan fit together."""
    for section in plan.sections:
        kind, name, *_ = [*section.header.text.split(), ""]
        if kind not in ("frontend", "backend"):
            continue
        proxy = plan.proxies[name]
        if proxy.role is Role.INTERNAL:
            continue
        assert section.header.origin is not None
        assert section.header.origin.subject == proxy.subject
        assert all(line.origin is not None for line in section.lines)
        if kind == "backend":
            assert section.backend == name
            assert proxy.subject == ObjectId("pools", section.pool)
            assert proxy.nodes == {server.name: server.node for server in section.servers}
            if section.servers:
                assert proxy.primary != any(server.tracks for server in section.servers)
    for subject in {proxy.subject for proxy in plan.proxies.values() if proxy.role is Role.POOL}:
        assert any(proxy.primary for proxy in plan.proxies.values() if proxy.subject == subject)
    servers = {
        f"{section.backend}/{server.name}": server for section in plan.sections for server in section.servers
    }
    for server in servers.values():
        assert not server.tracks or not servers[server.tracks].tracks
    places = [(listener.address, listener.port) for listener in plan.listeners]
    assert len(places) == len(set(places))
    named = {entry.split()[0] for entries in plan.certificate_lists.values() for entry in entries}
    assert named == set(plan.certificates)
    assert all(condition.message for condition in plan.conditions)
    text = plan.text()
    assert PRIVATE.splitlines()[1] not in text
    listening = {listener.subject for listener in plan.listeners}
    rejected = {c.subject for c in plan.conditions if c.standing is Standing.REJECTED}
    assert not listening & rejected


def test_an_enabled_virtual_server_listens_or_is_rejected() -> None:
    plan = compile_plan(
        snapshot(
            {f"virtual_servers/{n}": {"basic": {"enabled": True, "port": 80, "pool": n}} for n in "abc"}
        ),
        FACTS,
    )
    listening = {listener.subject for listener in plan.listeners}
    rejected = {c.subject for c in plan.conditions if c.standing is Standing.REJECTED}
    assert listening | rejected == {ObjectId("virtual_servers", name) for name in "abc"}
    assert not listening & rejected


def test_a_circle_of_failure_pools_ends() -> None:
    pools = {f"pools/{n}": {"basic": {"failure_pool": f"{(n + 1) % 5}"}} for n in range(5)}
    web = {"basic": {"enabled": True, "port": 80, "pool": "3"}}
    plan = compile_plan(snapshot({**pools, "virtual_servers/web": web}), FACTS)
    used = [section.pool for section in plan.sections if section.pool]
    assert set(used) == set("01234")


def test_a_private_key_is_in_no_representation() -> None:
    web = {
        "basic": {"enabled": True, "port": 443, "pool": "p", "ssl_decrypt": True},
        "ssl": {"server_cert_default": "k"},
    }
    objects = {
        "virtual_servers/web": web,
        "ssl/server_keys/k": {"basic": {"public": PUBLIC, "private": PRIVATE}},
    }
    plan = compile_plan(snapshot(objects), FACTS)
    assert plan.certificates
    assert "PRIVATE" not in repr(plan)


def test_thousands_of_services_compile_in_reasonable_time() -> None:
    objects: dict[str, Any] = {}
    for number in range(300):
        objects[f"virtual_servers/{number}"] = {
            "basic": {"enabled": True, "port": 10_000 + number, "pool": f"{number}"}
        }
        objects[f"pools/{number}"] = {"basic": {"nodes_table": [{"node": f"10.0.{number % 256}.1:80"}]}}
    made: Snapshot = snapshot(objects)
    plan = compile_plan(made, FACTS)
    assert len(plan.listeners) == 600


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, False),
        ({"max_timed_out_connection_attempts": 1}, False),
        ({"max_timed_out_connection_attempts": 0}, False),
        ({"max_timed_out_connection_attempts": 2}, True),
        ({"max_timed_out_connection_attempts": 2, "max_connection_attempts": 2}, False),
        ({"max_timed_out_connection_attempts": 7, "max_connection_attempts": 8}, True),
    ],
)
def test_a_limit_of_timeouts_that_the_engine_cannot_keep_is_told(
    settings: dict[str, int], told: bool
) -> None:
    objects = {
        "virtual_servers/web": {"basic": {"enabled": True, "port": 80, "pool": "app"}},
        "pools/app": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], **settings}},
    }
    codes = [condition.code for condition in compile_plan(snapshot(objects), FACTS).conditions]
    assert ("timeouts_not_limited" in codes) == told
