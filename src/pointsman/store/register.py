"""The merge core: last-writer-wins registers under hybrid logical stamps.

Pure. Invariant: applying entries is commutative, associative and idempotent, so every member that has seen
the same entries, in any order and any number of times, holds the same registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_DIGITS = 19


class Cell(NamedTuple):
    """Where a register is: the object's key ("pools/5f0c...") and the property ("basic.note")."""

    object: str
    property: str


class Stamp(NamedTuple):
    """When and where a register was written; the origin decides between equal times."""

    hlc: int
    origin: str


class Register(NamedTuple):
    """A value with its stamp. Of the text nothing matters here but which key seals it; None is a deleted value."""

    value: str | None
    stamp: Stamp


@dataclass(frozen=True)
class Entry:
    """What one transaction writes, all of it under one stamp.

    `saw` holds the stamps of the registers that its writer overwrote: a write that another member made meanwhile
    has a greater one, and so tells that neither writer knew of the other. `resealed` are cells that keep the stamp
    in `saw`: their values are the same as before, sealed with another key, and must not win over a later edit.
    """

    stamp: Stamp
    writes: Mapping[Cell, str | None]
    saw: Mapping[Cell, Stamp] = field(default_factory=dict)
    resealed: frozenset[Cell] = frozenset()

    def register(self, cell: Cell) -> Register:
        """What the entry makes of a cell."""
        return Register(self.writes[cell], self.saw[cell] if cell in self.resealed else self.stamp)


def merge(present: Mapping[Cell, Register], entry: Entry) -> dict[Cell, Register]:
    """The registers that an entry changes; `present` needs to hold only those the entry writes."""
    won: dict[Cell, Register] = {}
    for cell in entry.writes:
        register = entry.register(cell)
        held = present.get(cell)
        if held is None or _precedence(register) > _precedence(held):
            won[cell] = register
    return won


def _precedence(register: Register) -> tuple[Stamp, int, bool, str]:
    # An origin never uses a stamp twice, but for a value under another key; should a restored disk make it do so,
    # the members must still agree.
    value = register.value
    return register.stamp, generation_of(value), value is not None, value or ""


def generation_of(value: str | None) -> int:
    """The generation of the key that seals a value; 0 for a value in clear, or none."""
    if value is None or not value.startswith("!"):
        return 0
    number = value[1:].partition(":")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= _DIGITS else 0
