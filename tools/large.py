"""Measures a traffic manager with thousands of services (`python -m tools.measure --large`).

Invariant: figures are printed, never asserted. Everything runs in a temporary home, on loopback, bounded in time.
"""

from __future__ import annotations

import asyncio
import http.client
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointsman.cli.instance import LocalInstance
from pointsman.schema.problem import ObjectId
from tools.instance import Instance, free_port, wait_for
from tools.measure import resources, show
from tools.traffic import Load, Origin

SIZES = (1000, 5000)
"""How many services."""
CHANGES = 12
"""How many changes of each kind are timed."""
Change = Callable[[int], tuple[str, str, dict[str, Any]]]
"""The n-th change of a kind: type, name and settings."""
_PROBE_SECONDS = 0.005


def services(count: int, origins: list[Origin], port: int) -> dict[ObjectId, dict[str, Any]]:
    """`count` virtual servers, each on a loopback address and with a pool (1 to 5 nodes) of its own."""
    found: dict[ObjectId, dict[str, Any]] = {}
    for number in range(count):
        # Nodes of 127.0.0.0/8 all lead to the same few origins.
        nodes = [f"127.0.0.1:{origins[number % len(origins)].port}"]
        nodes += [
            f"127.2.{number // 250}.{number % 250 + 1}:{origins[0].port + extra}"
            for extra in range(number % 5)
        ]
        basic = {"nodes_table": [{"node": node, "weight": 5} for node in nodes]}
        found[ObjectId("pools", f"pool {number}")] = {"basic": basic}
        found[ObjectId("virtual_servers", f"service {number}")] = {
            "basic": {
                "enabled": True,
                "port": port,
                "pool": f"pool {number}",
                "listen_on_any": False,
                "listen_on_hosts": [f"127.1.{number // 250}.{number % 250 + 1}"],
            }
        }
    return found


