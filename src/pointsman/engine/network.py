"""This machine's network as the kernel tells it: interfaces, addresses, default gateways, and that they changed.

Invariant: it only asks, but for `remove`, which takes an address away that a dead engine left behind. Interfaces are
known by their addresses: names change when a container's network is connected anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_DONE, _ERROR = 3, 2
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_REQUEST, _ACKNOWLEDGE, _DUMP = 0x1, 0x4, 0x300
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_GROUPS = 0x1 | 0x10 | 0x100  # links, addresses of IPv4, addresses of IPv6 (linux/rtnetlink.h)
_SETTLE_SECONDS = 0.02


@dataclass(frozen=True, order=True)
class Held:
    """An address of an interface, with the length of its network's prefix."""

    interface: str
    address: str
    length: int


def addresses() -> tuple[Held, ...]:
    """Every address of this machine, sorted. Raises OSError where the kernel does not tell."""
    with _netlink() as connection:
        body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        connection.send(_message(_GET_ADDRESS, _REQUEST | _DUMP, body))
        return tuple(sorted(_read(connection)))


def remove(held: Held) -> None:
    """Takes an address away. Raises OSError, also when it is not there."""
    packed = ipaddress.ip_address(held.address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    body = _ADDRESS.pack(family, held.length, 0, 0, socket.if_nametoindex(held.interface))
    for kind in (_IFA_LOCAL, _IFA_ADDRESS):
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), kind) + packed
    with _netlink() as connection:
        connection.send(_message(_DELETE_ADDRESS, _REQUEST | _ACKNOWLEDGE, body))
        answer = connection.recv(65536)
    number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
    if number:
        raise OSError(number, os.strerror(number))


def gateways() -> tuple[str, ...]:
    """The default gateways: of IPv4, and of IPv6 where that is no link-local address."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/net/route").read_text().splitlines()[1:]:
            words = line.split()
            if words[1] == "00000000" and words[7] == "00000000" and words[2] != "00000000":
                packed = struct.pack("=I", int(words[2], 16))
                found[str(ipaddress.IPv4Address(packed))] = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/net/ipv6_route").read_text().splitlines():
            words = line.split()
            gateway = ipaddress.IPv6Address(bytes.fromhex(words[4]))
            if int(words[0], 16) == 0 and words[1] == "00" and int(gateway) and not gateway.is_link_local:
                found[str(gateway)] = None
    return tuple(found)


class Changes:
    """Calls back, in the event loop, soon after an interface or an address changed. Close it when done.

    Raises OSError where the kernel does not tell.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._due: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.bind((0, _GROUPS))
        except OSError:
            self._socket.close()
            raise
        asyncio.get_running_loop().add_reader(self._socket, self._on_news)

    def _on_news(self) -> None:
        with contextlib.suppress(OSError):  # also when so much came that some was lost: something changed
            while self._socket.recv(65536):
                pass
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._tell)

    def _tell(self) -> None:
        self._due = None
        self._on_change()

    def close(self) -> None:
        """Listens no longer."""
        if self._due is not None:
            self._due.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


def _netlink() -> socket.socket:
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    connection.settimeout(1.0)
    connection.bind((0, 0))
    return connection


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _read(connection: socket.socket) -> Iterator[Held]:
    while True:
        data = connection.recv(1 << 18)
        position = 0
        while position + _HEADER.size <= len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, position)
            body = data[position + _HEADER.size : position + length]
            if kind == _DONE:
                return
            if kind == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, os.strerror(number))
            if kind == _NEW_ADDRESS and (held := _held(body)) is not None:
                yield held
            position += (length + 3) & ~3


def _held(body: bytes) -> Held | None:
    family, length, _, _, index = _ADDRESS.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found: dict[int, bytes] = {}
    position = _ADDRESS.size
    while position + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, position)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = body[position + _ATTRIBUTE.size : position + size]
        position += (size + 3) & ~3
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if packed is None:
        return None
    try:
        name = socket.if_indextoname(index)
    except OSError:
        return None  # it is gone since
    return Held(name, str(ipaddress.ip_address(packed)), length)
