"""Gathers what is to be said about objects while a plan is made.

Invariant: conditions come out in a fixed order (by object, then as they were made) and none twice, so that equal
configurations give equal plans.
"""

from __future__ import annotations

from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId


class Remarks:
    """The conditions found so far. Each message says what is the case and what to do about it."""

    def __init__(self) -> None:
        self._found: dict[Condition, None] = {}

    def notice(self, subject: ObjectId, code: str, message: str, *path: str) -> None:
        """In force, but a key is stored only, or acted on approximately."""
        self._found[Condition(subject, Standing.NOTICE, code, message, path)] = None

    def warn(self, subject: ObjectId, code: str, message: str, *path: str) -> None:
        """In force, with a part of it missing."""
        self._found[Condition(subject, Standing.WARNING, code, message, path)] = None

    def reject(self, subject: ObjectId, code: str, message: str, *path: str) -> None:
        """Left out altogether."""
        self._found[Condition(subject, Standing.REJECTED, code, message, path)] = None

    def found(self) -> tuple[Condition, ...]:
        """All conditions in the order they were made."""
        return tuple(self._found)

    def repeat(self, said: tuple[Condition, ...]) -> None:
        """Says again what was found before."""
        self._found.update(dict.fromkeys(said))

    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, by object."""
        return tuple(sorted(self._found, key=lambda condition: condition.subject))