class Watcher:
    """Asks a small question over REST again and again, on one connection, and keeps how long each answer took."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stopping = False
        self.took: list[float] = []

    def run(self) -> None:
        """Asks until `stop`; blocks."""
        while not self._stopping:
            begun = time.monotonic()
            self._instance.get("status/local_tm/information")
            self.took.append((time.monotonic() - begun) * 1000)
            time.sleep(_PROBE_SECONDS)

    def stop(self) -> None:
        """Ends `run` after the question it is at."""
        self._stopping = True


def spread(took: list[float]) -> str:
    """Median, 95th percentile and greatest of milliseconds."""
    ordered = sorted(took) or [0.0]
    last = ordered[-1]
    return f"p50 {statistics.median(ordered):.0f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.0f} ms, max {last:.0f} ms"


def newest(instance: Instance) -> dict[str, Any]:
    """The newest record of an apply, with revision and in_force beside it."""
    found = instance.get("status/local_tm/applies?limit=1")
    return {**(found["applies"] or [{}])[0], "revision": found["revision"], "in_force": found["in_force"]}


def settle(instance: Instance, seconds: float = 120.0) -> dict[str, Any]:
    """Waits until the newest revision is in force, and gives the record of the apply that did it."""

    def done() -> dict[str, Any] | None:
        found = newest(instance)
        return found if found["revision"] == found["in_force"] else None

    record: dict[str, Any] = wait_for("the newest revision is in force", done, seconds)
    return record


def kinds_of_change(first_node: str) -> tuple[tuple[str, Change], ...]:
    """What is changed, in words, and the n-th change of that kind."""

    def state(number: int) -> tuple[str, str, dict[str, Any]]:
        rows = [{"node": first_node, "state": ("draining", "active")[number % 2]}]
        return "pools", "pool 0", {"basic": {"nodes_table": rows}}

    def note(number: int) -> tuple[str, str, dict[str, Any]]:
        return "pools", "pool 1", {"basic": {"note": f"change {number}"}}

    def timeout(number: int) -> tuple[str, str, dict[str, Any]]:
        return "virtual_servers", "service 0", {"connection": {"timeout": 100 + number}}

    return ("node's state", state), ("note", note), ("virtual server's timeout", timeout)


class Timed:
    """Makes changes one after the other and keeps how long each took to be answered and to be in force (ms)."""

    def __init__(self, instance: Instance, change: Change) -> None:
        self._instance = instance
        self._change = change
        self.answered: list[float] = []
        self.in_force: list[float] = []
        self.acts: set[str] = set()

    def make(self, number: int) -> None:
        """One change; blocks until it is in force."""
        kind, name, settings = self._change(number)
        begun = time.monotonic()
        status, body = self._instance.put(kind, name, settings)
        if status not in (http.client.OK, http.client.CREATED):
            raise RuntimeError(f"PUT {kind}/{name}: {status} {body}")
        self.answered.append((time.monotonic() - begun) * 1000)
        self.acts.add(settle(self._instance)["act"])
        self.in_force.append((time.monotonic() - begun) * 1000)


async def changes(instance: Instance, first_node: str) -> None:
    """Times each kind of change, and the REST API beside."""
    for what, change in kinds_of_change(first_node):
        watcher = Watcher(instance)
        timed = Timed(instance, change)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(watcher.run))
            try:
                for number in range(CHANGES):
                    await asyncio.to_thread(timed.make, number)
            finally:
                watcher.stop()
        show(f"  change of a {what} ({'/'.join(sorted(timed.acts))}): answered", spread(timed.answered))
        show("    in force", spread(timed.in_force))
        show("    another REST question meanwhile", spread(watcher.took))


async def at_rest(instance: Instance, seconds: float) -> None:
    """REST answers while nothing changes: what the once-a-second work of the control plane costs others."""
    watcher = Watcher(instance)
    before = cpu(instance)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(watcher.run))
        await asyncio.sleep(seconds)
        watcher.stop()
    show(f"  REST question at rest, {seconds:.0f} s", spread(watcher.took))
    idle = cpu(instance)
    await asyncio.sleep(seconds)
    after = cpu(instance)
    for name in after:
        show(
            f"  CPU of {name} at rest (while asked; then alone)",
            f"{(idle[name] - before[name]) * 100 / seconds:.1f} %; {(after[name] - idle[name]) * 100 / seconds:.1f} %",
        )


def cpu(instance: Instance) -> dict[str, float]:
    """CPU seconds of each kind of process so far."""
    found = {}
    for name, pids in instance.processes().items():
        ticks = 0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        found[name] = ticks / 100
    return found


def asked(instance: Instance, path: str) -> None:
    """Times one big question."""
    took = []
    size = 0
    for _ in range(5):
        begun = time.monotonic()
        status, body = instance.rest("GET", path)
        took.append((time.monotonic() - begun) * 1000)
        size = len(str(body))
        if status != http.client.OK:
            raise RuntimeError(f"GET {path}: {status}")
    show(f"  GET {path} ({size // 1000} KB)", spread(took))


async def large(directory: Path, count: int) -> None:
    """Every figure for an instance of `count` services."""
    origins = [await Origin(letter).start() for letter in "abc"]
    instance = Instance(directory / f"large-{count}")
    port = free_port()
    try:
        await asyncio.to_thread(instance.start)
        show(f"{count} services", "")
        begun = time.monotonic()
        local = LocalInstance(instance.home)
        wanted = services(count, origins, port)
        await asyncio.to_thread(lambda: local.apply(wanted, replace=False, reason="large"))
        record = await asyncio.to_thread(settle, instance)
        show(
            "  applied as one document in",
            f"{time.monotonic() - begun:.1f} s (apply {record['seconds']:.1f} s)",
        )
        await changes(instance, f"127.0.0.1:{origins[0].port}")
        await at_rest(instance, 12.0)
        for path in ("status/local_tm/state", "config/active/virtual_servers", "status/local_tm/conditions"):
            await asyncio.to_thread(asked, instance, path)
        begun = time.monotonic()
        await asyncio.to_thread(local.status)
        show("  pointsman status", f"{time.monotonic() - begun:.2f} s")
        await resources(instance)
        load = Load(port, clients=4, methods=("GET",), address="127.1.0.1")
        report = await load.run(2)
        show("  requests to one service, failed", f"{report.failed.total()} of {report.requests}")
        await asyncio.to_thread(instance.stop)
        begun = time.monotonic()
        await asyncio.to_thread(instance.start)
        show("  warm start to ready", f"{time.monotonic() - begun:.2f} s")
    except BaseException:
        print(instance.output.read_text()[-5000:])
        raise
    finally:
        await asyncio.to_thread(instance.stop)
        for origin in origins:
            await origin.stop()
