"""The `ping` check: ICMP echo over IPv4 and IPv6.

Invariant: without permission to send echoes nothing is decided. An answer counts only when it comes from the
address asked and carries the secret number of this very request, so that neither another program's echo nor a
forged one does.

Linux lets a process send echoes by a datagram socket when its group is in `net.ipv4.ping_group_range`, else
it needs CAP_NET_RAW for a raw one. A raw socket sees every ICMP packet of the machine; a kernel filter leaves
echo replies only.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
import struct

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Budget, Failed, Finding, Undecided

_ECHO = struct.Struct("!BBHHH")
_TOKEN_BYTES = 16
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
NOT_PERMITTED = (
    "unknown: this process may not send ICMP echoes; run it as root or with CAP_NET_RAW, "
    "or put its group into net.ipv4.ping_group_range"
)


class Pinger:
    """Sends echoes and awaits the replies, by one socket for each address family, opened when needed.

    `requests` and `responses` count what was sent and what was answered in time.
    """

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: dict[bytes, tuple[str, asyncio.Future[None]]] = {}
        self._sequence = itertools.count(1)
        self.requests = 0
        self.responses = 0
        self._identifier = secrets.randbelow(0x10000)

    async def check_ping(self, check: Check) -> Finding:
        """Runs the check; raises `Failed` or `Undecided`."""
        loop = asyncio.get_running_loop()
        family, _, _, _, target = socket.getaddrinfo(
            check.address, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        connection = self._socket(family)
        token = secrets.token_bytes(_TOKEN_BYTES)
        answered: asyncio.Future[None] = loop.create_future()
        address = str(target[0])
        self._waiting[token] = (address.partition("%")[0], answered)
        start = loop.time()
        try:
            async with Budget(check.timeout).spend("waiting for the echo"):
                connection.sendto(self._request(family, token), target)
                self.requests += 1
                await answered
                self.responses += 1
        finally:
            del self._waiting[token]
        return Finding(True, f"echo after {(loop.time() - start) * 1000:.1f} ms")

    def _request(self, family: int, token: bytes) -> bytes:
        kind = 8 if family == socket.AF_INET else 128
        fields = (kind, 0, 0, self._identifier, next(self._sequence) & 0xFFFF)
        checksum = internet_checksum(_ECHO.pack(*fields) + token) if family == socket.AF_INET else 0
        return _ECHO.pack(kind, 0, checksum, *fields[3:]) + token

    def _socket(self, family: int) -> socket.socket:
        if family not in self._sockets:
            connection = icmp_socket(family)
            if connection is None:
                raise Undecided(NOT_PERMITTED)
            self._sockets[family] = connection
            asyncio.get_running_loop().add_reader(connection, self._receive, connection)
        return self._sockets[family]

    def _receive(self, connection: socket.socket) -> None:
        while True:
            try:
                packet, sender = connection.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except (
                OSError
            ):  # an ICMP error that Linux reports on the socket; the request it is about times out
                continue
            token = reply_token(packet, connection)
            address, answered = self._waiting.get(token, ("", None))
            if answered is not None and not answered.done() and sender[0].partition("%")[0] == address:
                answered.set_result(None)

    def close(self) -> None:
        """Closes the sockets; a later ping opens them again."""
        for connection in self._sockets.values():
            asyncio.get_running_loop().remove_reader(connection)
            connection.close()
        self._sockets.clear()


def icmp_socket(family: int) -> socket.socket | None:
    """A non-blocking socket that may send echoes, or None when this process may not."""
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            connection = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        except PermissionError:
            continue
        except OSError as error:
            raise Failed(f"this machine cannot send to the address ({error.strerror})") from error
        if kind == socket.SOCK_RAW:
            if family == socket.AF_INET:
                connection.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << 0) & 0xFFFFFFFF))
            else:
                blocked = [0xFFFFFFFF] * 8
                blocked[129 >> 5] &= ~(1 << (129 & 31))
                connection.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *blocked))
        return connection
    return None


def reply_token(packet: bytes, connection: socket.socket) -> bytes:
    """The number an echo reply carries, or b"". A raw IPv4 socket delivers the IP header too (Linux)."""
    if connection.family == socket.AF_INET and connection.type == socket.SOCK_RAW and packet:
        packet = packet[(packet[0] & 0x0F) * 4 :]
    if len(packet) < _ECHO.size + _TOKEN_BYTES or packet[0] not in (0, 129):
        return b""
    return packet[_ECHO.size : _ECHO.size + _TOKEN_BYTES]


def internet_checksum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
