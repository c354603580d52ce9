"""What applying a plan led to, and the surface that every engine offers to the control loop.

Invariant: after any outcome the engine serves a whole generation, the new one or the last good one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pointsman.compiler.plan import Listener, Plan
from pointsman.schema.problem import Problem
from pointsman.schema.sample import Sample

Act = Literal["nothing", "runtime", "reload", "start", "refused"]

Verdicts = Mapping[tuple[str, str], tuple[bool, str]]
"""(pool, node) -> (up, reason), for nodes whose health our own monitors decide."""


@dataclass(frozen=True)
class Outcome:
    """What `apply` did. `reasons` are sentences; `generation` is the one in force afterwards (0: none).

    `refused` is empty unless `act` is "refused"; then the last good generation stayed in force.
    """

    act: Act
    reasons: tuple[str, ...] = ()
    refused: tuple[Problem, ...] = ()
    generation: int = 0


class Engine(Protocol):
    """A data plane. One control loop calls it; `run` is a task beside that loop."""

    async def start(self) -> None:
        """Finds out what runs already and adopts it."""

    async def run(self) -> None:
        """Watches the engine until cancelled: its end and return, workers and nodes that are finishing."""

    async def apply(self, plan: Plan) -> Outcome:
        """Puts a plan in force by the least act, or refuses it and keeps what is in force."""

    async def samples(self, proxies: Collection[str] = ()) -> tuple[Sample, ...]:
        """Figures of every proxy or of those named; empty while the engine does not answer."""

    async def judge(self, verdicts: Verdicts, reached: Collection[tuple[str, str]] = ()) -> None:
        """Sets the health of nodes; verdicts given before stay until they change or the node is gone. Nodes of
        `reached` (pool, node) are tried by traffic again at once, though it found them dead.
        """

    async def probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        """Which of these addresses cannot be bound now, each with the reason."""

    async def close(self) -> None:
        """Lets go of the engine, which keeps running."""
