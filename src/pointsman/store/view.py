"""The configuration at one moment, made from registers: objects by name, and the index that leads from names
to uids.

Pure. Invariant: a `View` never changes. The next one shares every object with it that did not change, so
readers may tell by identity (`is`) what did.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pointsman.schema.problem import ObjectId
from pointsman.store.effective import kept_objects, shown_names
from pointsman.store.shape import EXISTENCE, NAME, Shape, Values

Shapes = Mapping[str, Shape]
"""The shape of each resource type, by REST path."""

V = TypeVar("V")


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


@dataclass(frozen=True, slots=True)
class Source:
    """The registers of one object as they lie in the store.

    `deleted_at` is the stamp of its deletion, 0 when it never existed, `revision` the number of the last transaction
    that wrote any of them, `sealed` the properties whose values nobody can read here for want of their key, `refers`
    the stamps of its references by the keys of what they refer to, `claim` the stamp since which it claims what it
    listens on.
    """

    values: Values
    deleted_at: int
    revision: int
    sealed: tuple[str, ...] = ()
    refers: Mapping[str, int] = field(default_factory=dict)
    claim: int = 0

    @property
    def name(self) -> str:
        """The name that the registers give it."""
        name = self.values.get(NAME, "")
        return name if isinstance(name, str) else ""

    @property
    def born(self) -> int:
        """The stamp at which it was made."""
        stamp = self.values.get(EXISTENCE, 0)
        return stamp if isinstance(stamp, int) else 0


@dataclass(frozen=True)
class View:
    """The configuration in force, and what leads to it; everything but `objects`, `dead` and `owners` goes by object
    key: the type's path, "/" and the uid.

    `names` are the names that registers give, of deleted objects too; `shown` the other names of those that lost theirs
    to an older object. `dead` are the deleted objects of a name, the last one first, `buried` the stamps of deletions;
    `kept` those deleted objects that are in force because something refers to them, which it names. `owners` are the
    objects in force that have a name, `used` what each of them refers to.
    """

    objects: Objects
    revision: int
    names: Mapping[str, str]
    shown: Mapping[str, str]
    dead: Mapping[ObjectId, tuple[str, ...]]
    buried: Mapping[str, int]
    kept: Mapping[str, str]
    born: Mapping[str, int]
    owners: Mapping[ObjectId, tuple[str, ...]]
    contested: frozenset[ObjectId]
    revisions: Mapping[str, int]
    used: Mapping[str, frozenset[ObjectId]]
    refers: Mapping[str, Mapping[str, int]]
    sealed: Mapping[str, tuple[str, ...]]
    claims: Mapping[str, int]

    def find(self, identity: ObjectId) -> str | None:
        """The uid of the object in force of that name."""
        return self.objects.uid(identity)

    def identity(self, key: str) -> ObjectId:
        """What an object is called; `names` must know it."""
        return identity_of(key, self.shown.get(key, self.names[key]))

    def name_of(self, type_path: str, uid: str) -> str | None:
        """The name of an object, deleted or not."""
        key = f"{type_path}/{uid}"
        return self.shown.get(key, self.names.get(key))

    def key_of(self, identity: ObjectId) -> str | None:
        """The key of the object in force of that name, else of the last one that was deleted."""
        uid = self.find(identity)
        return self.deleted(identity) if uid is None else f"{identity.type}/{uid}"

    def deleted(self, identity: ObjectId) -> str | None:
        """The key of the last deleted object of that name."""
        return next(iter(self.dead.get(identity, ())), None)

    def in_force(self, key: str) -> bool:
        """Whether an object is: it is not deleted, or kept."""
        return key in self.names and (key not in self.buried or key in self.kept)

    def users_of(self, identities: Iterable[ObjectId]) -> list[str]:
        """The keys of objects in force that refer to any of these by name."""
        wanted = frozenset(identities)
        return [key for key, used in self.used.items() if not used.isdisjoint(wanted)] if wanted else []


EMPTY = View(Objects({}, {}), 0, {}, {}, {}, {}, {}, {}, {}, frozenset(), {}, {}, {}, {}, {})


def identity_of(key: str, name: str) -> ObjectId:
    """The identity of the object of a key and name."""
    return ObjectId(key.rpartition("/")[0], name)


def build(shapes: Shapes, sources: Mapping[str, Source], revision: int, blob: Callable[[str], bytes]) -> View:
    """The view of all registers; objects of types that `shapes` does not know are left out."""
    return advance(EMPTY, shapes, sources, revision=revision, blob=blob, source=lambda key: sources[key])


def without(view: View, keys: Iterable[str]) -> View:
    """The view after deleted objects were forgotten, to which nothing refers."""
    names, revisions, buried, dead = (
        dict(view.names),
        dict(view.revisions),
        dict(view.buried),
        dict(view.dead),
    )
    refers, sealed, claims = dict(view.refers), dict(view.sealed), dict(view.claims)
    for key in keys:
        if key in names:
            _leave(dead, identity_of(key, names[key]), key)
        for facts in (names, revisions, buried, refers, sealed, claims):
            facts.pop(key, None)
    return replace(
        view,
        names=names,
        revisions=revisions,
        buried=buried,
        dead=dead,
        refers=refers,
        sealed=sealed,
        claims=claims,
    )


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

    `source` gives the registers of other objects: of those that refer to what is called otherwise now.
    """
    written = {key: found for key, found in written.items() if key.rpartition("/")[0] in shapes}
    after = _indexed(view, written, revision)
    moved = {*written, *(view.kept.keys() ^ after.kept.keys())}
    moved |= {key for key in {**view.shown, **after.shown} if view.shown.get(key) != after.shown.get(key)}
    left: set[ObjectId] = set()
    settings: dict[ObjectId, Mapping[str, Any] | None] = {}
    for key in moved:
        if key not in view.names:
            # Until now a reference to it could only show the uid.
            left.add(identity_of(key, key.rpartition("/")[2]))
            continue
        before = view.identity(key)
        if before != after.identity(key):
            left.add(before)
        if view.find(before) == key.rpartition("/")[2]:
            settings[before] = None
    used = dict(view.used)
    uids: dict[ObjectId, str] = {}
    for key in {**dict.fromkeys(moved), **dict.fromkeys(view.users_of(left))}:
        if not after.in_force(key):
            used.pop(key, None)
            continue
        shape = shapes[key.rpartition("/")[0]]
        identity = after.identity(key)
        read = shape.read((written[key] if key in written else source(key)).values, after, blob)
        old = view.objects.get(view.identity(key)) if view.in_force(key) else None
        settings[identity] = old if old is not None and old == read else read
        uids[identity] = key.rpartition("/")[2]
        if uses := shape.uses(read):
            used[key] = uses
        else:
            used.pop(key, None)
    return replace(after, objects=view.objects.changed(settings, uids), used=used)


