"""Searches what a node sent for an administrator's regular expression, without ever holding up the event
loop.

Invariant: an expression that could take more than linear time runs in a process of its own, is ended after
`SEARCH_SECONDS`, and is then refused for `REFUSE_SECONDS`, so that it delays no other monitor. A thread would
not do: CPython's `re` keeps the interpreter lock for the whole of a search (seen with 3.11).

Expressions work on bytes: a character outside ASCII stands for its UTF-8 bytes.
"""

from __future__ import annotations

import asyncio
import functools
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pointsman.monitors import pattern_worker
from pointsman.monitors.finding import Failed, Undecided
from pointsman.monitors.pattern_worker import HEADER, SEARCH_SECONDS

INPUT_LIMIT = 65_536
"""Bytes searched; what a node sends beyond them is not read."""
REFUSE_SECONDS = 60
_SHORT = 4
_REFUSED_LIMIT = 1000
_LINEAR = frozenset({"", ".", ".+", ".*"})
_COSTLY = re.compile(r"[*+?{|(]|\\[1-9]")


@dataclass(frozen=True)
class _Worker:
    process: asyncio.subprocess.Process
    requests: asyncio.StreamWriter
    answers: asyncio.StreamReader


class Matcher:
    """Runs searches; owns at most one process, started when it is first needed."""

    def __init__(self) -> None:
        self._worker: _Worker | None = None
        self._one_at_a_time = asyncio.Lock()
        self._refused: dict[str, float] = {}

    async def search(self, pattern: str, data: bytes) -> bool:
        """Whether the expression is found in the first `INPUT_LIMIT` bytes.

        Raises `Failed` when the expression is not valid or takes too long, `Undecided` when no process can be
        started.
        """
        data = data[:INPUT_LIMIT]
        if len(data) <= _SHORT or pattern in _LINEAR or not _COSTLY.search(pattern):
            return _compiled(pattern).search(data) is not None
        async with self._one_at_a_time:
            if self._refused.get(pattern, 0.0) > time.monotonic():
                raise Failed(_too_slow(pattern))
            return await self._ask(pattern, data)

    async def _ask(self, pattern: str, data: bytes) -> bool:
        worker = await self._running_worker()
        expression = pattern.encode("utf-8", "surrogatepass")
        try:
            worker.requests.write(HEADER.pack(len(expression), len(data)) + expression + data)
            async with asyncio.timeout(SEARCH_SECONDS + 5):
                await worker.requests.drain()
                answer = await worker.answers.readexactly(1)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            await self.close()
            self._refuse(pattern)
            raise Failed(_too_slow(pattern)) from None
        except BaseException:  # cancelled half-way: the answer to come must not be taken for the next one's
            self._end()
            raise
        if answer == b"E":
            raise Failed(f"the regular expression {pattern} is not valid; correct the monitor")
        return answer == b"1"

    async def _running_worker(self) -> _Worker:
        if self._worker is not None and self._worker.process.returncode is None:
            return self._worker
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(pattern_worker.__file__)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={},
            )
        except OSError as error:
            raise Undecided(
                f"could not be checked: no process for regular expressions ({error.strerror})"
            ) from error
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("asyncio gave no pipes to a process that was asked for with pipes")
        self._worker = _Worker(process, process.stdin, process.stdout)
        return self._worker

    def _refuse(self, pattern: str) -> None:
        if len(self._refused) >= _REFUSED_LIMIT:
            self._refused.clear()
        self._refused[pattern] = time.monotonic() + REFUSE_SECONDS

    def _end(self) -> _Worker | None:
        worker, self._worker = self._worker, None
        if worker is not None and worker.process.returncode is None:
            worker.process.kill()
        return worker

    async def close(self) -> None:
        """Ends the process; a later search starts another."""
        worker = self._end()
        if worker is not None:
            worker.requests.close()
            await worker.process.wait()


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[bytes]:
    try:
        return re.compile(pattern.encode("utf-8", "surrogatepass"))
    except (re.error, RecursionError, OverflowError) as error:
        raise Failed(f"the regular expression {pattern} is not valid; correct the monitor") from error


def _too_slow(pattern: str) -> str:
    return f"the regular expression {pattern} takes more than {SEARCH_SECONDS:g} s on the answer; simplify it"
