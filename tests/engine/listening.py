"""A management server on real sockets with an application of the test's own, and a bare HTTP client."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.running import own_certificate

from pointsman.identity.certificate import InstanceCertificate
from pointsman.web.answer import App, Receive, Scope, Send
from pointsman.web.connection import Limits
from pointsman.web.server import Server


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it got."""
    size = 0
    more = scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    body = json.dumps(
        {
            "scheme": scope["scheme"],
            "client": scope["client"][0],
            "method": scope["method"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "size": size,
        }
    ).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Running:
    """A server that answers, on `port` of loopback."""

    def __init__(self, server: Server, certificate: InstanceCertificate, port: int) -> None:
        self.server = server
        self.certificate = certificate
        self.port = port

    async def open(self, *, tls: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        context = None
        if tls:
            context = ssl.create_default_context(cadata=self.certificate.public.decode())
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)

    async def ask(self, data: bytes, *, tls: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The answer to these bytes on a connection of their own."""
        reader, writer = await self.open(tls=tls)
        writer.write(data)
        try:
            return await answer(reader)
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer."""
    async with asyncio.timeout(10):
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in top[1:] if line)}
        length = int(headers.get("content-length", "0"))
        return int(top[0].split()[1]), headers, b"" if head else await reader.readexactly(length)


@asynccontextmanager
async def serving(
    directory: Path,
    app: App = echo,
    *,
    limits: Limits | None = None,
    plain: bool = True,
    body_limit: int = 1_000_000,
) -> AsyncIterator[Running]:
    """A server with its files in `directory`."""
    certificate = own_certificate(directory)
    server = Server(lambda: certificate.context, limits)
    port = server.listen(app, ["127.0.0.1"], 0, plain_on_loopback=plain, body_limit=body_limit)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        try:
            yield Running(server, certificate, port)
        finally:
            await server.close(0.2)


GET = b"GET /x?y=%2F HTTP/1.1\r\nHost: h\r\n\r\n"
