"""Which members a member connects to.

Pure. Invariant: up to `FULL_MESH` members everybody connects to everybody; beyond, each to so few that the number of
connections of one member grows with the logarithm, and so many that the whole stays connected when some die.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

FULL_MESH = 32
RANDOM = 2
"""Neighbours that are chosen anew from time to time."""


def neighbours(own: str, members: Iterable[str], salt: float) -> set[str]:
    """The ids to connect to: all others, or some by rendezvous hashing and `RANDOM` more by `salt`."""
    others = sorted(set(members) - {own})
    if len(others) < FULL_MESH:
        return set(others)
    steady = math.ceil(math.log2(len(others) + 1))
    ranked = sorted(others, key=lambda other: _weight(*sorted((own, other))))
    shuffled = sorted(ranked[steady:], key=lambda other: _weight(own, other, repr(salt)))
    return {*ranked[:steady], *shuffled[:RANDOM]}


def _weight(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
