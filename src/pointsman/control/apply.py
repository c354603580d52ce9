"""The one loop that brings the configuration into force: gather facts, compile, probe, apply, record.

Invariant: at most one apply runs; changes that come meanwhile gather into the next. An object that this machine cannot
serve (a port in use, refused by the engine) is left out with its reason, the rest is applied; what was left out is
tried again until it fits. When nothing can be applied the last good configuration keeps running.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import Facts
from pointsman.compiler.memory import Memory
from pointsman.compiler.plan import Listener, Plan
from pointsman.engine.outcome import Outcome
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.snapshot import Snapshot

_log = logging.getLogger(__name__)

ATTEMPTS = 50
"""How many objects one apply may find to be left out before it gives up."""
RETRY_SECONDS = 3.0
"""How often objects that were left out are tried again."""
KEPT_RECORDS = 1000
LEFT_OUT = "left out: "
"""How the reason of the event `confleftout` begins; what follows is why."""


class Engine(Protocol):
    """What the loop needs of an engine."""

    async def apply(self, plan: Plan) -> Outcome:
        """Brings a plan into force by the least act, or leaves the engine as it is."""

    async def probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        """Why listeners that are not bound yet could not be bound."""


@dataclass(frozen=True)
class Applied:
    """The record of one apply: what it was for, what it did, how long it took. Times are Unix seconds."""

    number: int
    revision: int
    reasons: tuple[str, ...]
    act: str
    because: tuple[str, ...]
    problems: tuple[Problem, ...]
    started: float
    seconds: float
    generation: int


class ApplyLoop:
    """Keeps the engine in step with the configuration."""

    def __init__(
        self,
        engine: Engine,
        snapshot: Callable[[], Snapshot],
        facts: Callable[[Snapshot], Awaitable[Facts]],
        on_plan: Callable[[Plan], None],
        on_event: Callable[[Event], None],
        left_out: Mapping[ObjectId, str] = MappingProxyType({}),
    ) -> None:
        """`on_plan` is told each plan that came into force, before the record is published.

        `left_out` are objects that were left out when the process before this one ended, with why: that is not told
        again.
        """
        self._engine = engine
        self._snapshot = snapshot
        self._facts = facts
        self._on_plan = on_plan
        self._on_event = on_event
        self._memory = Memory()
        self._wanted = asyncio.Event()
        self._reasons: list[str] = []
        self._refused: dict[ObjectId, str] = dict(left_out)
        self._done = asyncio.Condition()
        self.plan: Plan | None = None
        self.in_force = 0
        """The revision in force (objects that were left out apart)."""
        self.attempted = 0
        """The newest revision that an apply has dealt with."""
        self.records: deque[Applied] = deque(maxlen=KEPT_RECORDS)
        self.stuck: tuple[Problem, ...] = ()
        """Why the newest configuration could not be brought into force at all; empty when it could."""

    def poke(self, reason: str) -> None:
        """Asks for an apply; several askings before it starts become one."""
        self._reasons.append(reason)
        self._wanted.set()

    async def wait_for(self, revision: int, seconds: float) -> bool:
        """Waits until an apply has dealt with `revision`; false when that took longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._done:
                await self._done.wait_for(lambda: self.attempted >= revision)
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Applies for ever, each time when asked or when something left out is due for another try."""
        while True:
            try:
                async with asyncio.timeout(RETRY_SECONDS if self._refused or self.stuck else None):
                    await self._wanted.wait()
            except TimeoutError:
                self._reasons.append("objects that were left out are tried again")
            self._wanted.clear()
            reasons, self._reasons = tuple(dict.fromkeys(self._reasons)), []
            await self.apply(reasons)

    async def apply(self, reasons: tuple[str, ...]) -> None:
        """One apply, from the snapshot as it is now."""
        started = time.time()
        begun = time.monotonic()
        snapshot = self._snapshot()
        facts = await self._facts(snapshot)
        plan, outcome, refused = await self._fit(snapshot, facts)
        newly = {subject: why for subject, why in refused.items() if self._refused.get(subject) != why}
        freed = self._refused.keys() - refused.keys()
        self._refused = refused
        if outcome.act != "refused":
            self.plan = plan
            self.in_force = snapshot.revision
            self.stuck = ()
            self._on_plan(plan)
        else:
            self.stuck = outcome.refused
        if outcome.act not in ("nothing", "refused") or newly or freed or self.attempted < snapshot.revision:
            self._record(snapshot, reasons, outcome, started, time.monotonic() - begun)
            self._announce(outcome, newly, freed, plan)
        async with self._done:
            self.attempted = max(self.attempted, snapshot.revision)
            self._done.notify_all()

    async def _fit(self, snapshot: Snapshot, facts: Facts) -> tuple[Plan, Outcome, dict[ObjectId, str]]:
        refused: dict[ObjectId, str] = {}
        outcome = Outcome("refused", (), (), 0)
        plan = await self._compiled(snapshot, replace(facts, refused=refused))
        for _ in range(ATTEMPTS):
            if isinstance(plan, Outcome):
                return Plan(()), plan, dict(self._refused)
            found: dict[ObjectId, str] = {}
            for listener, why in (await self._engine.probe(plan.listeners)).items():
                if listener.subject is not None:
                    found.setdefault(listener.subject, why)
            if not found:
                outcome = await self._engine.apply(plan)
                if outcome.act != "refused":
                    break
                for problem in outcome.refused:
                    if problem.subject is not None:
                        found.setdefault(problem.subject, problem.message)
            if not found.keys() - refused.keys():
                break  # nothing more to leave out: the last good configuration stays
            refused |= found
            plan = await self._compiled(snapshot, replace(facts, refused=dict(refused)))
        return (plan, outcome, refused) if isinstance(plan, Plan) else (Plan(()), plan, dict(self._refused))

    async def _compiled(self, snapshot: Snapshot, facts: Facts) -> Plan | Outcome:
        """The plan, or the outcome of an apply whose configuration met a fault of ours.

        The configuration is stored: a fault that ended the process would end each of its successors as well.
        """
        try:
            # In a thread, because thousands of new objects take seconds, and REST and monitors go on meanwhile.
            return await asyncio.to_thread(compile_plan, snapshot, facts, self._memory)
        except Exception as error:
            text = (
                f"this configuration met a fault of the program ({type(error).__name__}; its log has the details); "
                "undo the last change and report it"
            )
            problem = Problem(None, (), "compiler.failed", text)
            if problem not in self.stuck:
                _log.exception("revision %d cannot be compiled", snapshot.revision)
            return Outcome("refused", (), (problem,), 0)

    def first(self, snapshot: Snapshot, facts: Facts) -> Plan:
        """The plan that the first apply will find most of in its memory, for what has to be done before it."""
        return compile_plan(snapshot, facts, self._memory)

    def preview(self, snapshot: Snapshot, facts: Facts) -> Plan:
        """The plan that a configuration would have; nothing comes of it. What this machine leaves out now stays out
        unless it is changed.
        """
        now = self._snapshot().objects
        kept = {one: why for one, why in self._refused.items() if snapshot.objects.get(one) == now.get(one)}
        return compile_plan(snapshot, replace(facts, refused=kept), self._memory.copy())

    def _record(
        self, snapshot: Snapshot, reasons: tuple[str, ...], outcome: Outcome, started: float, seconds: float
    ) -> None:
        number = self.records[-1].number + 1 if self.records else 1
        self.records.append(
            Applied(
                number=number,
                revision=snapshot.revision,
                reasons=reasons,
                act=outcome.act,
                because=outcome.reasons,
                problems=outcome.refused,
                started=started,
                seconds=seconds,
                generation=outcome.generation,
            )
        )

    def _announce(
        self, outcome: Outcome, newly: Mapping[ObjectId, str], freed: Iterable[ObjectId], plan: Plan
    ) -> None:
        for subject, why in sorted(newly.items()):
            self._on_event(Event("general", "confleftout", Severity.SERIOUS, subject, f"{LEFT_OUT}{why}"))
        rejected = {c.subject for c in plan.conditions if c.standing is Standing.REJECTED}
        for subject in sorted(set(freed) - rejected):
            self._on_event(Event("general", "confrecovered", Severity.INFO, subject, "serves again"))
        match outcome.act:
            case "refused":
                why = "; ".join(str(problem) for problem in outcome.refused) or "the engine gave no reason"
                text = f"the configuration was refused and the last good one keeps running: {why}"
                self._on_event(Event("general", "confrefused", Severity.SERIOUS, None, text))
            case "reload" | "start":
                because = ", ".join(outcome.reasons[:5])
                text = f"generation {outcome.generation} in force by {outcome.act} ({because})"
                self._on_event(Event("general", "confapplied", Severity.INFO, None, text))
            case _:
                return

    def conditions(self) -> tuple[Condition, ...]:
        """Remarks on objects from the newest compile, and the engine's refusal when it refused everything."""
        found = list(self.plan.conditions) if self.plan is not None else []
        for problem in self.stuck:
            if problem.subject is not None:
                found.append(
                    Condition(problem.subject, Standing.REJECTED, problem.code, problem.message, problem.path)
                )
        return tuple(found)
