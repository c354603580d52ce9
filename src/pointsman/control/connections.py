"""Who is connected now: the engine's streams under the names of virtual servers, pools and nodes.

Invariant: however many look, the engine is asked at most once in `FRESH_SECONDS`, and for a bounded number; what was
not read is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pointsman.schema.sample import Proxy, Role
from pointsman.schema.stream import Stream, Streams

FRESH_SECONDS = 2.0
DETAILED_MOST = 1_000
"""Up to this many connections are read with bytes and methods."""
BRIEF_MOST = 10_000
TOP = 10


class Engine(Protocol):
    """What is needed of an engine."""

    async def streams(self, most: int, *, detailed: bool) -> Streams | None:
        """Its streams, `most` at most; None while it does not answer."""


@dataclass(frozen=True)
class OpenConnection:
    """A client's connection with a request on it. `pool` and `node` are "" where none is chosen yet; `state` says in
    words what it waits for. Bytes are None where they were not read; times in seconds.
    """

    client: str
    port: int
    virtual_server: str
    pool: str
    node: str
    age: int
    bytes_in: int | None
    bytes_out: int | None
    method: str
    state: str


@dataclass(frozen=True)
class Connections:
    """A look at the connections: those read, oldest first. `open` is how many connections of clients there are, idle
    ones included; `complete` is false when there are more with a request than were read; `at` is Unix time, 0 when the
    engine did not answer.
    """

    connections: Sequence[OpenConnection]
    complete: bool
    detailed: bool
    open: int
    at: float


@dataclass(frozen=True)
class Talker:
    """A client with how many of the connections are its, and the bytes of these where they were read."""

    client: str
    connections: int
    bytes_in: int
    bytes_out: int


class ConnectionsNow:
    """Looks, and keeps what was seen for a moment."""

    def __init__(
        self,
        engine: Engine,
        proxies: Callable[[], Mapping[str, Proxy]],
        open_now: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`proxies` gives what the engine's names stand for, `open_now` how many connections of clients are open."""
        self._engine = engine
        self._proxies = proxies
        self._open_now = open_now
        self._clock = clock
        self._looking = asyncio.Lock()
        self._seen: tuple[float, Connections] | None = None

    async def look(self) -> Connections:
        """The connections, at most `FRESH_SECONDS` old."""
        async with self._looking:
            if self._seen is None or self._clock() - self._seen[0] > FRESH_SECONDS:
                found = await self._read()
                self._seen = (self._clock(), found)
            return self._seen[1]

    async def _read(self) -> Connections:
        count = self._open_now()
        detailed = count <= DETAILED_MOST
        found = await self._engine.streams(DETAILED_MOST if detailed else BRIEF_MOST, detailed=detailed)
        if found is None:
            return Connections((), True, detailed, count, 0.0)
        proxies = self._proxies()
        rows = await asyncio.to_thread(_connections, found.streams, proxies)
        return Connections(rows, found.complete, detailed, max(count, len(rows)), time.time())


Look = Callable[[], Awaitable[Connections]]


def top_talkers(connections: Sequence[OpenConnection], most: int = TOP) -> tuple[Talker, ...]:
    """The clients with the most connections."""
    counts = Counter(one.client for one in connections)
    first = counts.most_common(most)
    named = {client for client, _ in first}
    sums: dict[str, list[int]] = {client: [0, 0] for client in named}
    for one in connections:
        if one.client in named:
            sums[one.client][0] += one.bytes_in or 0
            sums[one.client][1] += one.bytes_out or 0
    return tuple(Talker(client, count, *sums[client]) for client, count in first)


def _connections(streams: Sequence[Stream], proxies: Mapping[str, Proxy]) -> tuple[OpenConnection, ...]:
    found = [one for stream in streams if (one := _connection(stream, proxies)) is not None]
    return tuple(sorted(found, key=lambda one: -one.age))


def _connection(stream: Stream, proxies: Mapping[str, Proxy]) -> OpenConnection | None:
    listener = proxies.get(stream.listener)
    if listener is None or listener.subject is None or listener.role is not Role.LISTENER:
        return None
    behind = proxies.get(stream.backend)
    pool = behind.subject.name if behind is not None and behind.subject and behind.role is Role.POOL else ""
    node = (behind.nodes or {}).get(stream.server, "") if behind is not None else ""
    client, _, port = stream.client.rpartition(":")
    state = "served by the node" if node else "waits for a node" if pool else "sends its request"
    return OpenConnection(
        client or stream.client,
        int(port) if port.isdecimal() else 0,
        listener.subject.name,
        pool,
        node,
        stream.age,
        stream.bytes_in,
        stream.bytes_out,
        stream.method,
        state,
    )
