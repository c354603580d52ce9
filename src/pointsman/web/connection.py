"""One HTTP/1 connection: reads requests with h11, runs an ASGI application on each, writes its answers.

Invariant: no step waits on the client without a deadline, and no buffer grows without a limit; a request that
is not HTTP is answered with our JSON; an application that began a request is left to finish it when the
client goes away, so that a change is never half made.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import h11

from pointsman.web.answer import Answer, App, Message, Scope, error_answer, header_pairs

_log = logging.getLogger("pointsman.web")
_CHUNK = 65_536
BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one client may take; times in seconds, sizes in bytes."""

    connections: int = 1_000
    connections_per_source: int = 250
    handshake_seconds: float = 10.0
    header_seconds: float = 15.0
    """From the first byte of a request (or from the connection's begin) to the end of its headers."""
    idle_seconds: float = 75.0
    """Between two requests."""
    body_wait_seconds: float = 20.0
    """Between two pieces of a body."""
    body_seconds: float = 300.0
    """For a whole body."""
    send_seconds: float = 60.0
    """For the client to take what was sent."""
    header_bytes: int = 65_536
    body_bytes: int = BODY_BYTES
    unread_bytes: int = 262_144
    """What is read and dropped of a body nobody wanted, to keep the connection."""
    linger_seconds: float = 5.0
    """For the client to read the last answer and close."""


@dataclass(frozen=True)
class Peer:
    """The other end: its address (or "local:" and the Unix user), and how it came here."""

    host: str
    port: int
    tls: bool
    unix_user: str = ""


class Connection:
    """One accepted connection, TLS already spoken."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        app: App,
        peer: Peer,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._app = app
        self.peer = peer
        self.limits = limits
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        self.draining = False
        self.resting_since: float | None = None
        """When the wait for another request began, in the loop's time; None while there is one."""
        self.method = b""
        self._idle = True
        self._ended = False

    def drain(self) -> None:
        """Lets the current request finish and takes no other."""
        self.draining = True
        if self._idle:
            self._writer.close()

    def cut(self) -> None:
        """Ends the connection at once."""
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Serves requests until either side is done. Raises `OSError` when the connection breaks."""
        first = True
        while True:
            request = await self._request(first)
            if request is None:
                return
            first = False
            exchange = _Exchange(self, request, self.peer)
            if not await exchange.run(self._app) or self.draining or not await self._settle():
                return
            self.http.start_next_cycle()

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """The next piece of the request. Raises `h11.RemoteProtocolError` for what is not HTTP, `OSError`."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            await self._read()
        return cast("h11.Event | type[h11.PAUSED]", event)

    async def write(self, data: bytes) -> None:
        """Sends bytes; raises `OSError` (a `TimeoutError` when the client does not take them)."""
        self._writer.write(data)
        async with asyncio.timeout(self.limits.send_seconds):
            await self._writer.drain()

    async def answer(self, answer: Answer) -> None:
        """Sends a whole answer of the server's own, and ends the connection after it."""
        headers = [*header_pairs(answer), (b"date", _date()), (b"connection", b"close")]
        data = self._encode(h11.Response(status_code=answer.status, headers=headers))
        if self.http.our_state is h11.SEND_BODY and answer.body and self.method != b"HEAD":
            data += self._encode(h11.Data(data=answer.body))
        await self.write(data + self._encode(h11.EndOfMessage()))

    async def gone(self) -> None:
        """Returns when the client has ended the connection; what it sends meanwhile is kept (bounded)."""
        while not self._ended:
            if len(self.http.trailing_data[0]) > self.limits.header_bytes:
                await asyncio.get_running_loop().create_future()
            await self._read()

    async def linger(self) -> None:
        """Drops what still comes for a moment: closing with unread data would make the answer vanish.

        Without TLS our own side ends before that, so that a client that reads to the end does not wait for it.
        """
        with contextlib.suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(self.limits.linger_seconds):
                while await self._reader.read(_CHUNK):
                    pass

    async def _read(self) -> None:
        data = b"" if self._ended else await self._reader.read(_CHUNK)
        self._ended = not data
        self.http.receive_data(data)

    def _encode(self, event: h11.Event) -> bytes:
        return self.http.send(event) or b""

    async def _request(self, first: bool) -> h11.Request | None:
        self.method = b""
        try:
            self._idle = True
            if not first and not self.http.trailing_data[0]:
                self.resting_since = asyncio.get_running_loop().time()
                async with asyncio.timeout(self.limits.idle_seconds):
                    await self._read()
            self._idle = first
            self.resting_since = None
            async with asyncio.timeout(self.limits.header_seconds):
                event = await self.event()
        except TimeoutError:
            self.resting_since = None
            if self.http.trailing_data[0]:
                await self._refuse(_late("the request"))
            return None
        except h11.RemoteProtocolError as error:
            if self.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._refuse(_malformed(error))
            return None
        self._idle = False
        if not isinstance(event, h11.Request):
            return None
        if event.http_version not in (b"1.0", b"1.1"):
            await self._refuse(error_answer(505, "http.bad_request", "only HTTP/1.0 and 1.1 are spoken", {}))
            return None
        if _is_ambiguous(event):
            text = "the length of the body is given in two ways, or in one that HTTP/1.0 has not; send one"
            await self._refuse(error_answer(400, "http.bad_request", text, {}))
            return None
        return event

    async def _refuse(self, answer: Answer) -> None:
        with contextlib.suppress(h11.LocalProtocolError):
            await self.answer(answer)
        await self.linger()

    async def _settle(self) -> bool:
        """Deals with a body that nobody read; whether another request can follow."""
        unread = 0
        try:
            async with asyncio.timeout(self.limits.linger_seconds):
                while self.http.their_state is h11.SEND_BODY and unread <= self.limits.unread_bytes:
                    event = await self.event()
                    unread += len(event.data) if isinstance(event, h11.Data) else 0
        except (TimeoutError, h11.RemoteProtocolError):
            return False
        if self.http.their_state is h11.SEND_BODY:
            await self.linger()
        return self.http.our_state is h11.DONE and self.http.their_state is h11.DONE


