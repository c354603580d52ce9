"""Small HTTP origins and a strict HTTP client load, for tests, `make measure` and `make bench`.

Invariant: the client counts every request that did not get a complete 200 answer, also one lost on a kept connection;
it retries nothing. Load is bounded in time and in requests, and goes to loopback only.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field


class Origin:
    """An HTTP/1.1 server on loopback that answers each request with its own name."""

    def __init__(self, name: str, port: int = 0, *, status: int = 200) -> None:
        self.name = name
        self.port = port
        self.status = status
        self.requests = 0
        self.checks = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def start(self) -> Origin:
        """Listens; `port` is then the real one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _OriginProtocol(self), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stops listening and resets every connection, as a killed process would."""
        if self._server is not None:
            self._server.close()
            # A connection that was just accepted shows a turn of the loop later.
            for _ in range(3):
                for transport in tuple(self._open):
                    transport.abort()
                await asyncio.sleep(0)
            await self._server.wait_closed()
            self._server = None

    @property
    def node(self) -> str:
        """ "host:port"."""
        return f"127.0.0.1:{self.port}"


class _OriginProtocol(asyncio.Protocol):
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._origin._open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._origin._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(rest) < length:
                return
            self._data = rest[length:]
            if b" /check" in head[:64]:
                self._origin.checks += 1
            else:
                self._origin.requests += 1
            body = self._origin.name.encode()
            self._transport.write(
                b"HTTP/1.1 %d OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
                % (self._origin.status, len(body), body)
            )


@dataclass
class Report:
    """What a load saw: answers by body, failures by kind with an example, and times in seconds."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    longest_gap: float = 0.0

    @property
    def requests(self) -> int:
        """All requests that were sent."""
        return self.answered.total() + self.failed.total()


class Load:
    """Clients that send requests until told to stop.

    `methods` are taken in turn; POST carries a body. `requests_per_connection` closes and opens connections now and
    then, so that both new and kept connections are exercised.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int = 16,
        methods: tuple[str, ...] = ("GET", "POST"),
        requests_per_connection: int = 50,
        path: str = "/",
        limit: int = 1_000_000,
        pause: float = 0.0,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._port = port
        self._address = address
        self._tls = tls
        self._clients = clients
        self._methods = methods
        self._per_connection = requests_per_connection
        self._path = path
        self._left = limit
        self._pause = pause
        self._stopping = False
        self._last = time.monotonic()
        self.report = Report()

    def stop(self) -> None:
        """Lets each client finish the request it is in, then end."""
        self._stopping = True

    async def run(self, seconds: float = 3600.0) -> Report:
        """Sends until `stop`, the limit or the time."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._clients):
                    group.create_task(self._client(number))
        finally:
            timer.cancel()
        return self.report

    async def _client(self, number: int) -> None:
        methods = itertools.cycle(self._methods[number % len(self._methods) :] + self._methods)
        while not self._stopping and self._left > 0:
            try:
                reader, writer = await asyncio.open_connection(
                    self._address, self._port, ssl=self._tls, limit=1 << 21
                )
            except OSError as error:
                self._left -= 1
                self.report.failed[f"connect: {type(error).__name__}"] += 1
                await asyncio.sleep(0.01)
                continue
            try:
                for _ in range(self._per_connection):
                    if self._stopping or self._left <= 0:
                        break
                    self._left -= 1
                    if not await self._request(next(methods), reader, writer):
                        break
                    if self._pause:
                        await asyncio.sleep(self._pause)
            finally:
                writer.close()

    async def _request(self, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        begun = time.monotonic()
        body = b"x=1" if method == "POST" else b""
        try:
            writer.write(
                b"%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s"
                % (method.encode(), self._path.encode(), len(body), body)
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 15)
            lines = head.lower().split(b"\r\n")
            status = int(lines[0].split()[1])
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            content = await asyncio.wait_for(reader.readexactly(length), 15)
        except (OSError, EOFError, TimeoutError, IndexError, ValueError) as error:
            self.report.failed[f"{method}: {type(error).__name__}"] += 1
            return False
        now = time.monotonic()
        self.report.slowest = max(self.report.slowest, now - begun)
        if status != 200:
            self.report.failed[f"{method}: status {status}"] += 1
        else:
            self.report.longest_gap = max(self.report.longest_gap, now - self._last)
            self._last = now
            self.report.answered[content.decode(errors="replace")] += 1
        return b"connection: close" not in lines
