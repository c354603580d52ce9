"""Dead nodes stay out: over reloads, over the engine's own death, through priority lists."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.engine.rig import Objects, Rig, request, service, started, until
from tools.instance import free_port
from tools.traffic import Load, Origin

Origins = tuple[Origin, Origin, Origin]

# Our own monitors decide about a pool with two monitors, HAProxy about one with a single connect monitor.
JUDGED = {"basic": {"monitors": ["one", "two"]}}
MONITORS = {("monitors", name): {"basic": {"type": "http", "back_off": True}} for name in ("one", "two")}


def judged(port: int, nodes: Any) -> dict[tuple[str, str], Any]:
    """A service whose nodes' health our own monitors set."""
    return {**service(port, nodes, **JUDGED), **MONITORS}


def changed(objects: Objects, port: int, number: int) -> Objects:
    """The configuration with something in it that only a reload can bring in."""
    web = service(port, [])["virtual_servers", "web"]
    return {**objects, ("virtual_servers", f"other {number}"): web}


async def verdict(rig: Rig, origin: Origin, up: bool) -> None:
    await rig.engine.judge({("app", origin.node): (up, "the answer was not what it should be")})


async def test_a_dead_node_stays_out_over_reloads(rig: Rig, origins: Origins) -> None:
    """Its node accepts no connection, and HAProxy's own check found that."""
    a, b, _ = origins
    port = free_port()
    monitor = {
        ("monitors", "m"): {
            "basic": {"type": "connect", "back_off": False, "delay": 2, "timeout": 1, "failures": 1}
        }
    }
    objects = {**service(port, [a, b], basic={"monitors": ["m"]}), **monitor}
    await rig.apply(objects, "start")
    await b.stop()

    async def is_down() -> bool:
        return (await rig.statuses()).get(b.node, "").startswith("DOWN")

    await until("the node is seen to be dead", is_down)
    for number in range(2):
        await rig.apply(changed(objects, free_port(), number), "reload")
        assert (await rig.statuses())[b.node].startswith("DOWN")
    assert await request(port, 20) == {"a": 20}


async def test_a_judged_node_stays_out_over_reloads(rig: Rig, origins: Origins) -> None:
    """Its node accepts connections, so that every check of HAProxy's own would bring it up."""
    b = origins[1]
    port = free_port()
    objects = judged(port, origins)
    await rig.apply(objects, "start")
    await verdict(rig, b, False)
    assert set(await request(port, 30)) == {"a", "c"}
    before = b.requests
    load = Load(port, clients=4)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        for number in range(4):
            await rig.apply(changed(objects, free_port(), number), "reload")
        load.stop()
    assert not running.result().failed, running.result().failed
    assert b.requests == before
    await verdict(rig, b, True)
    assert set(await request(port, 30)) == {"a", "b", "c"}
    states = await asyncio.to_thread((rig.home / "engine" / "servers.state").read_text)
    assert states


async def test_a_node_added_at_run_time_is_judged(rig: Rig, origins: Origins) -> None:
    a, b, c = origins
    port = free_port()
    await rig.apply(judged(port, [a, b]), "start")
    await verdict(rig, b, False)
    await rig.engine.judge({("app", c.node): (False, "dead before it was added")})
    await rig.apply(judged(port, [a, b, c]), "runtime")
    for methods in (("GET",), ("POST",)):
        assert await request(port, 30, methods) == {"a": 30}
    await verdict(rig, c, True)
    for methods in (("GET",), ("POST",)):
        assert set(await request(port, 30, methods)) == {"a", "c"}
    await verdict(rig, c, False)
    for methods in (("GET",), ("POST",)):
        assert await request(port, 30, methods) == {"a": 30}


async def test_verdicts_outlive_the_engine(rig: Rig, origins: Origins) -> None:
    a, b, _ = origins
    port = free_port()
    await rig.apply(judged(port, [a, b]), "start")
    await verdict(rig, b, False)
    _, worker = await rig.running()
    os.kill(worker, signal.SIGKILL)
    await until("the engine is back", lambda: rig.processes()[1] not in (0, worker))
    await until("the event is there", lambda: rig.events)
    assert "started again" in rig.events[0].reason
    assert await request(port, 30) == {"a": 30}
    await rig.apply(judged(port, [a, b]), "nothing")


async def test_a_new_node_of_the_same_name_is_not_taken_for_the_dead_one(rig: Rig, origins: Origins) -> None:
    a, b, _ = origins
    port = free_port()
    objects = judged(port, [a, b])
    await rig.apply(objects, "start")
    await verdict(rig, b, False)
    assert await request(port, 10) == {"a": 10}
    await rig.apply(judged(port, [a]), "runtime")
    await rig.apply(judged(port, [a, b]), "runtime")
    assert set(await request(port, 20)) == {"a", "b"}


