"""The merge core: last-writer-wins registers under hybrid logical stamps.

Pure. Invariant: applying entries is commutative, associative and idempotent, so every member that has seen
the same entries, in any order and any number of times, holds the same registers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Cell(NamedTuple):
    """Where a register is: the object's key ("pools/5f0c...") and the property ("basic.note")."""

    object: str
    property: str


class Stamp(NamedTuple):
    """When and where a register was written; the origin decides between equal times."""

    hlc: int
    origin: str


class Register(NamedTuple):
    """A value with its stamp. The value is text that nobody looks into here; None is a deleted value."""

    value: str | None
    stamp: Stamp


@dataclass(frozen=True)
class Entry:
    """What one transaction writes, all of it under one stamp."""

    stamp: Stamp
    writes: Mapping[Cell, str | None]


def merge(present: Mapping[Cell, Register], entry: Entry) -> dict[Cell, Register]:
    """The registers that an entry changes; `present` needs to hold only those the entry writes."""
    won: dict[Cell, Register] = {}
    for cell, value in entry.writes.items():
        register = Register(value, entry.stamp)
        held = present.get(cell)
        if held is None or _precedence(register) > _precedence(held):
            won[cell] = register
    return won


def _precedence(register: Register) -> tuple[Stamp, bool, str]:
    # An origin never uses a stamp twice; should a restored disk make it do so, the members must still agree.
    return register.stamp, register.value is not None, register.value or ""
