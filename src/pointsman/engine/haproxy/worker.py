"""One worker process of HAProxy as we know it: its conversation, and what was done to it since it loaded.

Invariant: what is remembered here is about this process alone; a new worker is a new object.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.compiler.plan import Server
from pointsman.engine.haproxy.figures import parse_samples
from pointsman.engine.haproxy.socket import Conversation, EngineUnreachable
from pointsman.schema.sample import Sample

Key = tuple[str, str]
"""(backend, server) in the engine's names."""


@dataclass(eq=False)
class Worker:
    """A worker that answers. `generation` is what it loaded, 0 when it does not say.

    `dynamic` are servers added since it loaded; `lingering` were taken out of service and wait for their
    last connection to end (with the server as it was, None when only its name is known); `told` are the
    agents' states it was given.
    """

    pid: int
    identity: str
    generation: int
    talk: Conversation
    pidfd: int
    dynamic: set[Key] = field(default_factory=set)
    lingering: dict[Key, Server | None] = field(default_factory=dict)
    fixed: set[Key] = field(default_factory=set)
    told: dict[Key, bool] = field(default_factory=dict)

    @classmethod
    async def meet(cls, path: Path) -> Worker:
        """The worker that answers on a runtime socket. Raises EngineUnreachable."""
        talk = await Conversation.open(path)
        try:
            facts = _facts(await talk.ask("show info"))
            pid = int(facts["Pid"])
            pidfd = os.pidfd_open(pid)
        except (KeyError, ValueError, OSError) as error:
            talk.close()
            raise EngineUnreachable(f"{path.name}: the worker does not say who it is: {error}") from error
        description = facts.get("description", "").removeprefix("generation-")
        generation = int(description) if description.isdigit() else 0
        return cls(pid, f"{pid}-{facts.get('Start_time_sec', '0')}", generation, talk, pidfd)

    async def samples(self, proxies: Collection[str] = (), *, current: bool) -> tuple[Sample, ...]:
        """Its figures, of all proxies or of those named. Raises EngineUnreachable."""
        commands = [f"show stat {proxy} 7 -1" for proxy in proxies] if proxies else ["show stat"]
        answers = await self.talk.ask_all(commands)
        return await asyncio.to_thread(
            lambda: tuple(
                row for text in answers for row in parse_samples(text, self.identity, current=current)
            )
        )

    async def is_finished(self) -> bool:
        """Whether a replaced worker has nothing left but our conversation. Raises EngineUnreachable."""
        facts = _facts(await self.talk.ask("show info"))
        # Jobs are listeners and connections; the unstoppable ones belong to the link with the master.
        return int(facts["Jobs"]) - int(facts["Unstoppable Jobs"]) <= 1

    def ended(self) -> bool:
        """Whether the process is gone."""
        look = select.poll()  # `select` knows no descriptors above 1,023
        look.register(self.pidfd, select.POLLIN)
        return bool(look.poll(0))

    def forget(self) -> None:
        """Closes conversation and descriptor."""
        self.talk.close()
        if self.pidfd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.pidfd)
            self.pidfd = -1


async def meet_first(paths: Sequence[Path]) -> Worker:
    """The worker that answers on the first of several runtime sockets where one does. Raises EngineUnreachable."""
    for path in paths[:-1]:
        try:
            return await Worker.meet(path)
        except EngineUnreachable:
            continue
    return await Worker.meet(paths[-1])


async def await_generation(
    path: Path, number: int, seconds: float, hopeless: Callable[[], bool] = lambda: False
) -> Worker | None:
    """The worker that serves a generation, as soon as it answers on a runtime socket.

    None when there is none within `seconds`, or as soon as none answers and `hopeless` says that none will.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            worker = await Worker.meet(path)
            if worker.generation == number:
                return worker
            worker.forget()
        except EngineUnreachable:
            if hopeless():
                return None
        await asyncio.sleep(0.01)
    return None


def _facts(text: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in text.split("\n"))
    return {name: value for name, _, value in pairs}
