"""Streams without end through the product, and how much of them arrives, for tests and `tools.bandwidth`.

Invariant: payload is counted where it is received, because the sender's socket buffers hide what the way between does;
headers of HTTP are not counted. Everything stays on loopback.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["http", "tcp", "upgrade"]
Direction = Literal["down", "up"]

ENDLESS = 10**12
_BLOCK = b"x" * 65_536
_READ = 262_144


class Peer:
    """A node that sends or takes whatever a `Flow` asks it to; `received` counts the payload that came to it,
    `connections` what was opened to it.
    """

    def __init__(self) -> None:
        self.received = 0
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> Peer:
        """Listens; `port` is then known."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024, limit=_READ)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        """Stops listening and breaks every connection off."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    @property
    def node(self) -> str:
        """ "host:port"."""
        return f"127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self.connections += 1
        try:
            match await reader.readexactly(1):
                case b"d":
                    await _send(writer, ENDLESS)
                case b"u":
                    await self._take(reader, ENDLESS)
                case _:
                    await self._serve_http(reader, writer)
        except (OSError, EOFError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            path = head.split()[1]
            if b"\r\nupgrade:" in head:
                writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n")
                await (_send(writer, ENDLESS) if path == b"/down" else self._take(reader, ENDLESS))
                return
            await self._take(reader, _length(head))
            size = int(path[1:])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            await _send(writer, size)

    async def _take(self, reader: asyncio.StreamReader, size: int) -> None:
        while size > 0:
            block = await reader.read(min(size, _READ))
            if not block:
                raise EOFError
            self.received += len(block)
            size -= len(block)


@dataclass
class Flow:
    """One client that moves payload in one direction for as long as it runs; `received` counts what came to it.

    HTTP bodies have `size` bytes, and a new connection is opened after `per_connection` of them.
    """

    port: int
    protocol: Protocol
    direction: Direction
    size: int = ENDLESS
    per_connection: int = ENDLESS
    tls: ssl.SSLContext | None = None
    received: int = 0

    async def run(self) -> None:
        """Moves payload until cancelled; a connection that breaks is opened anew."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=self.tls, limit=_READ
                )
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                await self._use(reader, writer)
            except (OSError, EOFError):
                await asyncio.sleep(0)
            finally:
                writer.transport.abort()

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.protocol == "http":
            for _ in range(self.per_connection):
                await self._exchange(reader, writer)
            return
        if self.protocol == "upgrade":
            path = self.direction.encode()
            writer.write(
                b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n" % path
            )
            await reader.readuntil(b"\r\n\r\n")
        else:
            writer.write(self.direction[:1].encode())
        await (self._take(reader, ENDLESS) if self.direction == "down" else _send(writer, ENDLESS))

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.direction == "down":
            writer.write(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % self.size)
        else:
            writer.write(b"POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % self.size)
            await _send(writer, self.size)
        head = await reader.readuntil(b"\r\n\r\n")
        await self._take(reader, _length(head.lower()))

    async def _take(self, reader: asyncio.StreamReader, size: int) -> None:
        while size > 0:
            block = await reader.read(min(size, _READ))
            if not block:
                raise EOFError
            self.received += len(block)
            size -= len(block)


async def _send(writer: asyncio.StreamWriter, size: int) -> None:
    while size > 0:
        writer.write(_BLOCK[: min(size, len(_BLOCK))])
        size -= len(_BLOCK)
        await writer.drain()


def _length(head: bytes) -> int:
    """The content length in a head in lower case; 0 without."""
    return next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)


class Flows:
    """Flows that run together, as a context: they end with it."""

    def __init__(self, flows: list[Flow], peer: Peer) -> None:
        self.flows = flows
        self._peer = peer
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Flows:
        self._tasks = [asyncio.create_task(flow.run()) for flow in self.flows]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def down(self) -> int:
        """Bytes that clients received so far."""
        return sum(flow.received for flow in self.flows)

    def up(self) -> int:
        """Bytes that the node received so far, of all that use it."""
        return self._peer.received


async def rates(counts: list[Callable[[], int]], after: float = 2.0, seconds: float = 8.0) -> list[float]:
    """The growth of counts of bytes, in Mb/s, over `seconds` from `after` seconds from now."""
    await asyncio.sleep(after)
    begun, first = time.monotonic(), [count() for count in counts]
    await asyncio.sleep(seconds)
    took = time.monotonic() - begun
    return [(count() - start) * 8 / took / 1e6 for count, start in zip(counts, first, strict=True)]
