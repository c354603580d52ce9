"""What the kernel says of this machine: its addresses, for the names in its certificate, and what this process may do.

Invariant: asking never fails; where the kernel does not tell, the answer is empty.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

_IPV4 = Path("/proc/net/fib_trie")
_IPV6 = Path("/proc/net/if_inet6")


def machine_addresses() -> tuple[str, ...]:
    """Addresses of this network namespace, without loopback and link-local ones, sorted."""
    found = {*local_ipv4(_text(_IPV4)), *local_ipv6(_text(_IPV6))}
    useful = (ipaddress.ip_address(text) for text in found)
    kept = [address for address in useful if not (address.is_loopback or address.is_link_local)]
    return tuple(str(address) for address in sorted(kept, key=lambda a: (a.version, int(a))))


def local_ipv4(fib_trie: str) -> set[str]:
    """Local addresses in the kernel's routing table: a leaf `|-- address`, then a line `/32 host LOCAL`."""
    found: set[str] = set()
    address = ""
    for line in fib_trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            address = words[1]
        elif words == ["/32", "host", "LOCAL"] and address:
            found.add(address)
    return found


def local_ipv6(if_inet6: str) -> set[str]:
    """Addresses in the kernel's list, whose lines begin with 32 hexadecimal digits."""
    return {str(ipaddress.IPv6Address(int(line[:32], 16))) for line in if_inet6.splitlines() if line}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def can_become(user: int) -> bool:
    """Whether a child of this process may give up root for that user and group; a container may forbid it."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(())
            os.setgid(user)
            os.setuid(user)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
