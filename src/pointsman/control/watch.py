"""The loop that listens: figures and times of the engine each second, verdicts of our monitors at once, events of the
launcher.

Invariant: what turned is told to the event log once, in one transaction with the state behind it; a verdict reaches the
engine without waiting for the next second.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pointsman.compiler.plan import Plan
from pointsman.control.live import Live
from pointsman.monitors.combine import WHOLE_POOL, combine
from pointsman.monitors.runner import MonitorRunner
from pointsman.schema.event import Event, Severity
from pointsman.schema.health import Verdict
from pointsman.schema.sample import Answered, Proxy, Sample
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.health import Combined, Observed, down_by_traffic, nodes_of, observe
from pointsman.telemetry.history import History
from pointsman.telemetry.machine import Machine
from pointsman.telemetry.response_times import ResponseTimes
from pointsman.telemetry.tracker import HealthTracker

PERIOD = 1.0
OFTEN_LIMIT = 300
"""Up to this many proxies everything is read each second, and more of them every `SLOW_PERIOD`.

Fact (HAProxy 2.8.25): reading proxies one by one holds traffic up more than the whole at once, because each command
looks at all of them: of 15,000 a tenth takes 750 ms so, and all 290 ms at once, in pieces between which it serves.
"""
SLOW_PERIOD = 10.0


class Engine(Protocol):
    """What the loop needs of an engine."""

    async def samples(self, proxies: Collection[str] = ()) -> tuple[Sample, ...]:
        """Figures of these proxies, or of all."""

    async def judge(
        self, verdicts: Mapping[tuple[str, str], tuple[bool, str]], reached: Collection[tuple[str, str]] = ()
    ) -> None:
        """Sets the health of nodes that our monitors watch; traffic tries those `reached` again."""


class Heard(Protocol):
    """What the loop needs of the place where the engine tells how long requests took."""

    def take(self) -> Sequence[Answered]:
        """What was told since the last call."""

    async def adjust(self) -> None:
        """Asks the engine for more or fewer, where that is due."""


class Watch:
    """Feeds counters, response times, health, history and the event log."""

    def __init__(
        self,
        *,
        engine: Engine,
        counters: Counters,
        tracker: HealthTracker,
        history: History,
        event_log: EventLog,
        live: Live,
        remembered: Collection[Verdict],
        launcher_events: Path,
        machine: Machine | None = None,
        heard: Heard | None = None,
        times: ResponseTimes | None = None,
    ) -> None:
        self._engine = engine
        self._counters = counters
        self._tracker = tracker
        self._history = history
        self._event_log = event_log
        self._live = live
        self._live.health = tracker.nodes  # as it was when last heard of
        self._launcher_events = launcher_events
        self._machine = machine
        self._heard = heard
        self._times = times
        self._runner = MonitorRunner(self._on_verdict, remembered=remembered)
        live.verdicts, live.events, live.history = self._runner.verdicts, event_log, history
        live.times = times
        self._plan: Plan | None = None
        self._told: dict[tuple[str, str], tuple[bool, str]] = {}
        self._turned = asyncio.Event()
        self._queue: list[Event] = []
        self._started = time.time()
        self._launcher_heard = (0, 0)

    @property
    def pings(self) -> tuple[int, int]:
        """How many pings our monitors sent to nodes since the start, and how many of them were answered."""
        return self._runner.pings

    def on_event(self, event: Event) -> None:
        """Takes an event for the log; it is written within `PERIOD`."""
        self._queue.append(event)

    def on_plan(self, plan: Plan) -> None:
        """Takes the plan in force: which checks to run, and what the engine's names stand for."""
        self._plan = plan
        self._runner.set_checks(plan.checks)
        self._turned.set()

    def _on_verdict(self, verdict: Verdict) -> None:
        self._turned.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._runner.run())
            group.create_task(self._judge_for_ever())
            group.create_task(self._read_for_ever())
            group.create_task(self._hear_for_ever())

    async def flush(self) -> None:
        """Writes what waits to be written; called last."""
        await self._store()

    async def _judge_for_ever(self) -> None:
        while True:
            await self._turned.wait()
            self._turned.clear()
            if self._plan is not None:
                await self._engine.judge(self._judgement(self._plan))

    async def remind(self, plan: Plan) -> None:
        """Tells the engine, before it gets its first plan, of nodes that were dead when last heard of."""
        self._runner.set_checks(plan.checks)
        await self._engine.judge(self._judgement(plan))

    def _judgement(self, plan: Plan) -> dict[tuple[str, str], tuple[bool, str]]:
        """What the engine must be told anew: each judged node whose verdict differs from the last telling."""
        nodes = nodes_of(plan.proxies)
        combined = combine(self._runner.verdicts, self._runner.checks)
        wanted = {
            (pool, node): combined.get((pool, node), combined.get((pool, WHOLE_POOL), (True, "")))
            for pool, node in nodes
        }
        news = {place: found for place, found in wanted.items() if self._told.get(place, (True, "")) != found}
        self._told = wanted
        return news

    async def _read_for_ever(self) -> None:
        slow_at = 0.0
        while True:
            begun = time.monotonic()
            plan = self._plan
            if plan is not None and (len(plan.proxies) <= OFTEN_LIMIT or begun >= slow_at):
                slow_at = begun + SLOW_PERIOD
                await self._read(plan)
            taken = self._take_launcher_events()
            await self._store()
            if taken is not None:
                with contextlib.suppress(OSError):
                    taken.unlink()
            await asyncio.sleep(max(0.0, begun + PERIOD - time.monotonic()))

    async def _hear_for_ever(self) -> None:
        while self._heard is not None and self._times is not None:
            self._times.take(self._heard.take(), self._plan.proxies if self._plan is not None else {})
            await self._heard.adjust()
            await asyncio.sleep(PERIOD)

    async def _read(self, plan: Plan) -> None:
        asked = time.time()
        samples = await self._engine.samples()  # none while no engine answers: then every node is unknown
        proxies: Mapping[str, Proxy] = plan.proxies
        # Tens of thousands of rows: what waits for the event loop gets its turn in between.
        for _ in self._counters.absorbing(samples, proxies):
            await asyncio.sleep(0)
        if samples:
            self._live.read_at = time.time()
        combined = combine(self._runner.verdicts, self._runner.checks)
        seen, existing, down = await asyncio.to_thread(_judged, samples, proxies, combined)
        if reached := self._reached(asked, down, combined):
            await self._engine.judge({}, reached)
        self._queue += self._tracker.take(seen, existing, native=plan.native_monitors)
        if self._machine is not None:
            self._history.machine = _use(self._machine.figures())
        flows = itertools.chain(self._counters.flows().items(), self._counters.node_flows())
        for _ in self._history.recording(flows):
            await asyncio.sleep(0)
        self._live.health = self._tracker.nodes

    def _reached(
        self, asked: float, down: Mapping[tuple[str, str], int], combined: Combined
    ) -> frozenset[tuple[str, str]]:
        """Nodes that traffic found dead, and that a monitor has connected to since: a node that was away for a moment
        is not left out for as long as one that nothing is known of. `asked` is when the engine was asked; its times
        are whole seconds.
        """
        return frozenset(
            place
            for place, seconds in down.items()
            if self._runner.reached.get(place, 0.0) > asked - seconds + 1 and not _against(combined, place)
        )

    async def _store(self) -> None:
        if (
            self._plan is not None
        ):  # before the first plan nothing is known of the checks, not even that they are gone
            checks = [(check.pool, check.node, check.monitor) for check in self._runner.checks]
            self._queue += self._tracker.judge(self._runner.verdicts, checks)
        events, self._queue = tuple(self._queue), []
        along = [*self._tracker.pending(), *self._history.pending()]
        along += self._times.pending() if self._times is not None else ()
        figures = self._counters.pending()
        if (events or along or figures) and not await self._event_log.append(events, along, figures):
            self._counters.not_saved()

    def _take_launcher_events(self) -> Path | None:
        """Queues what the launcher wrote; the file to delete once that is stored, or None.

        The file is set aside one period before it is read: by then the launcher has closed it. On a disk that takes
        no change it stays where it is, for later.
        """
        taken = self._launcher_events.with_suffix(".taken")
        try:
            if not taken.exists():
                self._launcher_events.rename(taken)
                return None
            identity = taken.stat().st_ino, taken.stat().st_mtime_ns
            lines = taken.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None
        if identity == self._launcher_heard:
            return taken  # it could not be deleted
        self._launcher_heard = identity
        self._queue += [event for line in lines if (event := launcher_event(line, self._started)) is not None]
        return taken


