"""The main job: a described service carries traffic, by weight, around drained and dead nodes."""

from __future__ import annotations

import asyncio
from typing import Any

from tools.instance import Instance, free_port, wait_for
from tools.traffic import Load, Origin

Origins = tuple[Origin, Origin, Origin]


def service(instance: Instance, port: int, nodes: list[dict[str, Any]], **pool: Any) -> None:
    """Makes pool "app" and virtual server "web" on `port`, and waits until they are in force."""
    settings: dict[str, Any] = {"basic": {"nodes_table": nodes}, **pool}
    assert instance.put("pools", "app", settings)[0] == 201
    basic = {
        "enabled": True,
        "port": port,
        "pool": "app",
        "listen_on_any": False,
        "listen_on_hosts": ["127.0.0.1"],
    }
    assert instance.put("virtual_servers", "web", {"basic": basic})[0] == 201
    wait_for("the virtual server is in force", lambda: in_force(instance))


def in_force(instance: Instance) -> bool:
    """Whether the newest revision is what the engine serves."""
    applies = instance.get("status/local_tm/applies")
    return bool(applies["revision"] == applies["in_force"])


async def request(port: int, count: int, methods: tuple[str, ...] = ("GET",)) -> dict[str, int]:
    """Sends `count` requests over a few connections; all must be answered."""
    report = await Load(port, clients=4, methods=methods, limit=count).run(30)
    assert not report.failed, report.failed
    return dict(report.answered)


async def test_weights_split_traffic(instance: Instance, origins: Origins) -> None:
    port = free_port()
    nodes = [{"node": origin.node, "weight": weight} for weight, origin in enumerate(origins, 1)]
    await asyncio.to_thread(
        service, instance, port, nodes, load_balancing={"algorithm": "weighted_round_robin"}
    )
    answered = await request(port, 600)
    assert sum(answered.values()) == 600
    assert abs(answered["a"] - 100) <= 6
    assert abs(answered["b"] - 200) <= 6
    assert abs(answered["c"] - 300) <= 6


async def test_a_draining_node_gets_nothing_new(instance: Instance, origins: Origins) -> None:
    port = free_port()
    nodes: list[dict[str, Any]] = [{"node": origin.node} for origin in origins]
    await asyncio.to_thread(service, instance, port, nodes)
    assert set(await request(port, 60)) == {"a", "b", "c"}
    nodes[2]["state"] = "draining"
    status, body = await asyncio.to_thread(instance.put, "pools", "app", {"basic": {"nodes_table": nodes}})
    assert status == 200, body
    await asyncio.to_thread(wait_for, "the change is in force", lambda: in_force(instance))
    assert set(await request(port, 60)) == {"a", "b"}
    applies = await asyncio.to_thread(instance.get, "status/local_tm/applies")
    assert applies["applies"][0]["act"] == "runtime", applies["applies"][0]


async def test_a_dead_node_is_left_and_named(instance: Instance, origins: Origins) -> None:
    port = free_port()
    monitor = {"basic": {"type": "http", "delay": 1, "timeout": 1, "failures": 2}, "http": {"path": "/check"}}
    assert (await asyncio.to_thread(instance.put, "monitors", "alive", monitor))[0] == 201
    nodes = [{"node": origin.node} for origin in origins]
    # A node that traffic found dead before the monitor did is tried again after this time.
    await asyncio.to_thread(service, instance, port, nodes, node={"retry_fail_time": 2})
    status, body = await asyncio.to_thread(instance.put, "pools", "app", {"basic": {"monitors": ["alive"]}})
    assert status == 200, body
    await asyncio.to_thread(wait_for, "the monitor is in force", lambda: in_force(instance))

    load = Load(port, clients=8, methods=("GET",))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(40))
        await asyncio.to_thread(wait_for, "traffic flows", lambda: load.report.requests > 100)
        await origins[1].stop()
        failed = await asyncio.to_thread(wait_for, "the node is named", lambda: failed_nodes(instance))
        await asyncio.to_thread(wait_for, "more traffic", lambda: load.report.requests > 2000)
        load.stop()
    assert not running.result().failed, running.result().failed
    assert failed == [{"node": origins[1].node, "pools": ["app"]}]
    state = await asyncio.to_thread(instance.get, "status/local_tm/state")
    assert any(origins[1].node in error for error in state["state"]["errors"]), state

    again = await Origin("b", origins[1].port).start()
    await asyncio.to_thread(wait_for, "the node is back", lambda: not failed_nodes(instance))
    assert "b" in await request(port, 60)
    await again.stop()
    events = await asyncio.to_thread(instance.get, "status/local_tm/events")
    tags = [
        event["tag"]
        for event in events["events"]
        if event["detail"] == origins[1].node and event["section"] == "pools"
    ]
    assert sorted(tags) == ["nodefail", "nodeworking"], events


def failed_nodes(instance: Instance) -> Any:
    """`failed_nodes` of the state."""
    return instance.get("status/local_tm/state")["state"]["failed_nodes"]


async def test_counters_are_live_and_named_as_the_product_names_them(
    instance: Instance, origins: Origins
) -> None:
    port = free_port()
    await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
    await request(port, 90, ("GET", "POST"))

    def counted() -> Any:
        found = instance.get("status/local_tm/statistics/virtual_servers/web")["statistics"]
        return found if found["total_http_requests"] == 90 else None

    found = await asyncio.to_thread(wait_for, "90 requests are counted", counted)
    assert found["port"] == port
    assert found["protocol"] == "http"
    nodes = await asyncio.to_thread(instance.get, "status/local_tm/statistics/nodes/per_pool_node")
    assert {child["name"] for child in nodes["children"]} == {f"app-{origin.node}" for origin in origins}
