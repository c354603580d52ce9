"""What this machine and this process can do, tried out rather than assumed.

Invariant: trying leaves nothing behind.
"""

from __future__ import annotations

import socket
from pathlib import Path

from pointsman.monitors.ping import icmp_socket


def has_ipv6() -> bool:
    """Whether this machine's kernel binds IPv6 addresses."""
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::", 0))
    except OSError:
        return False
    return True


def has_address(address: str) -> bool:
    """Whether this machine has an IP address."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True


def can_ping() -> bool:
    """Whether this process may send ICMP echo requests."""
    made = icmp_socket(socket.AF_INET)
    if made is not None:
        made.close()
    return made is not None


def first_line(path: Path | None) -> str | None:
    """The first line of a file; None where there is none to read. Raises `OSError`."""
    if path is None:
        return None
    with path.open(encoding="utf-8") as stream:
        return stream.readline().rstrip("\r\n")