def _use(machine: Mapping[str, int]) -> tuple[float, float]:
    """Use of processor and memory in percent; NaN for what is not known."""
    whole = machine.get("sys_mem_total", 0)
    memory = machine.get("sys_mem_in_use", 0) * 100 / whole if whole else math.nan
    return float(machine.get("sys_cpu_busy_percent", math.nan)), memory


def _judged(
    samples: tuple[Sample, ...], proxies: Mapping[str, Proxy], combined: Combined
) -> tuple[Mapping[tuple[str, str], Observed], frozenset[tuple[str, str]], Mapping[tuple[str, str], int]]:
    """The nodes as seen in a reading, all that there are, and those that the engine itself holds down."""
    return observe(samples, proxies, combined), nodes_of(proxies), down_by_traffic(samples, proxies)


def _against(combined: Combined, place: tuple[str, str]) -> bool:
    """Whether our monitors hold a node down."""
    return not all(combined.get(key, (True, ""))[0] for key in (place, (place[0], WHOLE_POOL)))


_KINDS: Mapping[str, tuple[Severity, str]] = {
    "engine-exited": (Severity.SERIOUS, "The engine {name} ended unexpectedly"),
    "engine-stopped": (Severity.INFO, "The engine {name} was stopped"),
    "engine-started": (Severity.INFO, "The engine {name} was started"),
    "engine-adopted": (Severity.INFO, "A new launcher took over the running engine {name}"),
    "control-exited": (Severity.SERIOUS, "The control plane ended unexpectedly; traffic went on"),
    "control-stopped": (Severity.INFO, "The control plane was stopped"),
    "control-started": (Severity.INFO, "The control plane was started"),
    "control-adopted": (Severity.INFO, "A new launcher took over the running control plane"),
    "launcher-held": (Severity.WARN, "Everything was stopped and is kept so"),
    "launcher-released": (Severity.INFO, "Everything may start again"),
}


def launcher_event(line: str, since: float) -> Event | None:
    """The event that a line of the launcher's file tells of; None when it is none (a torn line after a crash).

    What became of an engine is told by the engine's own watch while the control plane runs, which is `since` that Unix
    time; the launcher's word counts for the time before.
    """
    try:
        record = json.loads(line)
        at = float(record["time"])
        what, name, detail = str(record["what"]), str(record.get("name", "")), str(record.get("detail", ""))
    except (ValueError, KeyError, TypeError):
        return None
    if not 0 <= at < math.inf:
        return None
    if what in ("engine-exited", "engine-stopped", "engine-started") and at >= since:
        return None
    severity, sentence = _KINDS.get(what, (Severity.INFO, what + " {name}"))
    sentence = sentence.replace("{name}", name)
    reason = f"{sentence}: {detail}" if detail else sentence
    return Event("general", what.replace("-", ""), severity, None, reason, name, at=at)
