"""Differences of configurations as a page shows them.

Pure. Invariant: no line is longer than a page can hold, and how many were left out is said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.document.difference import KeyChange, ObjectChange

MOST_OBJECTS = 200
MOST_KEYS = 50
_LONGEST = 300


@dataclass(frozen=True)
class ChangedObject:
    """One object: its name, "created", "changed" or "deleted", and its fields with both values as text."""

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
    return ".".join(change.path), _text(change.before), _text(change.after)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
