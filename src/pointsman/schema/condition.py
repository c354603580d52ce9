"""What an administrator should know about an object as it is now: in force, left out and why, or only partly acted on.

Invariant: a condition is derived anew from each compile and apply; it is never stored as configuration.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pointsman.schema.problem import ObjectId


class Standing(enum.Enum):
    """How an object fares in the configuration in force."""

    APPLIED = "applied"
    NOTICE = "notice"
    """In force, with a key that is stored and not yet acted on, or acted on approximately."""
    WARNING = "warning"
    """In force, with part of it missing (a dangling reference, a name that does not resolve)."""
    REJECTED = "rejected"
    """Left out; the rest of the configuration serves."""


@dataclass(frozen=True)
class Condition:
    """One remark on one object; `path` is section, key and, in a table, row and column.

    `code` is stable for scripts.
    """

    subject: ObjectId
    standing: Standing
    code: str
    message: str
    path: tuple[str, ...] = ()
