"""Measures what the design promises on the machine it runs on, and prints one line per figure (`make measure`).

With `--quick` fewer changes, with `--large` the figures of an instance with thousands of services instead.

Invariant: figures are printed, never asserted; what failed is printed as a failure with its cause. Everything runs in
temporary homes, on loopback, bounded in time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.certificates import self_signed

from tools import cluster_figures, failover
from tools.bandwidth import licence_cases, measure_bandwidth
from tools.instance import Instance, free_port, wait_for
from tools.store_figures import measure_store
from tools.traffic import Load, Origin, Report


def show(what: str, figure: str) -> None:
    """One line of the result."""
    print(f"{what:<58} {figure}", flush=True)


def applies(instance: Instance) -> dict[str, Any]:
    """The records of the applies, with revision and in_force."""
    found: dict[str, Any] = instance.get("status/local_tm/applies?limit=1000")
    return found


def settled(instance: Instance) -> bool:
    """Whether the newest revision is in force."""
    found = applies(instance)
    return bool(found["revision"] == found["in_force"])


def put(instance: Instance, kind: str, name: str, settings: dict[str, Any]) -> None:
    """PUT that must succeed."""
    status, body = instance.put(kind, name, settings)
    if status not in (200, 201):
        raise RuntimeError(f"PUT {kind}/{name}: {status} {body}")


def web(port: int, pool: str = "app") -> dict[str, Any]:
    """A plain HTTP virtual server on loopback."""
    return {
        "basic": {
            "enabled": True,
            "port": port,
            "pool": pool,
            "listen_on_any": False,
            "listen_on_hosts": ["127.0.0.1"],
        }
    }


async def call(function: Callable[..., Any], *words: Any) -> Any:
    """Runs a blocking call beside the load."""
    return await asyncio.to_thread(function, *words)


async def start_up(directory: Path) -> None:
    """Warm start to the first answered request, with the demo."""
    instance = Instance(directory / "start", "--demo")
    port = 8080
    for attempt in ("first start", "warm start"):
        begun = time.monotonic()
        await call(instance.start)
        await call(wait_for, "a request is answered", lambda: answers(port))
        show(f"{attempt} to first answered request", f"{time.monotonic() - begun:.2f} s")
        await call(instance.stop)


def answers(port: int) -> bool:
    """Whether the port answers HTTP with 200."""
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def weights(instance: Instance, port: int, origins: list[Origin]) -> None:
    """600 requests over weights 1:2:3."""
    table = [{"node": origin.node, "weight": weight} for weight, origin in enumerate(origins, 1)]
    await call(
        put,
        instance,
        "pools",
        "app",
        {
            "basic": {"nodes_table": table},
            "load_balancing": {"algorithm": "weighted_round_robin"},
            "node": {"retry_fail_time": 1},
        },
    )
    await call(put, instance, "virtual_servers", "web", web(port))
    await call(wait_for, "in force", lambda: settled(instance))
    report = await Load(port, clients=4, methods=("GET",), limit=600).run(30)
    show("600 requests by weight 1:2:3", " ".join(f"{k}={v}" for k, v in sorted(report.answered.items())))


async def dead_node(instance: Instance, port: int, origins: list[Origin]) -> None:
    """A killed node: how long until it is out, and what was lost."""
    monitor = {"basic": {"type": "http", "delay": 1, "timeout": 1, "failures": 3}, "http": {"path": "/check"}}
    await call(put, instance, "monitors", "alive", monitor)
    await call(put, instance, "pools", "app", {"basic": {"monitors": ["alive"]}})
    await call(wait_for, "in force", lambda: settled(instance))
    load = Load(port, clients=8, methods=("GET",))
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(40))
        await asyncio.sleep(2)
        killed = time.monotonic()
        await origins[0].stop()

        def named() -> bool:
            return bool(instance.get("status/local_tm/state")["state"]["failed_nodes"])

        await call(wait_for, "the node is named", named)
        took = time.monotonic() - killed
        await asyncio.sleep(1)
        load.stop()
    show("dead node named (promise: 1 s x 3 + 1 s)", f"{took:.2f} s")
    show("  idempotent requests lost", f"{load.report.failed.total()} of {load.report.requests}")
    reasons = (await call(instance.get, "status/local_tm/state"))["state"]["errors"]
    show("  reason", "; ".join(reasons))
    await origins[0].start()
    await call(wait_for, "it is back", lambda: not named())


async def changes(instance: Instance, port: int, origins: list[Origin], count: int, seconds: float) -> None:
    """Many changes of all kinds under load."""
    spare, tls_port = free_port(), free_port()
    table: list[dict[str, Any]] = [{"node": origin.node, "weight": 5} for origin in origins]
    public, private = self_signed("one.example")
    await call(put, instance, "ssl/server_keys", "cert", {"basic": {"public": public, "private": private}})
    secure = web(tls_port)
    secure["basic"]["ssl_decrypt"] = True
    secure["ssl"] = {"server_cert_default": "cert"}
    await call(put, instance, "virtual_servers", "secure", secure)
    await call(wait_for, "in force", lambda: settled(instance))
    first = (await call(applies, instance))["applies"][0]["number"]

    def change(number: int) -> None:
        match number % 8:
            case 0:
                table[2]["state"] = ("active", "draining", "disabled")[number // 8 % 3]
                put(instance, "pools", "app", {"basic": {"nodes_table": table}})
            case 1:
                table[0]["weight"] = 1 + number % 20
                put(instance, "pools", "app", {"basic": {"nodes_table": table}})
            case 2:
                put(instance, "pools", "app", {"basic": {"nodes_table": table[:2]}})
            case 3:
                put(instance, "pools", "app", {"basic": {"nodes_table": table}})
            case 4 | 5:
                public, private = self_signed(f"{number}.example")
                put(instance, "ssl/server_keys", "cert", {"basic": {"public": public, "private": private}})
            case 6:
                put(instance, "virtual_servers", "passing", web(spare))
            case _:
                status, body = instance.rest("DELETE", "config/active/virtual_servers/passing")
                if status != 204:
                    raise RuntimeError(f"DELETE: {status} {body}")

    load = Load(port, clients=16)
    secure_before = await call(handshake, tls_port)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(seconds + 120))
        begun = time.monotonic()
        for number in range(count):
            await call(change, number)
            await asyncio.sleep(max(0.0, begun + (number + 1) * seconds / count - time.monotonic()))
        await call(wait_for, "in force", lambda: settled(instance))
        while load.report.requests < 100_000 and time.monotonic() < begun + seconds + 60:
            await asyncio.sleep(0.1)
        load.stop()
    found = [a for a in (await call(applies, instance))["applies"] if a["number"] > first]
    acts = {act: sum(a["act"] == act for a in found) for act in sorted({a["act"] for a in found})}
    show(f"{count} changes in {seconds:.0f} s under GET and POST", failures(load.report))
    show("  applies", " ".join(f"{act}={number}" for act, number in acts.items()))
    needless = [
        a for a in found if a["act"] == "reload" and not any("virtual server" in b for b in a["because"])
    ]
    show("  reloads not caused by a virtual server", str([a["because"] for a in needless][:3]))
    show("  certificate replaced without reload", str(secure_before != await call(handshake, tls_port)))


def handshake(port: int) -> bytes:
    """The certificate a TLS port serves."""
    import socket
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 5) as raw,
        context.wrap_socket(raw, server_hostname="x") as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def failures(report: Report) -> str:
    """Failed of all, with kinds."""
    kinds = f" {dict(report.failed)}" if report.failed else ""
    return (
        f"{report.failed.total()} failed of {report.requests}{kinds}, slowest {report.slowest * 1000:.0f} ms"
    )


async def time_to_force(instance: Instance, origins: list[Origin]) -> None:
    """From the start of a PUT to its effect at the engine, read from the apply records."""
    table: list[dict[str, Any]] = [{"node": origin.node, "weight": 5} for origin in origins]
    for what, change in (
        (
            "runtime change",
            lambda n: put(instance, "pools", "app", {"basic": {"nodes_table": weigh(table, n)}}),
        ),
        ("reload", lambda n: put(instance, "virtual_servers", "web", {"connection": {"timeout": 100 + n}})),
    ):
        took: list[float] = []
        for number in range(40):
            begun = time.monotonic()
            await call(change, number)
            while not await call(settled, instance):
                pass
            took.append((time.monotonic() - begun) * 1000)
        took.sort()
        kinds = {a["act"] for a in (await call(applies, instance))["applies"][:40]}
        show(
            f"PUT to in force, {what} ({'/'.join(sorted(kinds))})",
            f"p50 {statistics.median(took):.0f} ms, p95 {took[int(len(took) * 0.95)]:.0f} ms, max {took[-1]:.0f} ms",
        )


def weigh(table: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The table with another weight."""
    return [{**table[0], "weight": 1 + number % 90}, *table[1:]]


