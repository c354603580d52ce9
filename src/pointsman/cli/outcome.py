"""How a command can end: its exit status, and the failures that lead to one.

Invariant: every failure prints one clear line (or one per fault) and never a traceback.
"""

from __future__ import annotations

import enum

from pointsman.schema.problem import Problem

_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """The text with control characters, line breaks and direction marks as escapes."""
    return "".join(
        c if (c.isprintable() or c == " ") and c not in _DIRECTION else c.encode("unicode_escape").decode()
        for c in text
    )


class Exit(enum.IntEnum):
    """Exit statuses of the local commands."""

    OK = 0
    INVALID = 1
    WARNINGS = 2
    """Applied, or valid, with something to know."""
    REFUSED = 3
    """The engine did not take it; the last good configuration serves."""
    UNREACHABLE = 4


class Unreachable(Exception):
    """No instance answers; the message says where it was looked for and what to do."""


class Rejected(Exception):
    """The instance refused the request; `problems` say why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
