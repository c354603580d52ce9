"""What a transaction writes, as the text that lies in the log and travels between members.

A JSON list of lists: object, property, value (null: deleted), and where a register was overwritten the stamp that it
had, in two parts; then "sealed" where the value is the same as before under another key.

Pure. Invariant: `decode` of what `encode` gave is the entry; whatever else it is given it refuses with `ValueError`.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json

from pointsman.store.json_text import canonical
from pointsman.store.register import Cell, Entry, Stamp, generation_of
from pointsman.store.shape import CONTENT, is_digest

MOST_CHARACTERS = 1 << 27
"""Of the text of one transaction: twelve times what 10,000 objects that are made at once need."""

STAMP_LIMIT = 1 << 62
"""Stamps from here on are of no year that a clock can have; half of what the files can hold is left above them."""

_SEALED = "sealed"


def encode(entry: Entry) -> str:
    """The text of an entry."""
    ops: list[list[Any]] = []
    for cell, value in entry.writes.items():
        op: list[Any] = [*cell, value]
        if cell in entry.saw:
            op += entry.saw[cell]
        if cell in entry.resealed:
            op.append(_SEALED)
        ops.append(op)
    return canonical(ops)


def decode(stamp: Stamp, text: str) -> Entry:
    """The entry of a text; raises `ValueError`, which says what is wrong with it."""
    writes: dict[Cell, str | None] = {}
    saw: dict[Cell, Stamp] = {}
    resealed: set[Cell] = set()
    for op in loads(text):
        match op:
            case [str(key), str(name), str() | None as value, *rest]:
                cell = Cell(key, name)
            case _:
                raise ValueError("it holds what is not a write")
        kind, _, uid = key.rpartition("/")
        if not kind or not uid or (value is not None and not _is_value(value)):
            raise ValueError(f"the write to {key!r} {name!r} makes no sense")
        writes[cell] = value
        match rest:
            case []:
                continue
            case [int(hlc), str(origin)] if 0 <= hlc < STAMP_LIMIT:
                pass
            case [int(hlc), str(origin), "sealed"] if 0 <= hlc < STAMP_LIMIT and generation_of(value):
                resealed.add(cell)
            case _:
                raise ValueError(f"the write to {key!r} {name!r} does not say what it overwrote")
        saw[cell] = Stamp(hlc, origin)
    return Entry(stamp, writes, saw, frozenset(resealed))


def blob_named(cell: Cell, value: str | None) -> str | None:
    """The SHA-256 of the file that a register names, whatever type of object it belongs to."""
    if cell.property != CONTENT or value is None or not value.startswith('"'):
        return None
    digest = value[1:-1]
    return digest if is_digest(digest) else None


def loads(text: str) -> Any:
    """JSON as `canonical` would write it: no NaN; raises `ValueError`."""
    try:
        text.encode()
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _is_value(value: str) -> bool:
    if value.startswith("!"):
        return generation_of(value) > 0
    try:
        from_json(value, allow_inf_nan=False)
    except (ValueError, TypeError):
        loads(value)  # which says what is wrong, and takes some that the quick one does not
    return True


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
