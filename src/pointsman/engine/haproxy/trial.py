"""Asks HAProxy about a plan that is not to be started: the real `haproxy -c`, on files that nobody else sees.

Invariant: the files lie in a directory of mode 0700 of their own and are gone afterwards, whatever happened; one trial
runs at a time, and none longer than it is given. What a killed process left behind is removed by the next trial.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from pathlib import Path

from pointsman.compiler.plan import Plan
from pointsman.engine.haproxy.binary import NoBinary, find_binary
from pointsman.engine.haproxy.check import check_configuration, refusals
from pointsman.engine.haproxy.generation import CONFIGURATION, Generations
from pointsman.schema.problem import Problem

PREFIX = "pointsman-trial-"
SECONDS = 15.0
_STALE_SECONDS = 600.0


class NotAsked(Exception):
    """HAProxy has no verdict; the text is a sentence that says why."""


class Trial:
    """Tries plans out, one after the other."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """`seconds` are what one trial may take, the wait for those before it included."""
        self._seconds = seconds
        self._turn = asyncio.Semaphore(1)

    async def ask(self, plan: Plan) -> tuple[Problem, ...]:
        """What `haproxy -c` has against a plan; empty when it accepts it. Raises `NotAsked`."""
        try:
            binary = find_binary()
            async with asyncio.timeout(self._seconds), self._turn:
                return await _try(plan, binary)
        except NoBinary as error:
            raise NotAsked(f"{error}.") from error
        except TimeoutError as error:
            raise NotAsked(f"It took longer than {self._seconds:.0f} s.") from error
        except OSError as error:
            raise NotAsked(f"Its files could not be written ({error.strerror}).") from error


async def _try(plan: Plan, binary: Path) -> tuple[Problem, ...]:
    await asyncio.to_thread(_sweep)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    over = threading.Event()
    try:
        number = await asyncio.to_thread(_write, plan, directory, over)
        complaint = await check_configuration(binary, Generations(directory).path(number) / CONFIGURATION)
    finally:
        over.set()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return refusals(complaint, plan) if complaint else ()


def _write(plan: Plan, directory: Path, over: threading.Event) -> int:
    """Writes the files. A thread cannot be broken off: what it writes after the trial is over it removes itself."""
    try:
        return Generations(directory, durable=False).write(plan)
    finally:
        if over.is_set():
            shutil.rmtree(directory, ignore_errors=True)


def _sweep() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
