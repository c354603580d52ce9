"""Listens for management traffic: an application to each port, over TLS, and plain HTTP where it is allowed.

On one port the first byte tells TLS (0x16) from plain HTTP; plain HTTP is served to loopback peers only, and
only where the listener says so. A Unix socket serves the owner of the process and root.

Invariant: a client costs bounded time and memory before it has spoken a whole request; a broken client never
ends the server; a certificate that changes serves from the next connection on and leaves existing ones alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import math
import os
import pwd
import socket
import ssl
import struct
from asyncio import sslproto
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from pointsman.web.answer import App, Receive, Scope, Send, error_answer, send_answer
from pointsman.web.connection import BODY_BYTES, Connection, Limits, Peer

_log = logging.getLogger("pointsman.web")

GRACE_SECONDS = 8.0
ANY = ""
"""As a host: every address of the machine, of both families."""

# asyncio gives each TLS connection a buffer of 256 KiB at once, also one that never says a word; a record has 16.
sslproto.SSLProtocol.max_size = 65_536

_TLS_HANDSHAKE = b"\x16"
_BACKLOG = 512
_REMEDIES = {
    errno.EADDRINUSE: "another program has it: stop that program or choose another port",
    errno.EACCES: "ports below 1024 need root: choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one that it has",
}
_SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class CannotListen(Exception):
    """An address or socket that cannot be listened on; the text names it, the cause and the remedy."""


@dataclass(frozen=True)
class Handover:
    """Where connections of one listener go that speak something else than HTTP.

    `protocol` is what they call it by ALPN. `context` gives the listener's TLS context for the next connection, None
    for the one of all listeners; `serve` serves such a connection until it ends; `refused` is told the address of a
    client whose certificate TLS did not accept, and the cause.
    """

    protocol: str
    context: Callable[[], ssl.SSLContext | None]
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    refused: Callable[[str, str], None]


@dataclass(frozen=True)
class _Listener:
    socket: socket.socket
    app: App
    plain_on_loopback: bool
    body_limit: int
    handover: Handover | None = None


class Server:
    """All management listeners of one process.

    Call `listen` and `listen_unix`, then await `run`; `close` ends it gracefully.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], limits: Limits | None = None) -> None:
        """`tls` gives the context for the next connection."""
        self._tls = tls
        self._limits = limits or Limits()
        self._listeners: list[_Listener] = []
        self._sources: Counter[str] = Counter()
        self._serving: dict[asyncio.Task[None], Connection | None] = {}
        self._beginning: dict[asyncio.Task[None], str] = {}
        """Connections that have not spoken a whole TLS handshake, the oldest first, and from where they are."""
        self._closing = asyncio.Event()
        self._closed = asyncio.Event()
        self._grace_seconds = GRACE_SECONDS
        self._running = False

    def listen(
        self,
        app: App,
        hosts: Sequence[str],
        port: int,
        *,
        plain_on_loopback: bool = False,
        body_limit: int = BODY_BYTES,
        handover: Handover | None = None,
    ) -> int:
        """Binds `app` to a port on each host (`ANY` for all) and returns the port; 0 takes a free one.

        Raises `CannotListen`; then nothing stays bound.
        """
        bound: list[socket.socket] = []
        try:
            for host in dict.fromkeys(hosts):
                bound.append(_bind(host, port))
                port = bound[0].getsockname()[1]
        except OSError as error:
            for made in bound:
                made.close()
            where = f"{host or 'every address'}, port {port}"
            remedy = _REMEDIES.get(error.errno or 0, "choose another address or port")
            raise CannotListen(f"cannot listen on {where}: {error.strerror or error}; {remedy}") from error
        self._listeners += [_Listener(made, app, plain_on_loopback, body_limit, handover) for made in bound]
        return port

    def listen_unix(self, app: App, path: Path, *, body_limit: int = BODY_BYTES) -> None:
        """Binds `app` to a Unix socket of mode 0600. Raises `CannotListen`."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            if path.is_socket() and _answers(path):
                raise CannotListen(f"{path} is in use by another instance; stop it or choose another home")
            path.unlink(missing_ok=True)
            made.bind(os.fspath(path))
            # Nobody can connect before `listen`, so the mode is in force for the first client.
            path.chmod(0o600)
            made.listen(_BACKLOG)
        except OSError as error:
            made.close()
            raise CannotListen(
                f"cannot make the socket {path}: {error.strerror or error}; check the directory"
            ) from error
        except CannotListen:
            made.close()
            raise
        self._listeners.append(_Listener(made, app, True, body_limit))

    async def run(self) -> None:
        """Serves until `close` is called or the task is cancelled."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                acceptors = [group.create_task(self._accept(listener, group)) for listener in self._listeners]
                await self._closing.wait()
                for task in acceptors:
                    task.cancel()
                if acceptors:
                    await asyncio.wait(acceptors)
                self._stop_listening()
                await self._finish()
        finally:
            self._stop_listening()
            self._closed.set()

    async def close(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Refuses new connections, lets requests finish for `grace_seconds`, then cuts what is left."""
        self._grace_seconds = grace_seconds
        self._closing.set()
        if self._running:
            await self._closed.wait()
        else:
            self._stop_listening()

    async def _finish(self) -> None:
        for task, connection in tuple(self._serving.items()):
            if connection is None:
                task.cancel()
            else:
                connection.drain()
        if self._serving:
            _, late = await asyncio.wait(tuple(self._serving), timeout=self._grace_seconds)
            for task in late:
                task.cancel()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            listener.socket.close()

    async def _accept(self, listener: _Listener, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                accepted, address = await _taken(listener.socket)
            except OSError as error:
                if error.errno not in _SHORTAGE:
                    continue  # that client went away before it was taken
                _log.warning("cannot take a connection: %s; trying again", error.strerror)
                await asyncio.sleep(1.0)
                continue
            peer = _peer(listener.socket, accepted, address)
            if peer is None or not self._has_room(peer.host):
                accepted.close()
                continue
            self._sources[peer.host] += 1
            task = group.create_task(self._serve(listener, accepted, peer))
            self._serving[task] = None
            task.add_done_callback(partial(self._forget, peer.host))

    def _has_room(self, host: str) -> bool:
        """Whether one more connection from `host` fits; one that rests between requests gives way to it, and then the
        oldest of those that have not finished their handshake.

        Published clients open a connection for each request and close none. Who begins handshakes without end would
        keep others out until a deadline ends them.
        """
        if self._sources[host] >= self._limits.connections_per_source:
            return self._end_rest(lambda peer: peer.host == host) or self._end_beginning(host)
        if len(self._serving) < self._limits.connections or self._end_rest(lambda peer: True):
            return True
        most = Counter(self._beginning.values()).most_common(1)
        return bool(most) and self._end_beginning(most[0][0])

    def _end_beginning(self, host: str) -> bool:
        """Ends the oldest connection from `host` that has not finished its handshake; whether there was one."""
        for task, source in self._beginning.items():
            if source == host:
                del self._beginning[task]
                task.cancel()
                return True
        return False

    def _end_rest(self, among: Callable[[Peer], bool]) -> bool:
        """Ends the connection that has waited longest for another request; whether there was one."""
        longest: Connection | None = None
        since = math.inf
        for connection in self._serving.values():
            if connection is None or connection.resting_since is None or not among(connection.peer):
                continue
            if connection.resting_since < since:
                longest, since = connection, connection.resting_since
        if longest is None:
            return False
        longest.resting_since = None
        longest.cut()
        return True

    def _forget(self, host: str, task: asyncio.Task[None]) -> None:
        self._serving.pop(task, None)
        self._beginning.pop(task, None)
        self._sources[host] -= 1
        if self._sources[host] <= 0:
            del self._sources[host]

    async def _serve(self, listener: _Listener, accepted: socket.socket, peer: Peer) -> None:
        writer: asyncio.StreamWriter | None = None
        handed_over = False
        own = cast("asyncio.Task[None]", asyncio.current_task())
        self._beginning[own] = peer.host
        try:
            app = listener.app
            if not peer.unix_user:
                first = await self._first_byte(accepted)
                peer = replace(peer, tls=first == _TLS_HANDSHAKE)
                if not first:
                    return
                if not peer.tls and not (listener.plain_on_loopback and _is_loopback(peer.host)):
                    app = refuse_plain
            handed_over = True
            reader, writer = await self._open(accepted, self._context(listener) if peer.tls else None)
            self._beginning.pop(own, None)
            if listener.handover is not None and _spoken(writer) == listener.handover.protocol:
                await listener.handover.serve(reader, writer)
                return
            limits = replace(self._limits, body_bytes=listener.body_limit)
            connection = Connection(reader, writer, app=app, peer=peer, limits=limits)
            self._serving[own] = connection
            await connection.serve()
            writer.close()
            async with asyncio.timeout(self._limits.linger_seconds):
                await writer.wait_closed()
        except ssl.SSLCertVerificationError as error:
            if listener.handover is not None:
                cause = f"its certificate is not accepted ({error.verify_message})"
                listener.handover.refused(peer.host, cause)
        except OSError as error:
            _log.debug("connection from %s ended: %s", peer.host, error)
        except Exception:
            _log.exception("serving %s failed", peer.host)
        finally:
            if not handed_over:
                accepted.close()
            if writer is not None:
                # A TLS transport of Python 3.11 that is closed already fails here.
                with contextlib.suppress(AttributeError):
                    writer.transport.abort()

    async def _first_byte(self, accepted: socket.socket) -> bytes:
        """The first byte, left in place; empty when the client went away or sent nothing in time."""
        try:
            async with asyncio.timeout(self._limits.header_seconds):
                await _readable(accepted)
            return accepted.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def _context(self, listener: _Listener) -> ssl.SSLContext:
        own = listener.handover.context() if listener.handover is not None else None
        return own or self._tls()

    async def _open(
        self, accepted: socket.socket, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            accepted,
            ssl=tls,
            ssl_handshake_timeout=self._limits.handshake_seconds if tls is not None else None,
            ssl_shutdown_timeout=self._limits.linger_seconds if tls is not None else None,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def refuse_plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers plain HTTP where only TLS is spoken."""
    text = "plain HTTP is not served here; use https"
    await send_answer(send, error_answer(403, "http.tls_required", text, {}, (("connection", "close"),)))


async def _taken(listening: socket.socket) -> tuple[socket.socket, Any]:
    """The next connection and its address. Raises `OSError`.

    Nothing is lost where this is cancelled. The loop's own `sock_accept` forgets a connection that it has taken when
    the cancellation comes before the task goes on, and the socket stays open until the garbage is collected.
    """
    while True:
        try:
            accepted, address = listening.accept()
        except BlockingIOError:
            await _readable(listening)
        else:
            accepted.setblocking(False)
            return accepted, address


async def _readable(waiting: socket.socket) -> None:
    """Waits until there is something to read, or to take."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(waiting, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(waiting)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _spoken(writer: asyncio.StreamWriter) -> str | None:
    """What was agreed by ALPN."""
    wrapped: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return wrapped.selected_alpn_protocol() if wrapped is not None else None


def _peer(listening: socket.socket, accepted: socket.socket, address: Any) -> Peer | None:
    """Who is at the other end; None for a Unix user who is neither this process's owner nor root."""
    if listening.family == socket.AF_UNIX:
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if uid not in (0, os.geteuid()):
            _log.warning("refused the Unix user %d at the local socket", uid)
            return None
        user = _user_name(uid)
        return Peer(f"local:{user}", 0, tls=False, unix_user=user)
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return Peer(str(ip), int(address[1]), tls=False)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _bind(host: str, port: int) -> socket.socket:
    if host != ANY:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, address = found[0][0], found[0][4]
    elif socket.has_dualstack_ipv6():
        family, address = socket.AF_INET6, ("::", port)
    else:
        family, address = socket.AF_INET, ("", port)
    # With the protocol named, asyncio sets TCP_NODELAY on accepted sockets; without, an answer waits 40 ms.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != ANY))
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True
