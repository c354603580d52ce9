"""Differences of configurations as a page shows them.

Pure. Invariant: no line is longer than a page can hold, and how many were left out is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pointsman.document.difference import KeyChange, ObjectChange
from pointsman.web.ui.value_text import value_text

MOST_OBJECTS = 200
MOST_KEYS = 50
_LONGEST = 300


@dataclass(frozen=True)
class ChangedObject:
    """One object: its name, "created", "changed", "deleted" or "renamed", and its fields with both values as text."""

    subject: str
    act: str
    fields: tuple[tuple[str, str, str], ...]
    more: int


def changed_objects(changes: Sequence[ObjectChange]) -> tuple[ChangedObject, ...]:
    """The first changes; the caller knows how many there are."""
    return tuple(
        ChangedObject(
            str(change.subject),
            change.act,
            tuple(map(_field, change.keys[:MOST_KEYS])),
            max(0, len(change.keys) - MOST_KEYS),
        )
        for change in changes[:MOST_OBJECTS]
    )


def _field(change: KeyChange) -> tuple[str, str, str]:
    return ".".join(change.path), value_text(change.before, _LONGEST), value_text(change.after, _LONGEST)