class _Exchange:
    """One request and its answer, seen by the application as `receive` and `send`."""

    def __init__(self, connection: Connection, request: h11.Request, peer: Peer) -> None:
        self._connection = connection
        self._request = request
        self._scope = _scope(request, peer)
        self._scope["extensions"]["pointsman.ending"] = lambda: connection.draining
        self._received = 0
        self._began = asyncio.get_running_loop().time()
        self._complete = False
        self._refusal: Answer | None = None
        self._start: h11.Response | None = None
        self._answering = False
        self._answered = False
        connection.method = request.method

    async def run(self, app: App) -> bool:
        """Runs the application; whether the connection can go on. Raises `OSError` when it broke."""
        if (declared := self._declared_length()) > self._connection.limits.body_bytes:
            self._refusal = self._too_large(f"the body has {declared} bytes, more")
        else:
            try:
                await app(self._scope, self.receive, self.send)
            except OSError:
                # The client is gone: there is nobody to answer.
                if self._refusal is None:
                    raise
            except Exception:
                if self._refusal is None:
                    _log.exception(
                        "an application failed at %s", self._request.method.decode("ascii", "replace")
                    )
        if self._answered:
            return True
        if self._answering:
            raise ConnectionAbortedError("the application ended in the middle of an answer")
        failure = error_answer(500, "internal.error", "the request failed here; the log says why", {})
        await self._connection.answer(self._refusal or failure)
        await self._connection.linger()
        return False

    async def receive(self) -> Message:
        if self._refusal is not None or self._answered:
            return {"type": "http.disconnect"}
        if self._complete:
            with contextlib.suppress(OSError):
                await self._connection.gone()
            return {"type": "http.disconnect"}
        connection = self._connection
        if connection.http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await connection.write(connection.http.send(go_on) or b"")
        left = connection.limits.body_seconds - (asyncio.get_running_loop().time() - self._began)
        try:
            async with asyncio.timeout(min(left, connection.limits.body_wait_seconds)):
                event = await connection.event()
        except TimeoutError:
            self._refusal = _late("the body")
            return {"type": "http.disconnect"}
        except h11.RemoteProtocolError as error:
            self._refusal = _malformed(error)
            return {"type": "http.disconnect"}
        if isinstance(event, h11.Data):
            self._received += len(event.data)
            if self._received > connection.limits.body_bytes:
                self._refusal = self._too_large("the body is larger")
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        self._complete = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        if self._refusal is not None and not self._answering:
            return
        if message["type"] == "http.response.start":
            self._start = self._response(message)
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._body(self._start, message.get("body", b""), message.get("more_body", False))

    def _response(self, message: Message) -> h11.Response:
        headers = [*message.get("headers", ()), (b"date", _date())]
        http = self._connection.http
        unread = http.their_state is h11.SEND_BODY and (
            http.they_are_waiting_for_100_continue
            or self._declared_length() - self._received > self._connection.limits.unread_bytes
        )
        if self._connection.draining or unread:
            headers.append((b"connection", b"close"))
        return h11.Response(status_code=message["status"], headers=headers, reason=_reason(message["status"]))

    async def _body(self, start: h11.Response, body: bytes, more: bool) -> None:
        http = self._connection.http
        data = b""
        if not self._answering:
            data = http.send(start) or b""
            self._answering = True
        if body and self._request.method != b"HEAD":
            data += http.send(h11.Data(data=body)) or b""
        if not more:
            data += http.send(h11.EndOfMessage()) or b""
            self._answered = True
        await self._connection.write(data)

    def _declared_length(self) -> int:
        for name, value in self._request.headers:
            if name == b"content-length":
                return int(value)
        return 0

    def _too_large(self, what: str) -> Answer:
        limit = self._connection.limits.body_bytes
        return error_answer(
            413, "http.body_too_large", f"{what} than the limit of {limit} bytes; send less", {}
        )


