"""An engine that carries nothing: for offline commands, and for tests of what is above the engines.

Invariant: it accepts every plan and has the surface of a real engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

from pointsman.compiler.plan import Listener, Plan
from pointsman.engine.outcome import Outcome, Verdicts
from pointsman.schema.sample import Sample


class NoopEngine:
    """Remembers the plan in force and the verdicts; refuses nothing.

    `taken` are the listeners that `probe` reports, with their reasons; a test may fill it.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.generation = 0
        self.verdicts: dict[tuple[str, str], tuple[bool, str]] = {}
        self.taken: dict[Listener, str] = {}

    async def start(self) -> None:
        """Nothing runs, so nothing is adopted."""

    async def run(self) -> None:
        """Waits until cancelled."""
        await asyncio.Event().wait()

    async def apply(self, plan: Plan) -> Outcome:
        """Takes the plan; "nothing" when it is equal to the one in force."""
        if plan == self.plan:
            return Outcome("nothing", generation=self.generation)
        first = self.plan is None
        self.plan = plan
        self.generation += 1
        return Outcome("start" if first else "reload", generation=self.generation)

    async def samples(self, proxies: Collection[str] = ()) -> tuple[Sample, ...]:
        """No traffic, no figures."""
        return ()

    async def judge(self, verdicts: Verdicts, reached: Collection[tuple[str, str]] = ()) -> None:
        """Remembers the verdicts."""
        self.verdicts.update(verdicts)

    async def probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        """What `taken` says of these listeners."""
        return {listener: self.taken[listener] for listener in listeners if listener in self.taken}

    async def close(self) -> None:
        """Nothing is held."""
