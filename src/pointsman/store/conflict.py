"""What came of edits that were made apart, for people to look at: names that two objects have, deleted objects that are
still used, secrets without their key, and writes that lost to others without either writer knowing.

Invariant: it is the same on every member that holds the same registers, log and keys; no secret is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.schema.problem import ObjectId
from pointsman.store.change import Author
from pointsman.store.database import Database
from pointsman.store.history import compare
from pointsman.store.register import Cell, Register, Stamp
from pointsman.store.replay import Reader
from pointsman.store.rows import Head
from pointsman.store.secret import KeyMissing
from pointsman.store.shape import EXISTENCE, NAME
from pointsman.store.view import Shapes, View

_LOOKED_AT = 20
"""How many lost writes are looked at for each that is shown: many had the same value as the one that won."""

_NOBODY = Author("")


@dataclass(frozen=True)
class Conflict:
    """One thing that only a person can decide. `other` is the object that has the name, or that uses what was deleted;
    `fields` those that cannot be read; `author` and `time` (Unix seconds) tell who gave the name, or deleted, and when:
    "" and 0 where the log no longer knows.
    """

    code: Literal["name_clash", "deleted_but_used", "key_missing"]
    subject: ObjectId
    other: ObjectId | None
    author: Author
    time: float
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Superseded:
    """A write that lost to one whose writer did not know of it. `path` and values are as in a `ChangeRecord`."""

    identity: ObjectId
    path: tuple[str, ...]
    lost: Any
    kept: Any
    lost_by: Author
    lost_at: float
    kept_by: Author
    kept_at: float


def conflicts_of(view: View, database: Database) -> tuple[Conflict, ...]:
    """The conflicts of a view."""
    found: list[Conflict] = []
    for key in view.shown:
        registers = database.object(key).registers
        stamps = [registers[name].stamp for name in (NAME, EXISTENCE) if name in registers]
        owner = ObjectId(key.rpartition("/")[0], view.names[key])
        found.append(Conflict("name_clash", view.identity(key), owner, *_writer(database, max(stamps))))
    for key, user in view.kept.items():
        stamp = database.object(key).registers[EXISTENCE].stamp
        subject, other = view.identity(key), view.identity(user)
        found.append(Conflict("deleted_but_used", subject, other, *_writer(database, stamp)))
    for key, names in view.sealed.items():
        if view.in_force(key):
            fields = tuple(sorted({name.partition("/")[0] for name in names}))
            found.append(Conflict("key_missing", view.identity(key), None, _NOBODY, 0.0, fields))
    return tuple(sorted(found, key=lambda conflict: (conflict.code, conflict.subject)))


def _writer(database: Database, stamp: Stamp) -> tuple[Author, float]:
    head = database.head_at(stamp)
    return (_NOBODY, 0.0) if head is None else (head.author, head.time)


class Losses:
    """The writes that lost, out of a database."""

    def __init__(self, database: Database, reader: Reader, shapes: Shapes, view: View) -> None:
        self._database = database
        self._reader = reader
        self._shapes = shapes
        self._view = view
        self._heads: dict[Stamp, Head | None] = {}
        self._writes: dict[int, Mapping[Cell, str | None]] = {}

    def newest(self, limit: int) -> tuple[Superseded, ...]:
        """The last `limit` of them, the newest first."""
        found: list[Superseded] = []
        for cell, stamp in self._database.lost(limit * _LOOKED_AT):
            found.extend(self._superseded(cell, stamp))
            if len(found) >= limit:
                break
        return tuple(found[:limit])

    def _superseded(self, cell: Cell, stamp: Stamp) -> Iterator[Superseded]:
        shape = self._shapes.get(cell.object.rpartition("/")[0])
        if shape is None or cell.object not in self._view.names:
            return
        registers = self._database.object(cell.object).registers
        existence = registers.get(EXISTENCE)
        deleted = existence is not None and existence.value is None
        winner = existence if deleted else registers.get(cell.property)
        loser = self._head(stamp)
        if winner is None or loser is None or winner.stamp == stamp:
            return
        keeper = self._head(winner.stamp)
        lost = self._settings(cell, Register(self._written(loser, cell), stamp))
        kept = {} if deleted else self._settings(cell, winner)
        identity = self._view.identity(cell.object)
        told = (
            loser.author,
            loser.time,
            _NOBODY if keeper is None else keeper.author,
            0.0 if keeper is None else keeper.time,
        )
        if cell.property in (EXISTENCE, NAME):
            values = (lost.get(cell.property), kept.get(cell.property))
            if cell.property == EXISTENCE:
                values = ((lost and identity.name) or None, (kept and identity.name) or None)
            if values[0] != values[1]:
                yield Superseded(identity, (), *values, *told)
            return
        fingerprint = self._reader.fingerprint
        read = [shape.read(values, self._view, self._database.blob) for values in (lost, kept)]
        for record in compare(shape, (identity, read[0]), (identity, read[1]), fingerprint):
            yield Superseded(identity, record.path, record.before, record.after, *told)

    def _settings(self, cell: Cell, register: Register) -> dict[str, Any]:
        """What a register alone holds."""
        if register.value is None:
            return {}
        try:
            return {cell.property: self._reader.keys.open(cell, register.stamp, register.value)}
        except KeyMissing:
            return {}

    def _head(self, stamp: Stamp) -> Head | None:
        if stamp not in self._heads:
            self._heads[stamp] = self._database.head_at(stamp)
        return self._heads[stamp]

    def _written(self, head: Head, cell: Cell) -> str | None:
        if head.revision not in self._writes:
            self._writes[head.revision] = self._database.writes_of(head)
        return self._writes[head.revision].get(cell)