async def deaths(instance: Instance, port: int) -> None:
    """Kills each process under load and watches."""
    load = Load(port, clients=8)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(60))
        await asyncio.sleep(1)
        for pid in instance.processes()["control"]:
            os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()

        def changed() -> bool:
            try:
                return instance.put("pools", "app", {"basic": {"note": str(begun)}})[0] == 200
            except OSError:
                return False

        await call(wait_for, "a change works", changed, 30)
        show("kill -9 control plane: a change works again after", f"{time.monotonic() - begun:.2f} s")
        await asyncio.sleep(2)
        load.stop()
    show("  under load meanwhile", failures(load.report))
    for alive in (True, False):
        for index, victim in ((1, "worker"), (0, "master")):
            await call(wait_for, "two processes", lambda: len(instance.processes()["haproxy"]) == 2)
            processes = instance.processes()
            if not alive:
                os.kill(processes["control"][0], signal.SIGSTOP)
            load = Load(port, clients=4, methods=("GET",))
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(15))
                await asyncio.sleep(1)
                os.kill(processes["haproxy"][index], signal.SIGKILL)
                await asyncio.sleep(3)
                load.stop()
            if not alive:
                os.kill(processes["control"][0], signal.SIGCONT)
            where = "control plane alive" if alive else "control plane stopped"
            show(
                f"kill -9 HAProxy's {victim}, {where}: longest gap",
                f"{load.report.longest_gap * 1000:.0f} ms",
            )
            await asyncio.sleep(1)
    before = instance.processes()
    load = Load(port, clients=8)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(40))
        os.kill(before["launcher"][0], signal.SIGKILL)
        if instance.process is not None:
            await call(instance.process.wait)
        await call(instance.start)
        await asyncio.sleep(1)
        load.stop()
    after = instance.processes()
    show("kill -9 launcher, started anew", failures(load.report))
    show(
        "  same HAProxy, one of each",
        f"{after['haproxy'] == before['haproxy']}, {[len(p) for p in after.values()]}",
    )


