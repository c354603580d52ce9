"""The numbers that HAProxy is given for bandwidth limits, and where they stand."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.compiling import FACTS, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.difference import Reload, difference
from pointsman.compiler.facts import Member
from pointsman.compiler.plan import Plan

COMMUNITY = replace(FACTS, bandwidth=10_000_000)


def configuration(**basic: Any) -> dict[str, Any]:
    """An HTTP and a TCP virtual server with one pool; `basic` is of the class "gold" that all three name."""
    named = {"bandwidth_class": "gold"} if basic else {}
    return {
        **({"bandwidth/gold": {"basic": basic}} if basic else {}),
        "pools/app": {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], **named}},
        "virtual_servers/web": {"basic": {"enabled": True, "port": 80, "pool": "app", **named}},
        "virtual_servers/raw": {
            "basic": {"enabled": True, "port": 81, "pool": "app", "protocol": "stream", **named}
        },
    }


def rates(plan: Plan) -> set[tuple[str, float]]:
    """Direction and bytes a second of every filter of a plan."""
    text = plan.text()
    periods = dict(re.findall(r"backend (bandwidth\S*) .*\n.*bytes_(?:in|out)_rate\((\d+)ms\)", text))
    found = re.findall(r"filter bwlim-(in|out) \S+ limit (\d+) key \S+ table (\S+)", text)
    return {(way, int(limit) * 1000 / int(periods[table])) for way, limit, table in found}


def test_without_limit_nothing_is_emitted() -> None:
    """R65: an instance without limit pays nothing for limits."""
    text = compile_plan(snapshot(configuration()), FACTS).text()
    assert "bwlim" not in text
    assert "bandwidth" not in text


def test_the_licence_limits_every_virtual_server_in_both_directions() -> None:
    """R65: 10,000,000 bits a second of payload are 1,250,000 bytes, towards clients and towards nodes."""
    plan = compile_plan(snapshot(configuration()), COMMUNITY)
    assert rates(plan) == {("in", 1_250_000), ("out", 1_250_000)}
    frontends = [section for section in plan.sections if section.header.text.startswith("frontend vs-")]
    for section in frontends:
        lines = [line.text for line in section.lines]
        assert sum(line.startswith("filter bwlim-") for line in lines) == 2
        assert sum("set-bandwidth-limit" in line for line in lines) == 2
    assert len(frontends) == 2


def test_a_kilobit_is_a_thousand_bits() -> None:
    plan = compile_plan(snapshot(configuration(maximum=8000, sharing="machine")), FACTS)
    assert rates(plan) == {("in", 1_000_000), ("out", 1_000_000)}


@pytest.mark.parametrize(("sharing", "share"), [("cluster", 250_000), ("machine", 1_000_000)])
def test_a_cluster_divides_a_class_among_its_members(sharing: str, share: int) -> None:
    facts = replace(FACTS, cluster=tuple(Member(f"tm{n}", f"192.0.2.{n}") for n in range(1, 5)))
    plan = compile_plan(snapshot(configuration(maximum=8000, sharing=sharing)), facts)
    assert rates(plan) == {("in", share), ("out", share)}


@pytest.mark.parametrize("maximum", [1, 10, 1000, 3_999_999, 4_000_001, 20_000_000])
def test_every_maximum_fits_into_what_haproxy_counts_with(maximum: int) -> None:
    plan = compile_plan(snapshot(configuration(maximum=maximum, sharing="machine")), FACTS)
    assert rates(plan) == {("in", maximum * 125), ("out", maximum * 125)}
    for limit in re.findall(r" limit (\d+) ", plan.text()):
        assert 0 < int(limit) < 2**30
    for least in re.findall(r" min-size (\d+)", plan.text()):
        assert 1 <= int(least) <= 512


def test_a_table_has_room_for_an_entry_that_two_threads_make_at_once() -> None:
    """With one entry the second thread would find the table full, and its stream would have no limit (2.8.25)."""
    plan = compile_plan(snapshot(configuration(maximum=10, sharing="machine")), COMMUNITY)
    assert set(re.findall(r"stick-table type integer size (\S+)", plan.text())) == {"1k"}


def test_each_direction_has_a_table_of_its_own() -> None:
    plan = compile_plan(snapshot(configuration()), COMMUNITY)
    assert re.findall(r"filter bwlim-(\S+) .* table bandwidth:(\S+)", plan.text()) == [
        ("in", "in"),
        ("out", "out"),
        ("in", "in"),
        ("out", "out"),
    ]


def test_a_limit_of_each_connection_tells_connections_apart_in_every_frontend() -> None:
    plan = compile_plan(snapshot(configuration(maximum=10, sharing="connection")), FACTS)
    assert plan.text().count("tcp-request session set-var(sess.connection) uuid()") == 2
    assert "key int" not in plan.text()


def test_a_changed_maximum_is_a_reload() -> None:
    old = compile_plan(snapshot(configuration(maximum=10, sharing="machine")), FACTS)
    new = compile_plan(snapshot(configuration(maximum=11, sharing="machine")), FACTS)
    step = difference(old, new)
    assert isinstance(step, Reload)
    assert "virtual server web: changed" in step.reasons


def test_a_refused_class_counts_as_missing() -> None:
    objects = snapshot(configuration(maximum=10))
    (gold,) = [identity for identity in objects.objects if identity.type == "bandwidth"]
    plan = compile_plan(objects, replace(FACTS, refused={gold: "the engine refuses it"}))
    assert "bwlim" not in plan.text()
    missing = [condition for condition in plan.conditions if condition.code == "bandwidth_class_missing"]
    assert {condition.subject.type for condition in missing} == {"virtual_servers", "pools"}
