"""Every process may be killed: traffic goes on or is back at once, and nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.test_traffic import Origins, failed_nodes, in_force, request, service
from tools.instance import SOURCE, Instance, free_port, wait_for
from tools.traffic import Load


def serves(port: int) -> bool:
    """Whether a request to the port is answered now."""
    report = asyncio.run(Load(port, clients=1, methods=("GET",), limit=1).run(5))
    return not report.failed


def settled(instance: Instance) -> dict[str, list[int]]:
    """The instance's processes, once the worker of the last reload has gone."""
    wait_for("one master and one worker", lambda: len(instance.processes()["haproxy"]) == 2)
    return instance.processes()


async def test_killing_the_control_plane_costs_no_request(instance: Instance, origins: Origins) -> None:
    port = free_port()
    nodes = [{"node": origin.node} for origin in origins]
    await asyncio.to_thread(service, instance, port, nodes)
    load = Load(port, clients=8)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        control = instance.processes()["control"]
        assert len(control) == 1
        os.kill(control[0], signal.SIGKILL)

        def changed() -> bool:
            try:
                status, _ = instance.put("pools", "app", {"basic": {"nodes_table": nodes[:2]}})
            except OSError:
                return False
            return status == 200

        await asyncio.to_thread(wait_for, "a change works again", changed, 25)
        await asyncio.to_thread(wait_for, "the change is in force", lambda: in_force(instance))
        load.stop()
    assert not running.result().failed, running.result().failed
    assert set(await request(port, 40)) == {"a", "b"}


@pytest.mark.parametrize("victim", ["master", "worker"])
@pytest.mark.parametrize("control", ["alive", "stopped"])
async def test_haproxy_is_back_at_once(
    instance: Instance, origins: Origins, victim: str, control: str
) -> None:
    port = free_port()
    await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
    processes = await asyncio.to_thread(settled, instance)
    if control == "stopped":
        os.kill(processes["control"][0], signal.SIGSTOP)
    try:
        os.kill(processes["haproxy"][0 if victim == "master" else 1], signal.SIGKILL)

        def renewed() -> bool:
            found = instance.processes()["haproxy"]
            return len(found) == 2 and not set(found) & set(processes["haproxy"]) and serves(port)

        await asyncio.to_thread(wait_for, "HAProxy serves again", renewed, 5)
    finally:
        if control == "stopped":
            os.kill(processes["control"][0], signal.SIGCONT)
    if control == "alive":
        events = await asyncio.to_thread(
            wait_for,
            "the event is recorded",
            lambda: [
                e
                for e in instance.get("status/local_tm/events")["events"]
                if "haproxy" in e["reason"].lower()
            ],
        )
        assert events


async def test_a_new_launcher_adopts_what_runs(instance: Instance, origins: Origins) -> None:
    port = free_port()
    await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
    before = await asyncio.to_thread(settled, instance)
    load = Load(port, clients=4)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        os.kill(before["launcher"][0], signal.SIGKILL)
        assert instance.process is not None
        await asyncio.to_thread(instance.process.wait, 10)
        await asyncio.to_thread(instance.start)
        load.stop()
    assert not running.result().failed, running.result().failed
    after = instance.processes()
    assert after["haproxy"] == before["haproxy"]
    assert len(after["control"]) == 1
    assert len(after["launcher"]) == 1


async def test_a_second_start_in_the_same_home_is_refused(instance: Instance) -> None:
    command = [sys.executable, "-m", "pointsman", "run", "--home", str(instance.home), "--rest-port", "0"]
    second = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert second.returncode == 4
    assert len((second.stdout + second.stderr).strip().splitlines()) == 1, second


async def test_a_restart_keeps_configuration_and_stops_cleanly(tmp_path: Path, origins: Origins) -> None:
    port = free_port()
    instance = Instance(tmp_path / "home")
    with instance:
        await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
        assert await asyncio.to_thread(instance.stop) == 0
        assert not any(instance.processes().values())
        assert not (instance.home / "ready.json").exists()
        await asyncio.to_thread(instance.start)
        assert set(await request(port, 30)) == {"a", "b", "c"}


async def test_a_dead_node_gets_nothing_after_any_restart(tmp_path: Path, origins: Origins) -> None:
    """It accepts connections, so that only our own monitor knows."""
    port = free_port()
    sick = origins[1]
    monitor = {
        "basic": {"type": "http", "delay": 1, "timeout": 1, "failures": 1},
        "http": {"path": "/check", "body_regex": "a|c"},
    }
    pool = {"basic": {"monitors": ["well"]}}
    with Instance(tmp_path / "home") as instance:
        assert (await asyncio.to_thread(instance.put, "monitors", "well", monitor))[0] == 201
        await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
        assert (await asyncio.to_thread(instance.put, "pools", "app", pool))[0] == 200
        await asyncio.to_thread(wait_for, "the node is named", lambda: failed_nodes(instance))
        processes = await asyncio.to_thread(settled, instance)
        before = sick.requests
        load = Load(port, clients=2, methods=("GET",))

        async def goes_on() -> None:
            answered = load.report.answered.total()
            await asyncio.to_thread(
                wait_for, "traffic flows", lambda: load.report.answered.total() > answered + 300
            )

        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(60))
            await goes_on()
            os.kill(processes["haproxy"][1], signal.SIGKILL)
            await goes_on()
            os.kill(processes["control"][0], signal.SIGKILL)
            await asyncio.to_thread(
                wait_for,
                "a new control plane",
                lambda: instance.processes()["control"] not in ([], processes["control"]),
            )
            await goes_on()
            await asyncio.to_thread(instance.stop)
            await asyncio.to_thread(instance.start)
            await goes_on()
            load.stop()
        assert sick.requests == before
        await asyncio.to_thread(wait_for, "the node is named again", lambda: failed_nodes(instance))


@pytest.mark.parametrize("kind", ["http", "connect"])
async def test_a_node_that_was_away_for_a_moment_serves_as_soon_as_its_monitor_reached_it(
    instance: Instance, origins: Origins, kind: str
) -> None:
    """Traffic found it dead and would try it again in an hour; the monitor, which is slow to condemn, never did."""
    port = free_port()
    away = origins[0]
    monitor = {"type": kind, "delay": 1, "failures": 1000}

    def arrange() -> None:
        assert instance.put("monitors", "m", {"basic": monitor})[0] in (200, 201)
        basic = {"nodes_table": [{"node": away.node}], "monitors": ["m"]}
        service(instance, port, [], basic=basic, node={"retry_fail_time": 3600})

    await asyncio.to_thread(arrange)
    assert set(await request(port, 2)) == {"a"}
    await away.stop()

    def dead() -> bool:
        serves(port)
        return away.node in [row["node"] for row in failed_nodes(instance)]

    await asyncio.to_thread(wait_for, "traffic finds the node dead", dead, 30)
    await away.start()
    await asyncio.to_thread(wait_for, "the node serves again", lambda: serves(port), 30)
