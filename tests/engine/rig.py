"""A launcher, its HAProxy and an engine object for tests, in a home of their own, and configurations.

Invariant: what a rig starts it ends, by pid; it listens on loopback and on free ports only.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.instance import SOURCE
from tools.traffic import Load

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.compiler.plan import Plan
from pointsman.engine.haproxy import HaproxyEngine, find_binary
from pointsman.engine.haproxy.account import NOBODY, Account, open_home, settle
from pointsman.launcher import ask, command, start_ticks
from pointsman.schema.event import Event
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

STAND_IN = [sys.executable, "-c", "import signal\nwhile True: signal.pause()"]
"""A control plane that does nothing."""

Objects = Mapping[tuple[str, str], Mapping[str, Any]]


async def until(what: str, condition: Callable[[], Any | Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Asks `condition` until it gives something true; fails naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process runs (a dead one that nobody has waited for does not)."""
    return start_ticks(pid) is not None


def service(port: int, nodes: Sequence[Any], **sections: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """A virtual server "web" on `port` and its pool "app"; `nodes` are origins, or rows of the nodes table.

    `sections` are further sections of the pool, `web` ones of the virtual server.
    """
    rows = [node if isinstance(node, dict) else {"node": node.node} for node in nodes]
    basic = {"nodes_table": rows, **sections.pop("basic", {})}
    web: dict[str, Any] = dict(sections.pop("web", {}))
    where = {"enabled": True, "port": port, "pool": "app", "listen_on_any": False}
    web["basic"] = {**where, "listen_on_hosts": ["127.0.0.1"], **web.get("basic", {})}
    return {("pools", "app"): {"basic": basic, **sections}, ("virtual_servers", "web"): web}


@functools.cache
def engine_account() -> Account | None:
    """Whom engines run as in these tests: `nobody` where we are root and may, else as we do."""
    account = Account(NOBODY, NOBODY)
    with tempfile.TemporaryDirectory(prefix="pm-") as place:
        if os.geteuid() != 0:
            return None
        return None if settle(Path(place), find_binary(), account) else account


class Rig:
    """One home with a launcher, and an engine object that stands for a control plane.

    `bandwidth` is the licence's limit in bits a second for what is compiled from then on, 0 for none; `known` are
    further facts.
    """

    def __init__(self, home: Path, control: Sequence[str] = STAND_IN) -> None:
        self.home = home
        self.run = home / "run"
        self.control = list(control)
        self.events: list[Event] = []
        self.plan: Plan | None = None
        self.bandwidth = 0
        self.known: dict[str, Any] = {}
        self.times_socket = home / "engine" / "times.sock"
        self.launcher: subprocess.Popen[bytes] | None = None
        self.account = engine_account()
        if self.account is not None:
            open_home(home, self.account)
        self.engine = self.control_plane()

    def control_plane(self) -> HaproxyEngine:
        """An engine object as a control plane makes it that has just started."""
        return HaproxyEngine(self.home, find_binary(), self.events.append, self.account)

    # The launcher

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts a launcher and gives its process."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with (self.home / "launcher.out").open("ab") as out:
            self.launcher = subprocess.Popen(
                command(self.home, self.control), stdout=out, stderr=out, env=environment
            )
        return self.launcher

    async def launched(self) -> None:
        """Starts a launcher and waits until its control plane runs."""
        process = self.launch()
        await until("the control plane runs", lambda: "control" in self.children(process.pid))

    def children(self, launcher: int | None = None) -> dict[str, int]:
        """The running pids that the launcher has written down; only this launcher's when a pid is given."""
        try:
            record = json.loads((self.run / "launcher.json").read_text())
        except (OSError, ValueError):
            return {}
        if launcher not in (None, record["pid"]):
            return {}
        return {name: child["pid"] for name, child in record["children"].items() if lives(child["pid"])}

    def launcher_pid(self) -> int:
        """The launcher's process as it has written it down; 0 when there is no record."""
        try:
            return int(json.loads((self.run / "launcher.json").read_text())["pid"])
        except (OSError, ValueError):
            return 0

    def journal(self) -> list[str]:
        """What the launcher has noted: "engine-started" and so on."""
        lines = (self.run / "launcher-events.jsonl").read_text().splitlines()
        return [json.loads(line)["what"] for line in lines]

    # HAProxy

    async def running(self) -> tuple[int, int]:
        """The pids of HAProxy's master and of its present worker, as soon as there are any.

        The master's socket comes up a little later than everything else.
        """
        await until("HAProxy's master answers", lambda: self.processes()[1])
        return self.processes()

    def processes(self) -> tuple[int, int]:
        """The pids of HAProxy's master and of its present worker; (0, 0) while the master does not answer."""
        answer, master = ask(str(self.home / "engine" / "run" / "master.sock"), "show proc")
        for line in answer.partition("# workers")[2].splitlines():
            words = line.split()
            if words[1:2] == ["worker"]:
                return master, int(words[0])
        return 0, 0

    async def runtime(self, question: str) -> str:
        """What the worker answers on its runtime socket."""
        reader, writer = await asyncio.open_unix_connection(
            self.home / "engine" / "run" / "worker.sock", limit=1 << 20
        )
        try:
            writer.write(f"{question}\n".encode())
            return (await reader.read()).decode()
        finally:
            writer.close()

    async def statuses(self) -> dict[str, str]:
        """Node -> status of its server in the pool's primary backend."""
        found = {}
        for row in await self.engine.samples():
            proxy = self.plan.proxies.get(row.proxy) if self.plan else None
            if row.current and proxy and proxy.nodes and proxy.primary and row.server in proxy.nodes:
                found[proxy.nodes[row.server]] = row.figures["status"]
        return found

    # Configuration

    def compile(self, objects: Objects) -> Plan:
        """The plan for these objects, on a machine without IPv6."""
        snapshot = Snapshot(
            {ObjectId(*key): build(BY_PATH[key[0]], key[1], settings) for key, settings in objects.items()}
        )
        facts = Facts(
            EngineFacts((2, 8, 25)),
            "tm",
            str(self.home / "engine"),
            ipv6=False,
            bandwidth=self.bandwidth,
            times_socket=str(self.times_socket),
        )
        return compile_plan(snapshot, replace(facts, **self.known))

    async def apply(self, plan: Plan | Objects, *acts: str) -> tuple[str, ...]:
        """Applies a plan or configuration; the act must be one of `acts`. Gives the reasons."""
        self.plan = plan if isinstance(plan, Plan) else self.compile(plan)
        outcome = await self.engine.apply(self.plan)
        assert outcome.act in acts, outcome
        return outcome.reasons

    # Ending

    def stop(self) -> None:
        """Ends everything that was started here."""
        if self.launcher is not None and self.launcher.poll() is None:
            self.launcher.send_signal(signal.SIGCONT)
            self.launcher.send_signal(signal.SIGTERM)
            try:
                self.launcher.wait(15)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
                self.launcher.wait()
        for pid in {*self.children().values(), *self.processes()} - {0}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def report(self) -> str:
        """What there is to see when a test fails: configuration, log, plan in force."""
        parts = []
        for path in (
            self.home / "engine" / "current" / "haproxy.cfg",
            self.home / "log" / "haproxy.log",
            self.run / "launcher-events.jsonl",
            self.home / "launcher.out",
        ):
            with contextlib.suppress(OSError):
                parts.append(f"===== {path}\n{path.read_text()[-6000:]}")
        return "\n".join(parts)


@contextlib.asynccontextmanager
async def started(rig: Rig) -> AsyncIterator[Rig]:
    """A rig with its launcher and its engine's watching task; everything ends with it."""
    await rig.launched()
    await rig.engine.start()
    watching = asyncio.create_task(rig.engine.run())
    try:
        yield rig
    except BaseException:
        print(rig.report())
        raise
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await rig.engine.close()
        await asyncio.to_thread(rig.stop)


async def request(port: int, count: int, methods: tuple[str, ...] = ("GET",)) -> dict[str, int]:
    """Sends requests over a few connections, all of which must be answered; answers by origin."""
    report = await Load(port, clients=4, methods=methods, limit=count).run(30)
    assert not report.failed, report.failed
    return dict(report.answered)
