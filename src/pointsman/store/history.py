"""What happened: transactions with their effect on each field, and the way back to an earlier configuration.

Pure. Invariant: no record holds a secret; where one changed it shows "***" and a fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Key, Kind, ValueKind
from pointsman.store.change import Author, Change, Delete, Put, Rename
from pointsman.store.json_text import canonical, equal
from pointsman.store.shape import Shape, digest_of
from pointsman.store.view import Objects

Fingerprint = Callable[[Any], str]
State = tuple[ObjectId, Mapping[str, Any]]
"""An object at one moment: what it is called, and its settings."""


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One field before and after; None where it was not set.

    `path` is empty for the object itself, whose value is its name; else section and key, for an element of a
    set the element, for a row of a table its key and, where the row was there before, the column. The names
    are those of the time of the change. Files show {"bytes": size, "sha256": digest}.
    """

    identity: ObjectId
    path: tuple[str, ...]
    before: Any
    after: Any


@dataclass(frozen=True)
class Transaction:
    """One commit. `sequence` counts the commits of `origin`, `revision` those that this member has seen.

    `hlc` is the stamp of all it wrote, `time` the wall clock in Unix seconds.
    """

    revision: int
    origin: str
    sequence: int
    hlc: int
    time: float
    author: Author
    reason: str
    changes: tuple[ChangeRecord, ...]

    def touches(self, key_path: tuple[str, ...]) -> bool:
        """Whether a field was changed: this one, a part of it, or the row it belongs to coming or going."""
        return any(
            record.path[: len(key_path)] == key_path
            # Of what is longer than section and key, the part before is a row; it came or went as a whole.
            or (len(record.path) >= 3 and key_path[: len(record.path)] == record.path)
            for record in self.changes
        )


@dataclass(frozen=True)
class Glance:
    """A transaction with what it did to some of its objects; `more` are left out."""

    transaction: Transaction
    more: int


def compare(
    shape: Shape, before: State | None, after: State | None, fingerprint: Fingerprint
) -> Iterator[ChangeRecord]:
    """The fields in which an object differs; None is an object that does not exist."""
    state = after or before
    if state is None:
        return
    identity = state[0]
    names = (before and before[0].name, after and after[0].name)
    if names[0] != names[1] or before is None or after is None:
        yield ChangeRecord(identity, (), names[0] if before else None, names[1] if after else None)
    old, new = before[1] if before else {}, after[1] if after else {}
    if shape.kind.kind is Kind.FILE:
        contents = (old.get("content"), new.get("content"))
        if contents[0] != contents[1]:
            yield ChangeRecord(identity, ("content",), *map(_described, contents))
        return
    for section in sorted(old.keys() | new.keys()):
        was, now = old.get(section, {}), new.get(section, {})
        for name in sorted(was.keys() | now.keys()):
            key = shape.kind.key(section, name)
            if key is not None and not equal(was.get(name), now.get(name)):
                for path, *values in _parts(key, was.get(name), now.get(name), fingerprint):
                    yield ChangeRecord(identity, (section, name, *path), *values)


def _described(content: bytes | None) -> Any:
    return None if content is None else {"bytes": len(content), "sha256": digest_of(content)}


