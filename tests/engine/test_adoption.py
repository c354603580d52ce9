"""Control plane, engine and launcher may die in any order: traffic goes on, and what runs is adopted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.engine.rig import Rig, lives, request, service, until
from tools.instance import free_port
from tools.traffic import Load, Origin

from pointsman.compiler.plan import Plan
from pointsman.engine.haproxy import HaproxyEngine

Origins = tuple[Origin, Origin, Origin]


@asynccontextmanager
async def successor(rig: Rig) -> AsyncIterator[HaproxyEngine]:
    """The engine object of a control plane that has just started, after the one before was killed."""
    engine = rig.control_plane()
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def test_a_new_control_plane_adopts_what_it_would_load(rig: Rig, origins: Origins) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    _, worker = await rig.running()
    async with successor(rig) as engine:
        outcome = await engine.apply(rig.compile(service(port, origins)))
        assert (outcome.act, outcome.generation) == ("nothing", 1)
        assert (await engine.apply(rig.compile(service(port, origins[:2])))).act == "runtime"
    assert (await rig.running())[1] == worker
    assert set(await request(port, 20)) == {"a", "b"}


async def test_a_new_control_plane_adopts_run_time_changes(rig: Rig, origins: Origins) -> None:
    a, b, c = origins
    port = free_port()
    await rig.apply(service(port, [a, b]), "start")
    await rig.apply(service(port, [a, b, c]), "runtime")
    async with successor(rig) as engine:
        assert (await engine.apply(rig.compile(service(port, [a, b, c])))).act == "nothing"
        assert (await engine.apply(rig.compile(service(port, [a, c])))).act == "runtime"
        assert set(await request(port, 20)) == {"a", "c"}
        assert (await engine.apply(rig.compile(service(port, [a, b, c])))).act == "runtime"
        assert set(await request(port, 20, ("GET", "POST"))) == {"a", "b", "c"}


async def test_a_new_control_plane_with_another_configuration_reloads(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    async with successor(rig) as engine:
        outcome = await engine.apply(rig.compile(service(port, origins[:1])))
        assert outcome.act == "reload"
        assert await request(port, 10) == {"a": 10}


async def test_a_change_cut_short_is_not_trusted(rig: Rig, origins: Origins) -> None:
    """The control plane died between two commands: what the ledger says then is "not certain"."""
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    ledger = rig.run / "applied.json"
    ledger.write_text(json.dumps({**json.loads(ledger.read_text()), "applied": 0}))
    async with successor(rig) as engine:
        assert (await engine.apply(plan)).act == "reload"


@pytest.mark.parametrize("victim", ["master", "worker"])
async def test_haproxy_is_back_within_a_second_without_the_control_plane(
    rig: Rig, origins: Origins, victim: str
) -> None:
    port = free_port()
    plan: Plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    await rig.engine.close()
    master, worker = await rig.running()

    async def serves() -> bool:
        report = await Load(port, clients=1, methods=("GET",), limit=1).run(1)
        return not report.failed

    control = rig.children()["control"]
    os.kill(control, signal.SIGSTOP)
    for _ in range(3):
        began = time.monotonic()
        killed = master, worker
        os.kill(master if victim == "master" else worker, signal.SIGKILL)
        await until("both ended", lambda: not any(map(lives, killed)))  # noqa: B023 - awaited before it changes
        await until("it serves again", serves, 5)
        assert time.monotonic() - began < 5
        master, worker = await rig.running()
    os.kill(control, signal.SIGCONT)
    assert rig.journal().count("engine-exited") == 3
    assert rig.journal().count("engine-started") == 4


async def test_a_restarted_engine_has_the_changes_made_at_run_time(rig: Rig, origins: Origins) -> None:
    a, b, c = origins
    port = free_port()
    await rig.apply(service(port, [a, b]), "start")
    await rig.apply(service(port, [a, c]), "runtime")
    await rig.engine.close()
    _, worker = await rig.running()
    os.kill(worker, signal.SIGKILL)
    await until("the engine is back", lambda: rig.processes()[1] not in (0, worker))
    assert set(await request(port, 20)) == {"a", "c"}


async def test_a_change_while_the_engine_is_dead_comes_into_force(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    _, worker = await rig.running()
    os.kill(worker, signal.SIGKILL)
    await rig.apply(service(port, origins[:2]), "runtime", "reload", "start")
    assert set(await request(port, 20)) == {"a", "b"}


async def test_a_new_launcher_adopts_control_plane_and_engine(rig: Rig, origins: Origins) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    before = rig.children()
    _, worker = await rig.running()
    load = Load(port, clients=4)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        assert rig.launcher is not None
        rig.launcher.kill()
        await asyncio.to_thread(rig.launcher.wait)
        await rig.launched()
        await until("the engine is adopted", lambda: "engine-adopted" in rig.journal())
        load.stop()
    assert not running.result().failed, running.result().failed
    assert rig.children(rig.launcher.pid) == before
    assert (await rig.running())[1] == worker
    os.kill(worker, signal.SIGKILL)
    await until("the new launcher starts it again", lambda: rig.processes()[1] not in (0, worker))
    await rig.apply(plan, "nothing")


async def test_an_engine_that_died_without_a_launcher_is_started(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    _, worker = await rig.running()
    assert rig.launcher is not None
    rig.launcher.kill()
    await asyncio.to_thread(rig.launcher.wait)
    os.kill(worker, signal.SIGKILL)
    await until("it ended", lambda: not lives(worker))
    await rig.launched()
    await until("the engine runs", lambda: rig.processes()[1])
    assert set(await request(port, 20)) == {"a", "b", "c"}
