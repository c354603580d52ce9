"""The loop that listens: figures of the engine each second, verdicts of our monitors at once, events of the launcher.

Invariant: what turned is told to the event log once, in one transaction with the state behind it; a verdict reaches the
engine without waiting for the next second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from pointsman.compiler.plan import Plan
from pointsman.control.live import Live
from pointsman.monitors.combine import WHOLE_POOL, combine
from pointsman.monitors.runner import MonitorRunner
from pointsman.schema.event import Event, Severity
from pointsman.schema.health import Verdict
from pointsman.schema.sample import Proxy, Sample
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.health import Combined, Observed, nodes_of, observe
from pointsman.telemetry.history import History
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

    async def judge(self, verdicts: Mapping[tuple[str, str], tuple[bool, str]]) -> None:
        """Sets the health of nodes that our monitors watch."""


class Watch:
    """Feeds counters, health, history and the event log."""

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
    ) -> None:
        self._engine = engine
        self._counters = counters
        self._tracker = tracker
        self._history = history
        self._event_log = event_log
        self._live = live
        self._launcher_events = launcher_events
        self._runner = MonitorRunner(self._on_verdict, remembered=remembered)
        self._plan: Plan | None = None
        self._told: dict[tuple[str, str], tuple[bool, str]] = {}
        self._turned = asyncio.Event()
        self._queue: list[Event] = []

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

    async def flush(self) -> None:
        """Writes what waits to be written; called last."""
        await self._store()

    async def _judge_for_ever(self) -> None:
        while True:
            await self._turned.wait()
            self._turned.clear()
            await self._engine.judge(self._judgement())

    def _judgement(self) -> dict[tuple[str, str], tuple[bool, str]]:
        """What the engine must be told anew: each judged node whose verdict differs from the last telling."""
        if self._plan is None:
            return {}
        nodes = nodes_of(self._plan.proxies)
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
            self._take_launcher_events()
            await self._store()
            await asyncio.sleep(max(0.0, begun + PERIOD - time.monotonic()))

    async def _read(self, plan: Plan) -> None:
        samples = await self._engine.samples()  # none while no engine answers: then every node is unknown
        proxies: Mapping[str, Proxy] = plan.proxies
        # Tens of thousands of rows: what waits for the event loop gets its turn in between.
        for _ in self._counters.absorbing(samples, proxies):
            await asyncio.sleep(0)
        combined = combine(self._runner.verdicts, self._runner.checks)
        seen, existing = await asyncio.to_thread(_judged, samples, proxies, combined)
        self._queue += self._tracker.take(seen, existing, native=plan.native_monitors)
        flows = self._counters.flows()
        await asyncio.sleep(0)
        self._history.record(flows)
        self._live.health = self._tracker.nodes

    async def _store(self) -> None:
        if (
            self._plan is not None
        ):  # before the first plan nothing is known of the checks, not even that they are gone
            checks = [(check.pool, check.node, check.monitor) for check in self._runner.checks]
            self._queue += self._tracker.judge(self._runner.verdicts, checks)
        events, self._queue = tuple(self._queue), []
        along = [*self._tracker.pending(), *self._counters.pending(), *self._history.pending()]
        if (events or along) and not await self._event_log.append(events, along):
            self._counters.not_saved()

    def _take_launcher_events(self) -> None:
        """Moves what the launcher wrote into the event log.

        The file is set aside one period before it is read: by then the launcher has closed it.
        """
        taken = self._launcher_events.with_suffix(".taken")
        with contextlib.suppress(FileNotFoundError):
            lines = taken.read_text(encoding="utf-8", errors="replace").splitlines()
            self._queue += [event for line in lines if (event := launcher_event(line)) is not None]
            taken.unlink()
        with contextlib.suppress(FileNotFoundError):
            self._launcher_events.rename(taken)


def _judged(
    samples: tuple[Sample, ...], proxies: Mapping[str, Proxy], combined: Combined
) -> tuple[Mapping[tuple[str, str], Observed], frozenset[tuple[str, str]]]:
    """The nodes as seen in a reading, and all that there are."""
    return observe(samples, proxies, combined), nodes_of(proxies)


_KINDS: Mapping[str, tuple[Severity, str]] = {
    "engine-exited": (Severity.SERIOUS, "The engine {name} ended unexpectedly"),
    "engine-started": (Severity.INFO, "The engine {name} was started"),
    "engine-adopted": (Severity.INFO, "A new launcher took over the running engine {name}"),
    "control-exited": (Severity.SERIOUS, "The control plane ended unexpectedly; traffic went on"),
    "control-started": (Severity.INFO, "The control plane was started"),
    "control-adopted": (Severity.INFO, "A new launcher took over the running control plane"),
}


def launcher_event(line: str) -> Event | None:
    """The event that a line of the launcher's file tells of; None when it is none (a torn line after a crash)."""
    try:
        record = json.loads(line)
        what, name, detail = str(record["what"]), str(record.get("name", "")), str(record.get("detail", ""))
    except (ValueError, KeyError, TypeError):
        return None
    severity, sentence = _KINDS.get(what, (Severity.INFO, what + " {name}"))
    sentence = sentence.replace("{name}", name)
    reason = f"{sentence}: {detail}" if detail else sentence
    return Event("general", what.replace("-", ""), severity, None, reason, name)
