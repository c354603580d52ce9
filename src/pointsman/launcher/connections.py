"""The machine's TCP connections, as the kernel lists them.

Invariant: only what is established counts, or half closed by its client; addresses are texts as HAProxy writes them.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Collection
from pathlib import Path

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_OPEN = ("01", "08")
"""ESTABLISHED and CLOSE_WAIT (Linux, include/net/tcp_states.h)."""
_MAPPED = "::ffff:"


def clients_elsewhere(addresses: Collection[str]) -> frozenset[str]:
    """The other ends ("192.0.2.7:50123", "2001:db8::7:50123") of connections to addresses of this machine but these."""
    found: set[str] = set()
    for table in _TABLES:
        with contextlib.suppress(OSError):  # a machine without IPv6 has no table of it
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                _, local, remote, state, *_ = line.split(maxsplit=4)
                if state in _OPEN and _address(local.partition(":")[0]) not in addresses:
                    address, _, port = remote.partition(":")
                    found.add(f"{_address(address)}:{int(port, 16)}")
    return frozenset(found)


def _address(listed: str) -> str:
    """An address as people write it; the kernel lists words of four bytes in the machine's order."""
    words = [int(listed[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(listed), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)).removeprefix(_MAPPED)