def _scope(request: h11.Request, peer: Peer) -> Scope:
    target = request.target
    if not target.startswith(b"/") and (cut := target.find(b"://")) >= 0:
        # A proxy's form: scheme and authority are not ours to route by.
        slash = target.find(b"/", cut + 3)
        target = target[slash:] if slash >= 0 else b"/"
    raw_path, _, query = target.partition(b"?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version.decode("ascii"),
        "method": request.method.decode("ascii"),
        "scheme": "https" if peer.tls else "http",
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query.partition(b"#")[0],
        "root_path": "",
        "headers": [(name, value) for name, value in request.headers],
        "client": (peer.host, peer.port),
        "server": None,
        "extensions": {"pointsman.peer": peer},
    }
    return scope


def _is_ambiguous(request: h11.Request) -> bool:
    """Whether a proxy on the way could see the body end elsewhere than we do (RFC 9112, 6.1): what follows would be
    another client's request to one side, and part of this one to the other.
    """
    names = {name for name, _ in request.headers}
    return b"transfer-encoding" in names and (b"content-length" in names or request.http_version == b"1.0")


def _late(what: str) -> Answer:
    return error_answer(408, "http.timeout", f"{what} did not arrive in time", {})


def _malformed(error: h11.RemoteProtocolError) -> Answer:
    status = error.error_status_hint or 400
    # h11 quotes what it did not understand as Python would; the sender knows what it sent.
    what = str(error).partition(": bytearray(")[0]
    if what == "illegal request line":
        what += "; in a path, write all but letters, digits and signs of ASCII with percent signs"
    text = "the headers are too large; send less" if status == 431 else f"this is not an HTTP request: {what}"
    return error_answer(status, "http.bad_request", text, {})


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def _date() -> bytes:
    return formatdate(usegmt=True).encode("ascii")
