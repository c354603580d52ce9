"""Turns the changes of one transaction into the register writes that make them.

Pure but for the source of new uids. Invariant: a draft writes only what differs from what is there, so an
empty draft means that nothing changes; and each change is understood against the names as the changes before
it left them (a reference may also name an object that a later change of the same transaction makes).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind
from pointsman.store.change import Change, Delete, Put, Rename
from pointsman.store.error import NameTaken, UnknownObject
from pointsman.store.json_text import equal
from pointsman.store.register import Cell
from pointsman.store.shape import CONTENT, EXISTENCE, NAME, Shape, Values, digest_of
from pointsman.store.view import Shapes, View, identity_of

UID_DIGITS = 16


@dataclass(frozen=True)
class Draft:
    """Values to write (None deletes), and the blobs that they name, by SHA-256."""

    writes: Mapping[Cell, Any]
    blobs: Mapping[str, bytes]

    @property
    def objects(self) -> tuple[str, ...]:
        """The keys of the objects that are written."""
        return tuple(dict.fromkeys(cell.object for cell in self.writes))


class _Arrival(NamedTuple):
    """The change at `position` gives a name to the object of `key`."""

    position: int
    key: str


class _Names:
    """The names of a view with the changes up to `position` on top."""

    def __init__(
        self, view: View, coming: Mapping[ObjectId, Sequence[_Arrival]] = MappingProxyType({})
    ) -> None:
        """`coming` are the names that the changes after `position` will give."""
        self._view = view
        self._coming = coming
        self._to_be = {
            each.key: name.name for name, arrivals in coming.items() for each in reversed(arrivals)
        }
        self._live: dict[ObjectId, str | None] = {}
        self._named: dict[str, str] = {}
        self._dead: dict[ObjectId, str | None] = {}
        self.position = 0
        self.arrivals: dict[ObjectId, list[_Arrival]] = {}

    def live(self, identity: ObjectId) -> str | None:
        return self._live[identity] if identity in self._live else self._view.find(identity)

    def find(self, identity: ObjectId) -> str | None:
        uid = self.live(identity)
        if uid is None:
            coming = self._coming.get(identity, ())
            uid = next(
                (each.key.rpartition("/")[2] for each in coming if each.position > self.position), None
            )
        return uid

    def name_of(self, type_path: str, uid: str) -> str | None:
        key = f"{type_path}/{uid}"
        if key in self._named:
            return self._named[key]
        known = self._view.name_of(type_path, uid)
        return self._to_be.get(key) if known is None else known

    def deleted(self, identity: ObjectId) -> str | None:
        """The key of the last deleted object of that name."""
        return self._dead[identity] if identity in self._dead else self._view.deleted(identity)

    def known(self, key: str) -> bool:
        return key in self._named or key in self._view.names

    def add(self, identity: ObjectId, key: str) -> None:
        if self.live(identity) is None:
            self.arrivals.setdefault(identity, []).append(_Arrival(self.position, key))
        self._live[identity] = key.rpartition("/")[2]
        self._named[key] = identity.name
        if self.deleted(identity) == key:
            self._dead[identity] = None

    def remove(self, identity: ObjectId, key: str) -> None:
        self._live[identity] = None
        self._dead[identity] = key

    def rename(self, identity: ObjectId, name: str, key: str) -> None:
        self._live[identity] = None
        self.add(ObjectId(identity.type, name), key)


def draft(
    view: View,
    shapes: Shapes,
    changes: Sequence[Change],
    values_of: Callable[[str], Values],
    *,
    stamp: int,
    new_uid: Callable[[], str] = lambda: secrets.token_hex(UID_DIGITS // 2),
) -> Draft:
    """What to write for `changes`, in their order.

    `values_of` gives the live registers of an object key, `stamp` becomes the creation stamp of new objects.
    Raises `EditRefused`: an unknown object, type or key, a name that is taken.
    """
    planned = _Names(view)
    keys = []
    for planned.position, change in enumerate(changes):
        keys.append(_settle(planned, shapes, change, new_uid))
    return _Writer(view, shapes, values_of, stamp, _Names(view, planned.arrivals)).run(changes, keys)


def _settle(names: _Names, shapes: Shapes, change: Change, new_uid: Callable[[], str]) -> str:
    """Makes a change to the names, and gives the key of its object."""
    identity = change.identity
    shape = shapes.get(identity.type)
    if shape is None:
        raise UnknownObject(identity, f'there is no type "{identity.type}"; correct it')
    uid = names.live(identity)
    if uid is None and not isinstance(change, Put):
        raise UnknownObject(identity)
    key = _key_for(names, shape, identity, new_uid) if uid is None else f"{identity.type}/{uid}"
    match change:
        case Put():
            names.add(identity, key)
        case Delete():
            names.remove(identity, key)
        case Rename(_, name):
            _rename(names, shape, identity, key, name)
    return key


def _rename(names: _Names, shape: Shape, identity: ObjectId, key: str, name: str) -> None:
    target = ObjectId(identity.type, name)
    if shape.kind.kind is Kind.SINGLETON or not name:
        raise NameTaken(identity, name) if name else UnknownObject(target, "an object needs a name; give one")
    if target == identity:
        return
    if names.live(target) is not None:
        raise NameTaken(identity, name)
    names.rename(identity, name, key)


def _key_for(names: _Names, shape: Shape, identity: ObjectId, new_uid: Callable[[], str]) -> str:
    # An object made again under its old name goes on where it was deleted: its history, and references to it,
    # hold.
    if (deleted := names.deleted(identity)) is not None:
        return deleted
    # Objects that every member knows without being told have the same uid on each, so that first edits merge.
    if shape.kind.kind is Kind.SINGLETON or identity.name in shape.kind.factory:
        key = f"{identity.type}/{sha256(str(identity).encode()).hexdigest()[:UID_DIGITS]}"
        if not names.known(key):
            return key
    return f"{identity.type}/{new_uid()}"


class _Writer:
    """Carries out the changes of one transaction on copies of the registers they touch."""

    def __init__(
        self, view: View, shapes: Shapes, values_of: Callable[[str], Values], stamp: int, names: _Names
    ) -> None:
        self._view = view
        self._shapes = shapes
        self._values_of = values_of
        self._stamp = stamp
        self._names = names
        self._before: dict[str, Values] = {}
        self._now: dict[str, dict[str, Any]] = {}
        self._used: dict[str, frozenset[ObjectId]] = {}
        self._blobs: dict[str, bytes] = {}
        self._gone: set[str] = set()

    def run(self, changes: Sequence[Change], keys: Sequence[str]) -> Draft:
        for self._names.position, (change, key) in enumerate(zip(changes, keys, strict=True)):
            match change:
                case Put(identity, settings):
                    self._put(identity, key, settings)
                case Delete(identity):
                    self._values(key).pop(EXISTENCE, None)
                    self._names.remove(identity, key)
                    if key in self._view.kept:  # deleted anew, now with knowledge of what refers to it
                        self._gone.add(key)
                case Rename(identity, name):
                    self._rename(identity, key, name)
        writes: dict[Cell, Any] = {}
        for key, now in self._now.items():
            before = self._before[key]
            if EXISTENCE not in before and EXISTENCE not in now and not self._must_be_known(key):
                continue  # it came and went within the transaction
            for name in sorted(before.keys() | now.keys()):
                value, old = now.get(name), before.get(name)
                if not equal(value, old):
                    writes[Cell(key, name)] = value
        for key in self._gone:
            if EXISTENCE not in self._now[key]:
                writes[Cell(key, EXISTENCE)] = None
        named = {value for cell, value in writes.items() if cell.property == CONTENT}
        return Draft(writes, {digest: blob for digest, blob in self._blobs.items() if digest in named})

    def _must_be_known(self, key: str) -> bool:
        """Whether something refers to the uid of an object that no register tells the name of yet."""
        identity = identity_of(key, self._now[key][NAME])
        return key not in self._view.names and any(identity in used for used in self._used.values())

    def _values(self, key: str) -> dict[str, Any]:
        if key not in self._now:
            self._before[key] = self._values_of(key)
            self._now[key] = dict(self._before[key])
        return self._now[key]

    def _put(self, identity: ObjectId, key: str, settings: Mapping[str, Any]) -> None:
        values = self._values(key)
        shape = self._shapes[identity.type]
        if EXISTENCE not in values:
            values[EXISTENCE] = self._before[key].get(EXISTENCE, self._stamp)
        # The name that an object shows because its own went to an older one does not become its own by an edit.
        if self._view.shown.get(key) != identity.name or NAME not in values:
            values[NAME] = identity.name
        self._names.add(identity, key)
        self._write(key, shape.write(identity, values, settings, self._names))
        self._used[key] = shape.uses(settings)
        if shape.kind.kind is Kind.FILE:
            self._blobs[digest_of(settings["content"])] = settings["content"]

    def _rename(self, identity: ObjectId, key: str, name: str) -> None:
        if name == identity.name:
            return
        target = ObjectId(identity.type, name)
        users = [user for user in self._view.users_of((identity,)) if user not in self._used]
        users += [user for user, used in self._used.items() if identity in used]
        said = {user: self._read(user) for user in users if EXISTENCE in self._values(user)}
        self._values(key)[NAME] = name
        self._values(key).setdefault(EXISTENCE, self._stamp)  # who renames what is only kept wants to have it
        self._names.rename(identity, name, key)
        for user, settings in said.items():
            # References by uid read the new name already; those that held the bare name get the uid now.
            shape = self._shapes[user.rpartition("/")[0]]
            owner = identity_of(user, self._values(user)[NAME])
            wanted = shape.follow(settings, identity, name)
            self._write(user, shape.write(owner, self._values(user), wanted, self._names))
            self._used[user] = self._used.get(user, self._view.used.get(user, frozenset())) - {identity} | {
                target
            }

    def _read(self, key: str) -> Mapping[str, Any]:
        return self._shapes[key.rpartition("/")[0]].read(self._values(key), self._names, lambda _: b"")

    def _write(self, key: str, writes: Mapping[str, Any]) -> None:
        values = self._values(key)
        for name, value in writes.items():
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
