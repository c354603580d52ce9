"""Runs all checks by one schedule and keeps their verdicts.

Invariant: a check never runs twice at once; a check that did not change keeps its state and its place in the
schedule whatever happens to others; at most `concurrency` checks run at a time, in the order they fell due.
"""

from __future__ import annotations

import asyncio
import logging
import random
import resource
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pointsman.compiler.plan import Check
from pointsman.monitors.probe import Prober
from pointsman.monitors.state import State, advance, pause, verdict
from pointsman.schema.health import Verdict

Key = tuple[str, str, str]
FIRST_RUN_SECONDS = 10.0
"""A new check starts at a random moment within its delay, or within this when the delay is longer."""
_CONCURRENCY = 2000
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Entry:
    """A check under way. `timer` is set between runs, `task` during one."""

    check: Check
    state: State
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    gone: bool = False


class MonitorRunner:
    """Runs checks and calls `on_change` with each verdict that turns (the first is compared with "up").

    `remembered` are verdicts of an earlier run of the product, so that a node known to be down is not taken
    for up until it has failed again. `clock` gives Unix time.
    """

    def __init__(
        self,
        on_change: Callable[[Verdict], None],
        *,
        remembered: Iterable[Verdict] = (),
        concurrency: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._concurrency = concurrency or min(
            _CONCURRENCY, max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        )
        self._remembered = {(v.pool, v.node, v.monitor): v for v in remembered}
        self._entries: dict[Key, _Entry] = {}
        self._verdicts: dict[Key, Verdict] = {}
        self._reached: dict[tuple[str, str], float] = {}
        self._due: deque[_Entry] = deque()
        self._running = 0
        self._prober = Prober()
        self._group: asyncio.TaskGroup | None = None

    @property
    def pings(self) -> tuple[int, int]:
        """How many pings were sent to nodes since the start, and how many of them answered."""
        return self._prober.pings

    @property
    def verdicts(self) -> Mapping[Key, Verdict]:
        """What each check last said, by (pool, node, monitor); a live view. Without a first run: no entry."""
        return MappingProxyType(self._verdicts)

    @property
    def reached(self) -> Mapping[tuple[str, str], float]:
        """When a check last began (Unix time) that succeeded and showed that traffic can connect, by (pool, node)."""
        return MappingProxyType(self._reached)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks in force."""
        return tuple(entry.check for entry in self._entries.values())

    def set_checks(self, checks: tuple[Check, ...]) -> None:
        """Makes these the checks in force: starts new ones, stops those that are gone, leaves the others
        alone.

        A changed check starts anew; it keeps its verdict while it still asks the same address and port.
        """
        wanted = {(check.pool, check.node, check.monitor): check for check in checks}
        stopped: dict[Key, _Entry] = {}
        for key, entry in list(self._entries.items()):
            if wanted.get(key) != entry.check:
                stopped[key] = self._entries.pop(key)
                self._stop(entry)
                self._reached.pop(key[:2], None)
                if key not in wanted:
                    self._verdicts.pop(key, None)
        for key, check in wanted.items():
            if key not in self._entries:
                entry = _Entry(check, self._first_state(key, check, stopped.get(key)))
                self._entries[key] = entry
                if self._group is not None:
                    self._schedule(entry, _spread(check))

    def _first_state(self, key: Key, check: Check, before: _Entry | None) -> State:
        past = self._remembered.pop(key, None)
        if before is not None:
            same = (before.check.address, before.check.port) == (check.address, check.port)
            if same and not before.state.up:
                return State(False, before.state.since, check.failures, before.state.reason)
            if not same:
                self._verdicts.pop(key, None)
        elif past is not None and not past.up:
            self._verdicts[key] = past
            return State(False, past.since, check.failures, past.reason)
        return State(True, self._clock())

    async def run(self) -> None:
        """Runs the checks until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for entry in self._entries.values():
                    self._schedule(entry, _spread(entry.check))
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            for entry in self._entries.values():
                if entry.timer is not None:
                    entry.timer.cancel()
                entry.timer = entry.task = None
            self._due.clear()
            await self._prober.close()

    def _schedule(self, entry: _Entry, seconds: float) -> None:
        entry.timer = asyncio.get_running_loop().call_later(seconds, self._fall_due, entry)

    def _stop(self, entry: _Entry) -> None:
        entry.gone = True
        if entry.timer is not None:
            entry.timer.cancel()
        if entry.task is not None:
            entry.task.cancel()

    def _fall_due(self, entry: _Entry) -> None:
        entry.timer = None
        self._due.append(entry)
        self._start_due()

    def _start_due(self) -> None:
        while self._due and self._running < self._concurrency and self._group is not None:
            entry = self._due.popleft()
            if not entry.gone:
                self._running += 1
                entry.task = self._group.create_task(self._examine(entry))
                entry.task.add_done_callback(self._finished)

    def _finished(self, _task: asyncio.Task[None]) -> None:
        self._running -= 1
        self._start_due()

    async def _examine(self, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        started, began = loop.time(), self._clock()
        finding = await self._prober.probe(entry.check)
        if entry.gone:
            return
        entry.task = None
        before = entry.state
        entry.state = advance(before, entry.check, finding, self._clock())
        check = entry.check
        if finding.up and check.connects:
            self._reached[check.pool, check.node] = began
        found = verdict(check, entry.state)
        self._verdicts[check.pool, check.node, check.monitor] = found
        if check.verbose:
            _log.info(
                "monitor %s of pool %s at %s: %s", check.monitor, check.pool, check.node, finding.reason
            )
        self._schedule(entry, max(0.0, started + pause(entry.state, check) - loop.time()))
        if entry.state.up != before.up:
            self._tell(found)

    def _tell(self, found: Verdict) -> None:
        try:
            self._on_change(found)
        except Exception:  # one listener's fault must not stop every monitor
            _log.exception("verdict of monitor %s", found.monitor)


def _spread(check: Check) -> float:
    return random.uniform(0, min(check.delay, FIRST_RUN_SECONDS))  # noqa: S311 - spreads load, no secret
