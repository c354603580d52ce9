"""What a container gives its instance: capabilities, a host name that resolves, an address that others reach.

Invariant: asking changes nothing, sends no packet but to the name service, and ends within seconds.
"""

from __future__ import annotations

import re
import socket
import threading
from pathlib import Path

from pointsman.identity.machine import machine_addresses

_CAPABILITIES = ((12, "NET_ADMIN"), (13, "NET_RAW"))
_RESOLVE_SECONDS = 3.0
# Addresses of documentation: nothing is sent there, the kernel only says by which of its own it would.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def missing_capabilities(status: str) -> tuple[str, ...]:
    """Capabilities for traffic IPs that a process lacks, by its /proc/PID/status; none when that does not tell."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if found is None:
        return ()
    effective = int(found[1], 16)
    return tuple(name for bit, name in _CAPABILITIES if not effective >> bit & 1)


def own_status() -> str:
    """What the kernel says of this process."""
    try:
        return Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def outward_address() -> str:
    """The address of this machine with the default route, else any that is not loopback; "" without one."""
    for family, there in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asked:
                asked.connect((there, 9))
                address = str(asked.getsockname()[0])
        except OSError:
            continue
        if address.partition("%")[0] not in ("0.0.0.0", "::", "127.0.0.1", "::1"):  # noqa: S104 # compared with
            return address
    return next(iter(machine_addresses()), "")


def resolves(name: str, seconds: float = _RESOLVE_SECONDS) -> bool:
    """Whether a host name resolves within `seconds`."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(bool(socket.getaddrinfo(name, None)))
        except (OSError, UnicodeError):
            answers.append(False)

    # A thread that may be left behind: the resolver itself can take much longer.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answers == [True]