def _indexed(view: View, written: Mapping[str, Source], revision: int) -> View:
    """The view with everything but settings as after the transaction."""
    names, revisions, claims = dict(view.names), dict(view.revisions), dict(view.claims)
    dead, buried, born = dict(view.dead), dict(view.buried), dict(view.born)
    refers, sealed = dict(view.refers), dict(view.sealed)
    for key, found in written.items():
        if key in buried:
            del buried[key]
            _leave(dead, identity_of(key, names[key]), key)
        names[key], revisions[key] = found.name, found.revision
        _keep(refers, key, found.refers)
        _keep(sealed, key, found.sealed)
        _keep(claims, key, found.claim)
        if EXISTENCE in found.values:
            born[key] = found.born
            continue
        born.pop(key, None)
        buried[key] = found.deleted_at
        identity = identity_of(key, found.name)
        others = (*dead.get(identity, ()), key)
        dead[identity] = tuple(sorted(others, key=lambda other: (buried[other], other), reverse=True))
    kept = view.kept
    if kept or _touches_the_dead(view, written, buried, refers):
        kept = kept_objects(refers, buried)
    owners, contested = _owned(view, {*written, *(view.kept.keys() ^ kept.keys())}, names, buried, kept)
    shown = shown_names(contested, owners, born, buried) if contested else {}
    return View(
        view.objects, revision, names, shown, dead, buried, kept, born, owners, contested,
        revisions, view.used, refers, sealed, claims,
    )  # fmt: skip


def _touches_the_dead(
    view: View,
    written: Mapping[str, Source],
    buried: Mapping[str, int],
    refers: Mapping[str, Mapping[str, int]],
) -> bool:
    """Whether a transaction may change which deleted objects are kept."""
    return any(
        key in buried or key in view.buried or any(target in buried for target in refers.get(key, ()))
        for key in written
    )


def _owned(
    view: View,
    moved: Iterable[str],
    names: Mapping[str, str],
    buried: Mapping[str, int],
    kept: Mapping[str, str],
) -> tuple[dict[ObjectId, tuple[str, ...]], frozenset[ObjectId]]:
    """Who has which name, and the names that several have."""
    owners = dict(view.owners)
    touched: set[ObjectId] = set()
    for key in moved:
        if view.in_force(key):
            identity = identity_of(key, view.names[key])
            _leave(owners, identity, key)
            touched.add(identity)
        if key not in buried or key in kept:
            identity = identity_of(key, names[key])
            owners[identity] = (*owners.get(identity, ()), key)
            touched.add(identity)
    contested = {identity for identity in touched if len(owners.get(identity, ())) > 1}
    return owners, frozenset((view.contested - touched) | contested)


def _leave(groups: dict[ObjectId, tuple[str, ...]], identity: ObjectId, key: str) -> None:
    rest = tuple(other for other in groups.get(identity, ()) if other != key)
    if rest:
        groups[identity] = rest
    else:
        groups.pop(identity, None)


def _keep(facts: dict[str, V], key: str, fact: V) -> None:
    if fact:
        facts[key] = fact
    else:
        facts.pop(key, None)
