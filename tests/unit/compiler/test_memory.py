"""A memory makes compiling quicker and changes nothing in what comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.certificates import self_signed
from tests.compiling import FACTS, snapshot
from tests.unit.compiler.test_compile import configurations, worlds

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import Facts
from pointsman.compiler.memory import Memory
from pointsman.compiler.plan import ConfigSection, Plan
from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot

OBJECTS: dict[str, Any] = {
    "ssl/server_keys/cert": {
        "basic": dict(zip(("public", "private"), self_signed("a.example"), strict=True))
    },
    "monitors/m": {"basic": {"type": "ping"}},
    "pools/a": {"basic": {"nodes_table": [{"node": "a.test:80"}], "failure_pool": "b"}},
    "pools/b": {"basic": {"nodes_table": [{"node": "192.0.2.1:80"}], "monitors": ["m"]}},
    "virtual_servers/a": {
        "basic": {"enabled": True, "port": 80, "pool": "a", "ssl_decrypt": True},
        "ssl": {"server_cert_default": "cert"},
    },
    "virtual_servers/b": {"basic": {"enabled": True, "port": 81, "pool": "b"}, "auth": {"type": "none"}},
}
HERE = replace(FACTS, addresses={"a.test": ("192.0.2.9",)})


def sections(plan: Plan) -> dict[str, ConfigSection]:
    """Sections by their headers."""
    return {section.header.text: section for section in plan.sections}


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(configurations(), worlds()), min_size=2, max_size=3), data=st.data())
def test_a_plan_is_the_same_with_and_without_a_memory(
    steps: list[tuple[dict[str, Any], Facts]], data: st.DataObject
) -> None:
    memory = Memory()
    held: dict[ObjectId, Any] = {}
    for objects, facts in steps:
        fresh = snapshot(objects).objects
        kept = data.draw(st.sets(st.sampled_from(sorted(fresh))))
        held = {
            identity: held.get(identity, built) if identity in kept else built
            for identity, built in fresh.items()
        }
        assert compile_plan(Snapshot(held), facts, memory) == compile_plan(Snapshot(held), facts)


def test_what_did_not_change_is_taken_over() -> None:
    memory = Memory()
    before = snapshot(OBJECTS)
    first = sections(compile_plan(before, HERE, memory))
    changed = snapshot(
        {"pools/b": {"basic": {"nodes_table": [{"node": "192.0.2.1:80", "state": "draining"}]}}}
    )
    second = sections(compile_plan(Snapshot({**before.objects, **changed.objects}), HERE, memory))
    different = {header for header, section in second.items() if section is not first.get(header)}
    pools = {header.split()[1].partition("-")[2][0] for header in different if header.startswith("backend ")}
    assert pools == {"b"}
    assert [header for header in different if header.startswith("frontend vs-")] == []


def test_a_name_that_resolves_differently_is_noticed() -> None:
    memory = Memory()
    objects = snapshot(OBJECTS)
    compile_plan(objects, HERE, memory)
    moved = replace(HERE, addresses={"a.test": ("192.0.2.77",)})
    assert "192.0.2.77:80" in compile_plan(objects, moved, memory).text()


def test_what_was_said_is_said_again() -> None:
    memory = Memory()
    objects = snapshot(OBJECTS)
    there = replace(FACTS, can_ping=False)
    first = compile_plan(objects, there, memory)
    assert {condition.code for condition in first.conditions} >= {"node_unresolved", "monitor_not_permitted"}
    assert compile_plan(objects, there, memory).conditions == first.conditions


def test_a_copy_leaves_no_trace() -> None:
    memory = Memory()
    memory.recall("x", "", (1,), lambda _: "first", Remarks())
    memory.turn()
    copy = memory.copy()
    copy.recall("x", "", (2,), lambda _: "second", Remarks())
    copy.turn()
    assert memory.recall("x", "", (1,), lambda _: "made anew", Remarks()) == "first"


def test_what_a_compile_did_not_ask_for_is_forgotten() -> None:
    memory = Memory()
    memory.recall("x", "", (1,), lambda _: "first", Remarks())
    memory.turn()
    memory.turn()
    assert memory.recall("x", "", (1,), lambda _: "made anew", Remarks()) == "made anew"
