"""Keeps new connections waiting at some of the engine's addresses, so that these can move without one being lost.

A filter on the engine's own listening sockets drops the packets that open connections; nothing is refused, so a client
repeats its packet a second later (the first retransmission of TCP, RFC 6298), and whoever has the address then answers.
What is established goes on. Invariant: the filter is gone with `release`, and with the sockets of an engine that ends;
an engine that somebody took over gets nothing done by what it hands over, and holds nobody up for more than seconds.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import os
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from pointsman.launcher.engines import is_idle

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
"""asm-generic/socket.h; Python's socket module has no names for them."""

# Classic BPF (linux/filter.h). The data of a TCP packet begins at its TCP header, whose byte 13 holds the flags.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone opens a connection
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFF_FFFF),  # take it whole
)
_BATCH = 252
"""Sockets in one message of HAProxy's (2.8.25)."""
_SECONDS = 2.0


QUIET_SECONDS = 0.5
"""How long requests in work may hold up an address that is about to move."""
IDLE_SECONDS = 0.1
"""How long the engine must have been idle before: a client that has just connected has yet to say what it wants."""


def keep_waiting(runtime: str, addresses: Collection[str]) -> tuple[socket.socket, ...]:
    """Holds new connections at addresses that the engine at the socket `runtime` listens on; gives what `release`
    takes. An engine that does not answer has nothing to hold.
    """
    waiting: tuple[socket.socket, ...] = ()
    with contextlib.suppress(OSError):
        waiting = take_listeners(Path(runtime), addresses)
        hold(waiting)
    return waiting


def until_idle(
    masters: Collection[str], addresses: Collection[str], stop: Callable[[], bool] = lambda: False
) -> None:
    """Waits until the engines of these master sockets have nothing in work at the addresses, half a second at most."""
    now = begun = busy = time.monotonic()
    while now < min(begun + QUIET_SECONDS, busy + IDLE_SECONDS) and not stop():
        time.sleep(0.005)
        now = time.monotonic()
        if not all(is_idle(master, addresses) for master in masters):
            busy = now


def take_listeners(runtime: Path, addresses: Collection[str]) -> tuple[socket.socket, ...]:
    """Those of the engine's listening sockets that are bound to one of `addresses`, to be closed by the caller.

    They are asked for as a new worker does at a reload. Raises `OSError` when the engine does not hand them over.
    """
    wanted = frozenset(addresses)
    found: list[socket.socket] = []
    until = time.monotonic() + _SECONDS
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(_SECONDS)
        talk.connect(str(runtime))
        talk.sendall(b"_getsocks\n")
        count = _count(talk)
        received = 0
        try:
            while received < count:
                _, ancillary, _, _ = talk.recvmsg(1 << 16, socket.CMSG_SPACE(_BATCH * 4))
                descriptors = array.array("i")
                for level, kind, data in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
                received += len(descriptors)
                for made in _sockets(descriptors):
                    if _address(made) in wanted:
                        found.append(made)
                    else:
                        made.close()
                if not descriptors or time.monotonic() > until:
                    raise ConnectionResetError("the engine stopped in the middle of its sockets")
                talk.sendall(struct.pack("i", received))  # it waits for a word before the next batch
        except BaseException:
            release(found)
            raise
    return tuple(found)


def hold(listeners: Collection[socket.socket]) -> None:
    """From now on nothing new gets through on these sockets. Raises `OSError`."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN))
    program = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(code))
    for listener in listeners:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def release(listeners: Collection[socket.socket]) -> None:
    """Lets new connections in again, and lets go of the sockets."""
    for listener in listeners:
        with contextlib.suppress(OSError):  # it had no filter
            listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        listener.close()


def _sockets(descriptors: Iterable[int]) -> Iterator[socket.socket]:
    """Those that are sockets; what is none is closed."""
    for descriptor in descriptors:
        try:
            yield socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)


def _count(talk: socket.socket) -> int:
    data = b""
    while len(data) < 4:
        part = talk.recv(4 - len(data))
        if not part:
            raise ConnectionResetError("the engine does not hand over its sockets")
        data += part
    return int(struct.unpack("i", data)[0])


def _address(listener: socket.socket) -> str:
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return ""
    return str(listener.getsockname()[0])
