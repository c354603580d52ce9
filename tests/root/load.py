"""Requests at a steady rate from the client's side of a lab, each of them noted.

Invariant: a request that did not get a complete 200 answer in time is a failure; nothing is tried again.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tools.instance import wait_for


class Place(Protocol):
    """Where the load comes from; see `tests.root.lab.Namespace`."""

    def thread(self, function: Callable[[], None]) -> threading.Thread:
        """A thread there, started."""


@dataclass(frozen=True)
class Request:
    """One request of a load: when it began (Unix time), how long it took, "" or why it failed, and the answer."""

    begun: float
    seconds: float
    error: str
    answer: str


@dataclass
class Load:
    """Requests at a steady rate, each on a connection of its own, from the client's side. A context manager."""

    namespace: Place
    target: str
    rate: float = 100.0
    patience: float = 1.0
    requests: list[Request] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Load:
        self._thread = self.namespace.thread(lambda: asyncio.run(self._run()))
        wait_for("the load is answered", lambda: any(not request.error for request in self.requests), 15)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    async def _run(self) -> None:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, begun + number / self.rate - time.monotonic()))
                if self._stop.is_set():
                    return
                group.create_task(self._one())

    async def _one(self) -> None:
        begun, since = time.time(), time.monotonic()
        error, answer = "", ""
        try:
            async with asyncio.timeout(self.patience):
                host, _, port = self.target.rpartition(":")
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                try:
                    writer.write(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
                    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
                finally:
                    writer.close()
            answer = body
            if " 200 " not in head:
                error = head.partition("\r\n")[0] or "the connection was closed"
        except TimeoutError:
            error = "no answer in time"
        except OSError as failure:
            error = errno.errorcode.get(failure.errno or 0, type(failure).__name__)
        self.requests.append(Request(begun, time.monotonic() - since, error, answer))

    def mark(self) -> int:
        """A place to look from: the number of requests answered so far."""
        return len(self.requests)

    def gap(self, since: float = 0.0, until: float = float("inf")) -> float:
        """The longest time in which no request was begun that succeeded, in seconds."""
        asked = [request for request in self.requests if since <= request.begun <= until]
        good = sorted(request.begun for request in asked if not request.error)
        if not good:
            return float("inf")
        first, last = min(request.begun for request in asked), max(request.begun for request in asked)
        return max(after - before for before, after in itertools.pairwise([first, *good, last]))

    def failures(self, since: float = 0.0, until: float = float("inf")) -> list[Request]:
        """The requests that failed."""
        return [request for request in self.requests if request.error and since <= request.begun <= until]
