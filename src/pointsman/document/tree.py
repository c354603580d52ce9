"""The values of a document with their positions, the same for YAML and JSON, and the limits both readers
keep.

Invariant: a tree is finite, at most `DEPTH_LIMIT` deep, has at most `VALUE_LIMIT` values counting each alias
in full, and no mapping in it has a key twice.
"""

from __future__ import annotations

from typing import NamedTuple

from pointsman.document.fault import Faulty, Place, syntax_fault

SIZE_LIMIT = 8 * 1024 * 1024
KEY_LIMIT = 1024
DEPTH_LIMIT = 32
"""Documents nest eight levels at most; the rest is room."""
VALUE_LIMIT = 300_000
"""Values of all files that are read together."""
ALIAS_LIMIT = 100_000
"""How many values all aliases of those files may stand for together."""


# Tuples, because a large configuration has hundreds of thousands of them.
class Scalar(NamedTuple):
    """A string, number, truth value or null; `text` is what the author wrote, so that `6.10` stays `6.10`."""

    value: str | int | float | bool | bytes | None
    text: str
    place: Place


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Node, ...]
    place: Place


class Entry(NamedTuple):
    """One key of a mapping with its value; `place` is the key's."""

    key: str
    value: Node
    place: Place


class Mapping(NamedTuple):
    """Keys and values in the author's order."""

    entries: tuple[Entry, ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value of `key`, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry.value
        return None


Node = Scalar | Sequence | Mapping


def mapping(entries: list[Entry], place: Place) -> Mapping:
    """A mapping of `entries`; a key that occurs twice is a fault at its second place."""
    seen: dict[str, Place] = {}
    for entry in entries:
        if len(entry.key) > KEY_LIMIT:
            message = f"the key is longer than {KEY_LIMIT} characters; write a key of the format"
            raise Faulty((syntax_fault(entry.place, message),))
        if entry.key in seen:
            first = seen[entry.key].line
            message = f'the key "{entry.key}" is already there in line {first}; keep one of them'
            raise Faulty((syntax_fault(entry.place, message),))
        seen[entry.key] = entry.place
    return Mapping(tuple(entries), place)


class Budget:
    """Counts the values of files that are read together against the limits, so that neither a small file can grow into
    a huge tree nor many files into a huge forest.
    """

    def __init__(self) -> None:
        self.values = 0
        self.aliased = 0

    def spend(self, place: Place, depth: int) -> None:
        """One more value at `depth`; raises `Faulty` past a limit."""
        self.values += 1
        if depth > DEPTH_LIMIT:
            raise Faulty((syntax_fault(place, f"is nested deeper than {DEPTH_LIMIT} levels; flatten it"),))
        if self.values > VALUE_LIMIT:
            raise Faulty(
                (syntax_fault(place, f"there are more than {VALUE_LIMIT} values up to here; describe less"),)
            )

    def spend_alias(self, place: Place, size: int) -> None:
        """An alias that stands for `size` values."""
        self.values += size
        self.aliased += size
        if self.aliased > ALIAS_LIMIT or self.values > VALUE_LIMIT:
            message = f"the aliases stand for more than {ALIAS_LIMIT} values; write the values out"
            raise Faulty((syntax_fault(place, message),))