def _parts(
    key: Key, before: Any, after: Any, fingerprint: Fingerprint
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    def masked(value: Any) -> Any:
        return value if key.secret is None or value is None else fingerprint(value)

    if key.secret is not None or key.kind not in (ValueKind.LIST, ValueKind.TABLE):
        yield (), masked(before), masked(after)
        return
    if key.kind is ValueKind.TABLE:
        yield from _rows(key, before, after, fingerprint)
    elif key.unordered and before and after and sorted(before) != sorted(after):
        for element in sorted({*before} ^ {*after}):
            yield (element,), element if element in before else None, element if element in after else None
    else:
        yield (), before, after


def _rows(
    key: Key, before: Any, after: Any, fingerprint: Fingerprint
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    secret = {column.name for column in key.columns if column.secret is not None}

    def masked(column: str, value: Any) -> Any:
        return fingerprint(value) if column in secret and value is not None else value

    def shown(row: Mapping[str, Any] | None) -> Any:
        return row and {column: masked(column, value) for column, value in row.items()}

    if not key.row_key or key.row_key in secret:
        old, new = ([shown(row) for row in rows] if rows is not None else None for rows in (before, after))
        yield (), old, new
        return
    was = {str(row[key.row_key]): row for row in before or ()}
    now = {str(row[key.row_key]): row for row in after or ()}
    if (not was and not now) or ([*was] != [*now] and was.keys() == now.keys()):
        # Set to nothing, unset, or put into another order: the field as a whole, by its row keys.
        yield (), None if before is None else [*was], None if after is None else [*now]
    for label in sorted(was.keys() | now.keys()):
        if label not in was or label not in now:
            yield (label,), shown(was.get(label)), shown(now.get(label))
            continue
        for column in sorted(was[label].keys() | now[label].keys()):
            left, came = was[label].get(column), now[label].get(column)
            if not equal(left, came):
                yield (label, column), masked(column, left), masked(column, came)


def to_text(records: Iterable[ChangeRecord]) -> str:
    """Records as they lie in the log."""
    return canonical([[*record.identity, record.path, record.before, record.after] for record in records])


def from_text(text: str) -> tuple[ChangeRecord, ...]:
    """Records out of the log."""
    return tuple(
        ChangeRecord(ObjectId(kind, name), tuple(path), before, after)
        for kind, name, path, before, after in json.loads(text)
    )


def changes_between(now: Objects, then: Objects) -> tuple[Change, ...]:
    """The changes that lead from one configuration to another: what a restore commits.

    An object that was renamed in between is renamed back, so that its history goes on.
    """
    called = {(identity.type, then.uid(identity)): identity for identity in then}
    renames: dict[ObjectId, str] = {}
    for identity in now:
        target = called.get((identity.type, now.uid(identity)))
        if target is not None and target != identity:
            renames[identity] = target.name
    sources = {ObjectId(identity.type, name): identity for identity, name in renames.items()}
    deletes = [
        identity
        for identity in now
        if (identity.type, now.uid(identity)) not in called and (identity not in then or identity in sources)
    ]
    remains = now.keys() - renames.keys() - {*deletes}
    moved = {identity.name for identity in (*renames, *sources)}
    puts = []
    for identity, settings in then.items():
        source = sources.get(identity, identity if identity in remains else None)
        # A reference follows the renaming of its object, which may be away from what it said then.
        if source is None or now[source] != settings or (moved and _mentions(settings, moved)):
            puts.append(Put(identity, settings))
    return (*map(Delete, deletes), *_ordered(renames, now.keys() - {*deletes}), *puts)


def _mentions(value: Any, names: set[str]) -> bool:
    match value:
        case str():
            return value in names or value[1:] in names
        case Mapping():
            return any(_mentions(part, names) for part in value.values())
        case list() | tuple():
            return any(_mentions(part, names) for part in value)
        case _:
            return False


def _ordered(renames: Mapping[ObjectId, str], live: Set[ObjectId]) -> Iterator[Rename]:
    """Renames in an order in which each new name is free; names that go round in a circle take a detour."""
    waiting = dict(renames)
    taken = {*live}
    while waiting:
        ready = [i for i, name in waiting.items() if ObjectId(i.type, name) not in taken]
        if not ready:
            identity, name = waiting.popitem()
            aside = ObjectId(identity.type, f"{identity.name}~")
            while aside in taken:
                aside = ObjectId(aside.type, f"{aside.name}~")
            yield Rename(identity, aside.name)
            taken ^= {identity, aside}
            waiting[aside] = name
            continue
        identity = ready[0]
        name = waiting.pop(identity)
        yield Rename(identity, name)
        taken ^= {identity, ObjectId(identity.type, name)}
