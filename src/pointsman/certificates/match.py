"""Which names answer to which host.

Pure. Invariant: `*` stands for one whole label at the left, as in TLS and in HAProxy's certificate lists; names compare
without regard to case.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def answers(name: str, host: str) -> bool:
    """Whether a certificate's name, or a pattern such as "*.example.com", is right for a host."""
    name, host = _plain(name), _plain(host)
    if name == host:
        return bool(host)
    if not name.startswith("*.") or _is_address(host):
        return False
    label, dot, rest = host.partition(".")
    return bool(label and dot) and rest == name[2:]


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of a certificate's names is right for a host; a pattern is covered by the same pattern alone."""
    return any(answers(name, host) for name in names)


def _plain(text: str) -> str:
    text = text.strip().rstrip(".").lower()
    try:
        return text if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        return text


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
