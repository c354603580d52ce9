"""Two edits of one object from a common origin, put together field by field.

Pure. Invariant: what only one side touched is taken from that side; where both touched a field and do not agree, it is
named as a clash and the choice decides, mine where there is none. Each column of a row of a table with a key, and each
element of a list without order, is a field of its own; a text is put together line by line where that is beyond doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.control.merge_lines import merge_lines
from pointsman.document.difference import fingerprint, value_in
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind

Choice = Literal["mine", "theirs"]
Settings = Mapping[str, Any]
Row = Mapping[str, Any]
Path = tuple[str, ...]
WHOLE: Path = ()
"""The path of a clash about whether the object exists at all."""


@dataclass(frozen=True)
class Clash:
    """A field that both sides changed, each to something else; `path` is section, key and, in a table, the row
    and the column, or the row alone where one side removed it.

    Values are fit to be shown: of secrets there are fingerprints only. None is a row, or an object, that is not there.
    """

    path: Path
    was: Any
    theirs: Any
    mine: Any

    @property
    def name(self) -> str:
        """The path as one word, as a form names it."""
        return ".".join(self.path) or "object"


@dataclass(frozen=True)
class Merged:
    """The settings that both edits make together, None for an object that is not to be; and the clashes on the way."""

    settings: Settings | None
    clashes: tuple[Clash, ...]


@dataclass(frozen=True)
class _Chosen:
    by_name: Mapping[str, Choice]
    otherwise: Choice

    def of(self, clash: Clash) -> Choice:
        return self.by_name.get(clash.name, self.otherwise)


def merge_three(
    kind: ResourceType,
    was: Settings | None,
    theirs: Settings | None,
    mine: Settings | None,
    choose: Mapping[str, Choice] | None = None,
    otherwise: Choice = "mine",
) -> Merged:
    """What becomes of an object that `was` this, is `theirs` now, and shall be `mine`; all sparse settings, None where
    there is no object. `choose` decides clashes by their names, `otherwise` those that it does not name.
    """
    chosen = _Chosen(choose or {}, otherwise)
    if theirs in (mine, was):
        return Merged(mine, ())
    if mine == was:
        return Merged(theirs, ())
    if was is None and mine is not None and theirs is not None:
        was = {}  # both made it: what they agree in is no clash
    if was is None or theirs is None or mine is None:
        clash = Clash(WHOLE, *(_presence(side) for side in (was, theirs, mine)))
        return Merged(theirs if chosen.of(clash) == "theirs" else mine, (clash,))
    if kind.kind is Kind.FILE:
        both = merge_lines(*(side.get("content", b"") for side in (was, theirs, mine)))
        if both is not None:
            return Merged({"content": both}, ())
        clash = Clash(("content",), *(_sketch(side.get("content")) for side in (was, theirs, mine)))
        return Merged(theirs if chosen.of(clash) == "theirs" else mine, (clash,))
    clashes: list[Clash] = []
    merged: dict[str, dict[str, Any]] = {}
    for key in kind.keys:
        if not any(key.name in side.get(key.section, ()) for side in (was, theirs, mine)):
            continue
        old, other, own = (value_in(key, side) for side in (was, theirs, mine))
        value, found = _merge_key(key, old, other, own, chosen)
        clashes += found
        if key.required or value != value_in(key, {}):
            merged.setdefault(key.section, {})[key.name] = value
    return Merged(merged, tuple(clashes))


def _merge_key(key: Key, was: Any, theirs: Any, mine: Any, chosen: _Chosen) -> tuple[Any, list[Clash]]:
    if theirs in (mine, was):
        return mine, []
    if mine == was:
        return theirs, []
    if key.kind is ValueKind.TABLE and key.row_key:
        return _merge_rows(key, was or [], theirs or [], mine or [], chosen)
    if key.kind is ValueKind.LIST and key.unordered:
        kept = [element for element in theirs if element in mine or element not in was]
        return [*kept, *(element for element in mine if element not in was and element not in kept)], []
    hide = fingerprint if key.secret is not None else _as_it_is
    clash = Clash((key.section, key.name), hide(was), hide(theirs), hide(mine))
    return (theirs if chosen.of(clash) == "theirs" else mine), [clash]


def _merge_rows(
    key: Key, was: list[Any], theirs: list[Any], mine: list[Any], chosen: _Chosen
) -> tuple[list[Any], list[Clash]]:
    """Row by row; the order is theirs, with what only mine has behind it."""
    sides = [{str(row[key.row_key]): row for row in rows} for rows in (was, theirs, mine)]
    rows: list[Any] = []
    clashes: list[Clash] = []
    for label in _labels(*sides):
        old, other, own = (side.get(label) for side in sides)
        value = own
        if own == old:
            value = other
        elif other not in (old, own):
            path = (key.section, key.name, label)
            if other is None or own is None:
                clash = Clash(path, *(_hidden(key, row) for row in (old, other, own)))
                clashes.append(clash)
                value = other if chosen.of(clash) == "theirs" else own
            else:
                value, found = _merge_columns(key, path, old or {}, other, own, chosen)
                clashes += found
        if value is not None:
            rows.append(value)
    return rows, clashes


def _merge_columns(
    key: Key, path: Path, was: Row, theirs: Row, mine: Row, chosen: _Chosen
) -> tuple[dict[str, Any], list[Clash]]:
    """A row that both sides have and changed: what one of them touched is kept of both, as the store does it."""
    secret = {column.name for column in key.columns if column.secret is not None}
    row: dict[str, Any] = {}
    clashes: list[Clash] = []
    for name in dict.fromkeys((*theirs, *mine)):
        old, other, own = was.get(name), theirs.get(name), mine.get(name)
        row[name] = other if own == old else own
        if other not in (old, own) and own != old:
            hide = fingerprint if name in secret else _as_it_is
            clash = Clash((*path, name), hide(old), hide(other), hide(own))
            clashes.append(clash)
            row[name] = other if chosen.of(clash) == "theirs" else own
    return row, clashes


def _labels(was: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> Iterator[str]:
    yield from dict.fromkeys((*theirs, *mine, *was))


def _hidden(key: Key, row: Mapping[str, Any] | None) -> Any:
    if row is None:
        return None
    secret = {column.name for column in key.columns if column.secret is not None}
    return {name: fingerprint(value) if name in secret else value for name, value in row.items()}


def _as_it_is(value: Any) -> Any:
    return value


def _presence(side: Settings | None) -> Any:
    return None if side is None else "is there"


def _sketch(content: bytes | None) -> Any:
    return None if content is None else f"{len(content)} bytes, {fingerprint(content.decode('latin-1'))}"