@pytest.mark.parametrize("own_monitors", [False, True])
async def test_priority_lists_follow_deaths(rig: Rig, origins: Origins, own_monitors: bool) -> None:
    """One node of each priority; at least one has to be up."""
    a, b, c = origins
    port = free_port()
    rows = [{"node": origin.node, "priority": priority} for origin, priority in ((a, 3), (b, 2), (c, 1))]
    lists = {"load_balancing": {"priority_enabled": True, "priority_nodes": 1}}
    monitor = {
        ("monitors", "m"): {
            "basic": {"type": "connect", "back_off": False, "delay": 2, "timeout": 1, "failures": 1}
        }
    }
    if own_monitors:
        objects = {**service(port, rows, **JUDGED, **lists), **MONITORS}
    else:
        objects = {**service(port, rows, basic={"monitors": ["m"]}, **lists), **monitor}
    await rig.apply(objects, "start")

    async def die(origin: Origin) -> None:
        if own_monitors:
            await verdict(rig, origin, False)
        else:
            await origin.stop()

    async def live(origin: Origin) -> None:
        if own_monitors:
            await verdict(rig, origin, True)
        else:
            await origin.start()

    async def only(origin: Origin) -> None:
        async def answered() -> bool:
            report = await Load(port, clients=1, methods=("GET", "POST"), limit=6).run(5)
            return set(report.answered) == {origin.name} and not report.failed

        await until(f"{origin.name} alone serves", answered)

    await only(a)
    await die(a)
    await only(b)
    await die(b)
    await only(c)
    await live(b)
    await only(b)
    await live(a)
    await only(a)


@pytest.mark.parametrize("reading", [True, False])
async def test_a_judged_node_stays_out_over_the_engines_death(
    rig: Rig, origins: Origins, reading: bool
) -> None:
    """The new engine is not told before it serves, and not at all while the control plane is dead."""
    b = origins[1]
    port = free_port()
    await rig.apply(judged(port, origins), "start")
    await verdict(rig, b, False)
    saved = rig.home / "engine" / "servers.state"
    await until("the verdict is saved", lambda: saved.exists() and is_held(saved, b))
    before = b.requests
    _, worker = await rig.running()
    if not reading:
        await rig.engine.close()
    load = Load(port, clients=4, methods=("GET",))
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(60))
        os.kill(worker, signal.SIGKILL)
        await until("the engine is back", lambda: rig.processes()[1] not in (0, worker))
        answered = load.report.answered.total()
        await until("it serves", lambda: load.report.answered.total() > answered + 500)
        load.stop()
    assert b.requests == before
    if reading:
        await until("the event is there", lambda: rig.events)
        await rig.apply(judged(port, origins), "nothing")
        assert set(await request(port, 30)) == {"a", "c"}
        await verdict(rig, b, True)
        assert set(await request(port, 30)) == {"a", "b", "c"}


async def test_a_node_known_to_be_dead_is_held_back_at_a_start(home: Path, origins: Origins) -> None:
    b = origins[1]
    port = free_port()
    async with started(Rig(home)) as rig:
        await rig.apply(judged(port, origins), "start")
        await verdict(rig, b, False)
        saved = rig.home / "engine" / "servers.state"
        await until("the verdict is saved", lambda: saved.exists() and is_held(saved, b))
        before = b.requests
    load = Load(port, clients=8, methods=("GET",))
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(60))
        async with started(Rig(home)) as rig:
            await verdict(rig, b, False)
            await rig.apply(judged(port, origins), "start", "reload", "nothing")
            await until("it serves", lambda: load.report.answered.total() > 500)
            load.stop()
            assert b.requests == before
            await verdict(rig, b, True)
            assert set(await request(port, 30)) == {"a", "b", "c"}


@pytest.mark.parametrize("how", ["removed", "disabled"])
async def test_a_node_out_of_service_by_configuration_comes_back_with_a_reload(
    rig: Rig, origins: Origins, how: str
) -> None:
    """In maintenance HAProxy calls a server stopped, which says nothing about its health."""
    a, b, c = origins
    port = free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    fewer = [a, b] if how == "removed" else [a, b, {"node": c.node, "state": "disabled"}]
    await rig.apply(service(port, fewer), "runtime")
    assert set(await request(port, 30)) == {"a", "b"}
    await rig.apply(changed(objects, free_port(), 1), "reload")
    assert set(await request(port, 30)) == {"a", "b", "c"}


async def test_a_verdict_that_turns_during_a_reload_leaves_no_node_behind(rig: Rig, origins: Origins) -> None:
    b = origins[1]
    port = free_port()
    objects = judged(port, origins)
    await rig.apply(objects, "start")
    await verdict(rig, b, False)
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.apply(changed(objects, free_port(), 1), "reload"))
        group.create_task(turn_while_reloading(rig, b))
    assert set(await request(port, 30)) == {"a", "b", "c"}


async def turn_while_reloading(rig: Rig, origin: Origin) -> None:
    """Says that a node is up as soon as the file for the new worker says that it is dead."""
    states = rig.home / "engine" / "servers.state"
    former = states.stat().st_mtime_ns
    await until("the file is written", lambda: states.stat().st_mtime_ns != former)
    assert is_held(states, origin)
    await verdict(rig, origin, True)


def is_held(states: Path, origin: Origin) -> bool:
    """Whether the saved states keep a node out from the start: forced maintenance."""
    rows = (line.split(" ") for line in states.read_text().splitlines())
    return any(len(row) > 18 and row[18] == str(origin.port) and row[6] == "1" for row in rows)
