"""The service map: what is in trouble comes first, and every kind of trouble is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.control.test_status import pool, service, status

from pointsman.control.status import TrafficIpView
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.traffic_ip_group import TRAFFIC_IP_GROUP
from pointsman.schema.validate import build
from pointsman.schema.virtual_server import VIRTUAL_SERVER
from pointsman.web.ui.services.addresses import group_states, rows_of
from pointsman.web.ui.services.tree import SHOWN_LIGHTS, ServiceMap, light


def server(name: str) -> ObjectId:
    return ObjectId("virtual_servers", name)


OBJECTS: dict[ObjectId, AnyResource] = {
    server("asleep"): service(enabled=False),
    server("down"): service("dead"),
    server("impaired"): service("half"),
    server("lost"): service("nowhere"),
    server("saved"): service("backed"),
    server("sink"): service("discard"),
    server("well"): service("app"),
    ObjectId("pools", "app"): pool("a:1"),
    ObjectId("pools", "backed"): pool("dead:1", failure_pool="app"),
    ObjectId("pools", "dead"): pool("dead:1", failure_pool="dead2"),
    ObjectId("pools", "dead2"): pool("dead:1", failure_pool="dead"),
    ObjectId("pools", "half"): pool("dead:1", "b:1", "c:1"),
}
DEAD = {(name, "dead:1"): "refused" for name in ("backed", "dead", "dead2", "half")}


def made() -> ServiceMap:
    """The map of all of them."""
    return ServiceMap(status(OBJECTS, DEAD))


def test_what_is_in_trouble_comes_first_and_says_why() -> None:
    found = made()
    told = {one.view.name: (one.mark, one.why) for one in found.services}
    assert [one.mark for one in found.services] == ["error", "error", "warn", "warn", "ok", "ok", "off"]
    assert told["saved"] == ("warn", 'its failure pool serves: no node of pool "backed" can answer')
    assert told["impaired"] == ("warn", '1 of 3 nodes of pool "half" are down')
    assert told["lost"][1] == 'there is no pool "nowhere"'
    assert told["sink"] == ("ok", "") and told["asleep"] == ("off", "")
    assert (found.service_tally.error, found.service_tally.warn, found.service_tally.ok) == (2, 2, 2)
    assert found.node_tally.error == 4 and found.node_tally.all == 7


@pytest.mark.parametrize(
    ("choice", "words", "names"),
    [
        ("trouble", "", {"down", "lost", "impaired", "saved"}),
        ("disabled", "", {"asleep"}),
        ("well", "", {"well", "sink"}),
        ("", "DEAD:1 backed", {"saved"}),
        ("", "a:1", {"asleep", "well", "saved"}),
        ("trouble", "a:1", {"saved"}),
        ("unheard of", "", {one.name for one in OBJECTS if one.type == "virtual_servers"}),
    ],
)
def test_filters(choice: str, words: str, names: set[str]) -> None:
    assert {one.view.name for one in made().chosen(choice, words)} == names


def test_branches_follow_failure_pools_and_end_in_circles() -> None:
    found = made()
    by_name = {one.view.name: one for one in found.services}
    snapshot = Snapshot(OBJECTS)
    assert found.chain("dead") == ["dead", "dead2"]
    saved = found.tree(by_name["saved"], snapshot).branches
    assert [(branch.name, branch.role, branch.serves) for branch in saved] == [
        ("backed", "", False),
        ("app", "failure pool", True),
    ]
    assert saved[0].lights[0].path == "/services/why/backed/dead%3A1"
    alive = replace(saved[1].lights[0].node, state=NodeState.ALIVE)
    assert light("app", alive).path == "/services/pools/app#node-a%3A1"
    (lost,) = found.tree(by_name["lost"], snapshot).branches
    assert lost.pool is None and lost.mark == "error"
    assert found.tree(by_name["sink"], snapshot).branches == ()


def test_what_does_not_fit_is_counted() -> None:
    nodes = [f"n{number}:1" for number in range(SHOWN_LIGHTS + 7)]
    objects = {server("web"): service(), ObjectId("pools", "app"): pool(*nodes)}
    found = ServiceMap(status(objects, {("app", nodes[-1]): "refused"}))
    (branch,) = found.tree(found.services[0], Snapshot(objects)).branches
    assert len(branch.lights) == SHOWN_LIGHTS and branch.more == 7
    assert branch.lights[0].node.node == nodes[-1], "the dead one is shown"


def test_rules_are_told_with_when_they_run() -> None:
    settings: dict[str, Any] = {
        "port": 80,
        "pool": "app",
        "request_rules": ["one", "/two"],
        "response_rules": ["three"],
    }
    objects: dict[ObjectId, AnyResource] = {server("web"): build(VIRTUAL_SERVER, "web", {"basic": settings})}
    found = ServiceMap(status(objects))
    rules = found.tree(found.services[0], Snapshot(objects)).rules
    assert [(rule.name, rule.when, rule.on) for rule in rules] == [
        ("one", "request", True),
        ("two", "request", False),
        ("three", "response", True),
    ]


def group(*addresses: str, enabled: bool = True) -> AnyResource:
    """A traffic IP group."""
    return build(TRAFFIC_IP_GROUP, "g", {"basic": {"ipaddresses": list(addresses), "enabled": enabled}})


@pytest.mark.parametrize(
    ("holder", "mark", "word"),
    [("tm", "ok", "raised"), ("tm2", "warn", "away from home"), ("", "error", "held by nobody")],
)
def test_traffic_ips_tell_who_holds_them(holder: str, mark: str, word: str) -> None:
    objects: dict[ObjectId, AnyResource] = {ObjectId("traffic_ip_groups", "vips"): group("192.0.2.1")}
    view = TrafficIpView("192.0.2.1", "vips", holder, 5.0, ("tm", "tm2"))
    seen = status(objects, traffic_ips=(view,), traffic_ip_errors=("the engine does not run",))
    state = group_states(Snapshot(objects), seen)["vips"]
    assert (state.mark, state.word) == (mark, word)
    assert ("the engine does not run" in state.text) == (not holder)
    (row,) = rows_of("vips", seen)
    assert (row.home, row.then, row.mark) == ("tm", ("tm2",), mark)


def test_groups_without_a_holder_are_never_called_well() -> None:
    objects: dict[ObjectId, AnyResource] = {
        ObjectId("traffic_ip_groups", "empty"): group(),
        ObjectId("traffic_ip_groups", "nobody"): group("192.0.2.1"),
        ObjectId("traffic_ip_groups", "off"): group("192.0.2.2", enabled=False),
    }
    states = group_states(Snapshot(objects), status(objects))
    assert {name: state.mark for name, state in states.items()} == {
        "empty": "off",
        "nobody": "warn",
        "off": "off",
    }


def test_a_disabled_node_is_no_trouble() -> None:
    health = {("app", "a:1"): NodeHealth("app", "a:1", NodeState.DISABLED, "disabled", 1.0)}
    table = {"basic": {"nodes_table": [{"node": "a:1", "state": "disabled"}, {"node": "b:1"}]}}
    objects: dict[ObjectId, AnyResource] = {
        server("web"): service(),
        ObjectId("pools", "app"): build(POOL, "app", table),
    }
    (one,) = ServiceMap(status(objects, health=health)).services
    assert one.mark == "ok"
