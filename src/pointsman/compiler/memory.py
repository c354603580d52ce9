"""What earlier compiles made of the same inputs, so that a change costs what it touches and not what is there.

Invariant: a plan made with a memory equals the plan made without. What is remembered is a value computed from `inputs`
alone, and the conditions found on the way; it is taken again only while the inputs are equal. An object that did not
change is the same object in the next snapshot, so that comparing it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pointsman.compiler.remark import Remarks
from pointsman.schema.condition import Condition

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """A result, what it was made from, and what was said meanwhile."""

    inputs: tuple[Any, ...]
    result: Any
    said: tuple[Condition, ...]


class Memory:
    """The results of the last compile by place: what is made, and for which object. One compile uses it at a time."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], _Known] = {}
        self._next: dict[tuple[str, str], _Known] = {}

    def recall(
        self, what: str, name: str, inputs: tuple[Any, ...], make: Callable[[Remarks], T], remarks: Remarks
    ) -> T:
        """What `make` gives for `inputs`, remembered or made now; what it says goes to `remarks` either way.

        `make` must depend on nothing but `inputs`, `what` and `name`.
        """
        place = (what, name)
        known = self._last.get(place)
        # Tuples compare their elements by identity first.
        if known is None or known.inputs != inputs:
            own = Remarks()
            known = _Known(inputs, make(own), own.found())
        self._next[place] = known
        if known.said:
            remarks.repeat(known.said)
        return cast(T, known.result)

    def settled(self, what: str, value: T) -> T:
        """The value of the last compile when it equals this one: so that comparing it again costs nothing."""
        return self.recall(what, "", (value,), lambda _: value, Remarks())

    def turn(self) -> None:
        """Ends a compile: what it did not ask for is forgotten."""
        self._last, self._next = self._next, {}

    def copy(self) -> Memory:
        """A memory of the same results, for a compile that must leave no trace in this one."""
        other = Memory()
        other._last = dict(self._last)
        return other
