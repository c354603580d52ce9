"""The configuration at one moment, made from registers: objects by name, and the index that leads from names
to uids.

Pure. Invariant: a `View` never changes. The next one shares every object with it that did not change, so
readers may tell by identity (`is`) what did.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.store.shape import EXISTENCE, NAME, Shape, Values

Shapes = Mapping[str, Shape]
"""The shape of each resource type, by REST path."""

_NOTHING: frozenset[ObjectId] = frozenset()


class Objects(Mapping[ObjectId, Mapping[str, Any]]):
    """Sparse settings by identity, and the uid behind each identity. Nothing in it may be modified."""

    __slots__ = ("_settings", "_uids")

    def __init__(self, settings: Mapping[ObjectId, Mapping[str, Any]], uids: Mapping[ObjectId, str]) -> None:
        self._settings = settings
        self._uids = uids

    def __getitem__(self, identity: ObjectId) -> Mapping[str, Any]:
        return self._settings[identity]

    def __iter__(self) -> Iterator[ObjectId]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __contains__(self, identity: object) -> bool:
        return identity in self._settings

    def __repr__(self) -> str:
        return f"Objects({len(self._settings)})"  # settings hold secrets

    def uid(self, identity: ObjectId) -> str | None:
        """What stays the same of an object when it is renamed; None where there is no such object."""
        return self._uids.get(identity)

    def only(self, types: Container[str]) -> Objects:
        """Those of the given types; the very same object when that is all of them."""
        if all(identity.type in types for identity in self._settings):
            return self
        kept = {identity: value for identity, value in self._settings.items() if identity.type in types}
        return Objects(kept, {identity: self._uids[identity] for identity in kept})

    def changed(
        self, settings: Mapping[ObjectId, Mapping[str, Any] | None], uids: Mapping[ObjectId, str]
    ) -> Objects:
        """These objects with some put (or, for None, taken away)."""
        all_settings, all_uids = dict(self._settings), dict(self._uids)
        for identity, value in settings.items():
            if value is None:
                all_settings.pop(identity, None)
                all_uids.pop(identity, None)
            else:
                all_settings[identity] = value
                all_uids[identity] = uids[identity]
        return Objects(all_settings, all_uids)


@dataclass(frozen=True)
class Source:
    """The registers of one object as they lie in the store.

    `deleted_at` is the stamp of the existence register (it says which of several deleted objects of one name
    was the last), `revision` the number of the last transaction that wrote any of them, `sealed` the properties
    whose values nobody can read here for want of their key.
    """

    values: Values
    deleted_at: int
    revision: int
    sealed: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """`names` knows deleted objects too; `dead` is the last deleted object of a name; `used` what each object
    refers to.

    All but `objects` go by object key: the type's path, "/" and the uid.
    """

    objects: Objects
    revision: int
    names: Mapping[str, str]
    dead: Mapping[ObjectId, str]
    revisions: Mapping[str, int]
    used: Mapping[str, frozenset[ObjectId]]

    def find(self, identity: ObjectId) -> str | None:
        """The uid of the live object of that name."""
        return self.objects.uid(identity)

    def name_of(self, type_path: str, uid: str) -> str | None:
        """The last name of an object, deleted or not."""
        return self.names.get(f"{type_path}/{uid}")

    def key_of(self, identity: ObjectId) -> str | None:
        """The key of the live object of that name, else of the last one that was deleted."""
        uid = self.find(identity)
        return self.dead.get(identity) if uid is None else f"{identity.type}/{uid}"

    def users_of(self, identities: Iterable[ObjectId]) -> list[str]:
        """The keys of live objects that refer to any of these by name."""
        wanted = frozenset(identities)
        return [key for key, used in self.used.items() if not used.isdisjoint(wanted)] if wanted else []


EMPTY = View(Objects({}, {}), 0, {}, {}, {}, {})


def identity_of(key: str, name: str) -> ObjectId:
    """The identity of the object of a key and name."""
    return ObjectId(key.rpartition("/")[0], name)


def build(shapes: Shapes, sources: Mapping[str, Source], revision: int, blob: Callable[[str], bytes]) -> View:
    """The view of all registers; objects of types that `shapes` does not know are left out."""
    return advance(EMPTY, shapes, sources, revision=revision, blob=blob, source=lambda key: sources[key])


def advance(
    view: View,
    shapes: Shapes,
    written: Mapping[str, Source],
    *,
    revision: int,
    blob: Callable[[str], bytes],
    source: Callable[[str], Source],
) -> View:
    """The view after a transaction that left the objects of `written` (key -> registers) as they are there.

    `source` gives the registers of other objects: of those that refer to what was renamed.
    """
    written = {key: found for key, found in written.items() if key.rpartition("/")[0] in shapes}
    names, dead, revisions, used = dict(view.names), dict(view.dead), dict(view.revisions), dict(view.used)
    deleted_at: dict[ObjectId, int] = {}
    left: set[ObjectId] = set()
    for key, found in written.items():
        name: str = found.values.get(NAME, "")
        before, after = identity_of(key, names.get(key, name)), identity_of(key, name)
        names[key] = name
        revisions[key] = found.revision
        if before != after:
            left.add(before)
        if dead.get(before) == key:
            del dead[before]
        if EXISTENCE not in found.values and found.deleted_at > deleted_at.get(after, -1):
            dead[after] = key
            deleted_at[after] = found.deleted_at
    after_names = View(view.objects, revision, names, dead, revisions, used)
    settings: dict[ObjectId, Mapping[str, Any] | None] = {}
    uids: dict[ObjectId, str] = {}
    for key in written:
        if key in view.names and view.key_of(identity := identity_of(key, view.names[key])) == key:
            settings[identity] = None
    for key in {**written, **dict.fromkeys(view.users_of(left))}:
        values = (written[key] if key in written else source(key)).values
        if EXISTENCE not in values:
            used.pop(key, None)
            continue
        shape = shapes[key.rpartition("/")[0]]
        identity = identity_of(key, names[key])
        read = shape.read(values, after_names, blob)
        old = view.objects.get(identity_of(key, view.names[key])) if key in view.names else None
        settings[identity] = old if old is not None and old == read else read
        uids[identity] = key.rpartition("/")[2]
        if uses := shape.uses(read):
            used[key] = uses
        else:
            used.pop(key, None)
    return View(view.objects.changed(settings, uids), revision, names, dead, revisions, used)