async def resources(instance: Instance) -> None:
    """Memory of an instance."""
    for name, pids in instance.processes().items():
        total = 0
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        show(f"memory of {name} (proportional)", f"{total / 1024:.0f} MiB")


async def large_figures() -> None:
    """The control plane with many services; takes minutes."""
    from tools.large import SIZES, large

    with tempfile.TemporaryDirectory(prefix="pointsman-large-") as name:
        for count in SIZES:
            await large(Path(name), count)


async def main() -> None:
    """Everything, in the order in which it is promised."""
    if "--large" in sys.argv:
        await large_figures()
        return
    quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory(prefix="pointsman-measure-") as name:
        directory = Path(name)
        await start_up(directory)
        origins = [await Origin(letter).start() for letter in "abc"]
        port = free_port()
        instance = Instance(directory / "home")
        await call(instance.start)
        steps: list[Callable[[], Awaitable[None]]] = [
            lambda: weights(instance, port, origins),
            lambda: dead_node(instance, port, origins),
            lambda: changes(instance, port, origins, *((40, 12.0) if quick else (200, 60.0))),
            lambda: time_to_force(instance, origins),
            lambda: deaths(instance, port),
            lambda: resources(instance),
        ]
        try:
            for step in steps:
                await step()
        except BaseException:
            print(instance.output.read_text()[-5000:])
            raise
        finally:
            await call(instance.stop)
            for origin in origins:
                await origin.stop()
    if not quick:
        await measure_store(show)
        await measure_bandwidth(show, licence_cases())
        await call(cluster_figures.main)
        await call(failover.main)


if __name__ == "__main__":
    asyncio.run(main())
