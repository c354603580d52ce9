"""Test binds: whether the engine could bind an address now, and in plain words why not.

Invariant: nothing is left bound. A failing address must be found here, because HAProxy (2.8.25) that cannot
bind one address during a reload pauses every listener for two seconds.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from pointsman.compiler.plan import Listener

_IPV6_FREEBIND = 78  # linux/in6.h; Python's socket module has no name for it
_IP_FREEBIND = 15
_LISTENING = "0A"
_ANY = {"0.0.0.0", "::"}  # noqa: S104 - compared, nothing is bound by it


def refused_binds(listeners: Iterable[Listener], ours: frozenset[tuple[str, int]]) -> Mapping[Listener, str]:
    """The reason for each listener that cannot be bound. `ours` is what our engine binds already.

    Blocks for some 20 us for each address that is not bound already.
    """
    bound: dict[int, set[str]] = {}
    for address, port in ours:
        bound.setdefault(port, set()).add(_plain(address))
    refused = {}
    for listener in listeners:
        reason = _refusal(listener, bound.get(listener.port, set()))
        if reason:
            refused[listener] = reason
    return refused


def _refusal(listener: Listener, ours: set[str]) -> str:
    """`ours` are the addresses that our engine binds on the listener's port, in one spelling."""
    address = _plain(listener.address)
    if address in ours:
        return ""
    overlapping = ours if address in _ANY else ours & _ANY
    overlapping = {other for other in overlapping if _overlap(other, address)}
    if overlapping:
        # Our own engine gives way to its successor there; only another program's socket is an obstacle.
        foreign = [other for other in _listening(listener.port) if _overlap(other, address)]
        if all(other in overlapping for other in foreign):
            return ""
        return f"port {listener.port} is in use by another program"
    return _bind(address, listener)


def _bind(address: str, listener: Listener) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as HAProxy does
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as our configuration says
        if listener.transparent:
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                trial.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        try:
            trial.bind((address, listener.port))
            # Two sockets with SO_REUSEADDR may share a port until one listens (Linux).
            trial.listen(1)
        except OSError as error:
            return _reason(error, address, listener.port)
    return ""


def _reason(error: OSError, address: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} is in use by another program"
        case errno.EADDRNOTAVAIL:
            return f"address {address} is not on this machine"
        case errno.EACCES | errno.EPERM:
            return f"port {port} needs root"
        case errno.EAFNOSUPPORT:
            return f"address {address} needs IPv6, which this machine does not have"
        case _:
            return f"address {address} port {port} cannot be used: {error.strerror}"


@lru_cache(maxsize=16_384)
def _plain(address: str) -> str:
    """An address in one spelling."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _overlap(one: str, other: str) -> bool:
    """Whether two addresses cannot both be bound on one port: equal, or one is any address of the family."""
    one, other = _plain(one), _plain(other)
    return one == other or (_ANY & {one, other} != set() and (":" in one) == (":" in other))


def _listening(port: int) -> tuple[str, ...]:
    """The addresses on which any process of this network namespace listens on a TCP port."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            packed, _, hexadecimal_port = words[1].partition(":")
            if words[3] == _LISTENING and int(hexadecimal_port, 16) == port:
                found.append(_unpack(packed))
    return tuple(found)


def _unpack(packed: str) -> str:
    """An address as /proc/net/tcp writes it: 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(packed[start : start + 8])[::-1] for start in range(0, len(packed), 8)]
    return str(ipaddress.ip_address(b"".join(words)))
