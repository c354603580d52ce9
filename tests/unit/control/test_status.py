"""The status tells the truth about services, pools and nodes, and its first sentence is the worst of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pointsman.control.status import Change, DataPlane, Memory, Status, observe
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.validate import build
from pointsman.schema.virtual_server import VIRTUAL_SERVER

WEB = ObjectId("virtual_servers", "web")


def pool(*nodes: str, **basic: Any) -> AnyResource:
    """A pool of nodes."""
    return build(POOL, "p", {"basic": {"nodes_table": [{"node": node} for node in nodes], **basic}})


def service(pool_name: str = "app", *, enabled: bool = True) -> AnyResource:
    """A virtual server on port 80."""
    return build(VIRTUAL_SERVER, "v", {"basic": {"port": 80, "pool": pool_name, "enabled": enabled}})


def status(
    objects: dict[ObjectId, AnyResource], dead: dict[tuple[str, str], str] | None = None, **more: Any
) -> Status:
    """The status of a configuration in which the nodes of `dead` are down for that reason."""
    health = {key: NodeHealth(*key, NodeState.DEAD, why, 5.0) for key, why in (dead or {}).items()}
    arguments: dict[str, Any] = {
        "traffic_manager": "tm",
        "version": "1",
        "snapshot": Snapshot(objects, 3),
        "in_force": 3,
        "conditions": (),
        "health": health,
        "figures": {},
        "changes": {},
        "engine": {},
        **more,
    }
    return observe(**arguments)


def test_nothing_set_up() -> None:
    seen = status({})
    assert (seen.level, seen.sentence) == ("ok", "No service is set up yet.")


def test_all_is_well() -> None:
    seen = status({WEB: service(), ObjectId("pools", "app"): pool("a:1")})
    assert (seen.level, seen.sentence) == ("ok", "The service serves.")
    assert seen.services[0].serving
    assert seen.pools[0].state == "active"
    assert seen.pools[0].used_by == ("web",)


def test_a_dead_node_is_named_with_its_reason() -> None:
    changes = {("app", "b:1"): Change("ann", 9.0)}
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1", "b:1")}
    seen = status(objects, {("app", "b:1"): "connection refused"}, changes=changes)
    assert seen.level == "warn"
    assert 'ode b:1 of pool "app" is down' in seen.sentence
    node = seen.pools[0].nodes[1]
    assert (node.state, node.reason, node.since, node.changed_by) == (
        NodeState.DEAD,
        "connection refused",
        5.0,
        "ann",
    )
    assert seen.services[0].serving


def test_a_service_without_a_living_node_does_not_serve_unless_its_failure_pool_does() -> None:
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1")}
    dead = {("app", "a:1"): "timed out"}
    seen = status(objects, dead)
    assert seen.level == "error"
    assert not seen.services[0].serving
    assert 'no node of pool "app" can answer' in seen.services[0].reason
    helped = {
        WEB: service(),
        ObjectId("pools", "app"): pool("a:1", failure_pool="spare"),
        ObjectId("pools", "spare"): pool("s:1"),
    }
    assert status(helped, dead).services[0].serving


def test_failure_pools_in_a_circle_end() -> None:
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1", failure_pool="app")}
    assert not status(objects, {("app", "a:1"): "x"}).services[0].serving


def test_a_missing_pool_and_a_rejected_object() -> None:
    assert 'there is no pool "app"' in status({WEB: service()}).services[0].reason
    rejected = Condition(WEB, Standing.REJECTED, "port.in_use", "port 80 is in use")
    seen = status({WEB: service(), ObjectId("pools", "app"): pool("a:1")}, conditions=(rejected,))
    assert seen.services[0].reason == "port 80 is in use"
    assert seen.level == "error"


def test_a_disabled_service_is_no_fault() -> None:
    seen = status({WEB: service(enabled=False)})
    assert seen.level == "ok"
    assert seen.services[0].reason == "disabled"


def test_what_the_administrator_set_is_shown_at_once() -> None:
    table = [{"node": "a:1", "state": "disabled"}, {"node": "b:1", "state": "draining"}]
    made = build(POOL, "p", {"basic": {"nodes_table": table}})
    nodes = status({ObjectId("pools", "app"): made}).pools[0].nodes
    assert [node.state for node in nodes] == [NodeState.DISABLED, NodeState.DRAINING]


def test_without_an_engine_nothing_serves() -> None:
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1")}
    seen = status(objects, plane=DataPlane(serving=False))
    assert seen.level == "fatal"
    assert not seen.services[0].serving
    assert "not running" in seen.services[0].reason


def test_a_refused_configuration_is_no_service() -> None:
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1")}
    seen = status(objects, plane=DataPlane(listening=frozenset({"other"}), refused="out of luck"))
    assert seen.level == "error"
    assert "out of luck" in seen.sentence
    assert seen.services[0].reason == "out of luck"
    waiting = status(objects, plane=DataPlane(listening=frozenset()))
    assert waiting.services[0].reason == "it is not in force yet"
    assert status(objects, plane=DataPlane(listening=frozenset({"web"}))).services[0].serving


def test_a_failure_pool_of_a_pool_in_use_is_in_use() -> None:
    objects = {
        WEB: service(),
        ObjectId("pools", "app"): pool("a:1", failure_pool="spare"),
        ObjectId("pools", "spare"): pool("b:1", failure_pool="app"),
        ObjectId("pools", "alone"): pool("c:1"),
    }
    assert {one.name: one.state for one in status(objects).pools} == {
        "alone": "unused",
        "app": "active",
        "spare": "active",
    }


def test_a_pool_in_use_without_nodes_is_not_called_unused() -> None:
    objects = {
        WEB: service(),
        ObjectId("pools", "app"): pool(),
        ObjectId("pools", "other"): pool(),
    }
    found = {one.name: one.state for one in status(objects).pools}
    assert found == {"app": "without nodes", "other": "unused"}


def test_a_node_that_was_just_activated_is_not_called_disabled() -> None:
    stale = {("app", "a:1"): NodeHealth("app", "a:1", NodeState.DISABLED, "disabled", 5.0)}
    objects = {WEB: service(), ObjectId("pools", "app"): pool("a:1")}
    node = status(objects, health=stale).pools[0].nodes[0]
    assert (node.state, node.reason) == (NodeState.UNKNOWN, "it was just activated")


def test_a_status_with_memory_is_the_same_as_one_without() -> None:
    """Whatever turns between two looks: health, settings, conditions, changes, use."""
    memory, health = Memory(), dict[tuple[str, str], NodeHealth]()
    pools = {ObjectId("pools", name): pool("a:1", "b:1") for name in ("app", "other")}
    objects: dict[ObjectId, AnyResource] = {WEB: service(), **pools}
    changes: dict[tuple[str, str], Change] = {}
    conditions: tuple[Condition, ...] = ()

    figures = {("pools", "app"): {"total_conn": 3}}

    def looks() -> tuple[Status, Status]:
        more: dict[str, Any] = {
            "figures": figures,
            "conditions": conditions,
            "changes": changes,
            "health": health,
        }
        return status(objects, memory=memory, **more), status(objects, **more)

    def turns() -> Iterator[str]:
        nonlocal objects, changes, conditions
        yield "nothing"
        health["app", "a:1"] = NodeHealth("app", "a:1", NodeState.DEAD, "refused", 7.0)
        yield "health"
        health["app", "a:1"] = NodeHealth("app", "a:1", NodeState.ALIVE, "", 8.0)
        yield "back"
        conditions = (Condition(ObjectId("pools", "app"), Standing.WARNING, "x", "careful"),)
        yield "conditions"
        objects = {**objects, ObjectId("pools", "app"): pool("a:1", note="new")}
        yield "settings"
        changes = {("app", "a:1"): Change("ann", 9.0)}
        yield "changes"
        objects = {**objects, WEB: service("other")}
        yield "use"
        del objects[ObjectId("pools", "app")]
        yield "gone"

    before = None
    for what in turns():
        remembered, fresh = looks()
        assert remembered == fresh, what
        assert (remembered.pools == before) == (what == "nothing" and before is not None), what
        before = remembered.pools
    first, second = looks()[0], looks()[0]
    assert first.pools[0] is second.pools[0]


class Figured(dict[tuple[str, str], dict[str, int]]):
    """Figures that count how often they are read."""

    reads = 0

    def get(self, key: Any, default: Any = None) -> Any:
        self.reads += 1
        return {"current_conn": self.reads}


def test_figures_are_read_only_where_somebody_looks() -> None:
    figures = Figured()
    seen = status({WEB: service(), ObjectId("pools", "app"): pool("a:1", "b:1")}, figures=figures)
    assert figures.reads == 0
    assert seen.pools[0].nodes[0].figures["current_conn"] == 1
    assert seen.pools[0].nodes[0].figures.get("current_conn") == 1
    assert figures.reads == 1
    assert dict(seen.services[0].figures) == {"current_conn": 2}
