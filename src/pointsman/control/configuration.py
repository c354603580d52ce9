"""Use cases that change configuration: merge, check everything, commit, publish the new snapshot.

Invariant: nothing that is asked for here reaches the store that its own model, or the checks that span objects, refuse;
and the snapshot is always the one of the last transaction, be it made here or by another member of the cluster. Objects
in the store that this version cannot read are left out of the snapshot and named in `unreadable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pointsman.control.error import CannotStore, Conflict, Forbidden, Frozen, InUse, NotFound
from pointsman.control.merge import canonical, checked, merge
from pointsman.control.undo import changes_back
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.reference import references
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.validate import Invalid, build
from pointsman.store import (
    Author,
    Change,
    Delete,
    NotStored,
    Objects,
    Outdated,
    Put,
    Rename,
    Store,
    Transaction,
)

Built = tuple[Mapping[str, Any], AnyResource]
"""Settings, and the object that was made of them."""

ATTEMPTS = 20
"""How often an edit is made anew because another member's transaction came between its check and its commit."""

KEPT_LIMIT = 1000
"""Of up to so many changes the objects that were made for the check are published. They share texts with the request,
and those of thousands, strewn over the memory of everything that the request needed, kept most of that from being given
back; objects that are made anew of what the store holds do not.
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Edited:
    """The outcome of a change: whether the object is new, and the revision that holds it."""

    created: bool
    revision: int


@dataclass(frozen=True)
class _Own:
    """A commit of ours under way: how to know it, what to call it, and what was made of its settings for the check."""

    author: Author
    reason: str
    described: str
    ready: Mapping[ObjectId, Built]


class Configuration:
    """The stored configuration and its validated snapshot."""

    def __init__(self, store: Store, on_change: Callable[[str, Transaction], None]) -> None:
        """`on_change` is told the reason and the transaction after each one, in the event loop: after commits made
        here, and after those that came from other members.
        """
        self._store = store
        self._on_change = on_change
        self._edit = asyncio.Lock()
        self._own: _Own | None = None
        self.frozen: Callable[[], str] = lambda: ""
        """Why nobody may change the configuration at present; "" when everybody may who has the right to."""
        self.along: Callable[[Sequence[Change], Mapping[ObjectId, AnyResource]], Sequence[Change]] = (
            lambda changes, after: ()
        )
        """What is changed beside the configuration, in the same transaction, because of changes and of what they make
        of it.
        """
        self._built: dict[ObjectId, Built] = {}
        self.unreadable: Mapping[ObjectId, tuple[Problem, ...]] = {}
        self.snapshot = self._publish()
        store.subscribe(self._follow, self._reload)

    @property
    def objects(self) -> Objects:
        """What is stored of the types that are configuration; not what members keep about themselves."""
        return self._store.objects.only(BY_PATH)

    def kind(self, type_path: str) -> ResourceType:
        """The resource type at a REST path; raises `NotFound`."""
        kind = BY_PATH.get(type_path)
        if kind is None:
            raise NotFound(ObjectId(type_path, ""))
        return kind

    def settings(self, identity: ObjectId) -> Mapping[str, Any] | None:
        """What is stored for an object: only what differs from the defaults; None when there is no such object."""
        if BY_PATH[identity.type].kind is Kind.SINGLETON:
            return self._store.objects.get(identity, {})
        return self._store.objects.get(identity)

    def names(self, type_path: str) -> tuple[str, ...]:
        """Names of a type's objects, sorted."""
        return tuple(sorted(i.name for i in self._store.objects if i.type == type_path))

    def users_of(self, identity: ObjectId) -> tuple[ObjectId, ...]:
        """The objects that need this one; loose references do not count."""
        return tuple(
            sorted(
                other
                for other, settings in self._store.objects.items()
                if other != identity
                and other.type in BY_PATH
                and any(
                    use.target == identity and not use.loose
                    for use in references(BY_PATH[other.type], settings)
                )
            )
        )

    async def put(
        self,
        actor: Author,
        identity: ObjectId,
        settings: Mapping[str, Any],
        *,
        replace: bool = False,
        reason: str = "",
        base: int | None = None,
    ) -> Edited:
        """Creates the object, or merges `settings` into it (`replace`: makes it exactly that).

        `base` is the revision the caller read; an object changed since raises `Conflict`.
        """
        kind = self.kind(identity.type)

        async def attempt() -> Edited:
            stored = self._store.objects.get(identity)
            created = stored is None and kind.kind is not Kind.SINGLETON
            if created and not kind.creatable:
                raise Forbidden(
                    f"{identity}: a {kind.title.lower()} cannot be made this way; it joins the cluster"
                )
            if base is not None and self._store.changed_at(identity) > base:
                raise Conflict(identity, self._store.changed_at(identity))
            merged = dict(settings) if replace or stored is None else merge(kind, stored, settings)
            wanted = canonical(kind, build(kind, identity.name, merged))
            # A singleton nobody has changed is not stored, and stays so when it is sent back as it was read.
            if wanted or created or stored is not None:
                await self._commit((Put(identity, wanted),), actor, reason)
            return Edited(created, self._store.revision)

        return await self._edited(attempt)

    async def delete(self, actor: Author, identity: ObjectId, *, reason: str = "") -> None:
        """Deletes an object; raises `NotFound`, `Forbidden` (singletons, traffic managers) or `InUse`."""
        kind = self.kind(identity.type)

        async def attempt() -> None:
            if kind.kind is Kind.SINGLETON or not kind.creatable:
                raise Forbidden(f"{identity} cannot be deleted")
            if identity not in self._store.objects:
                raise NotFound(identity)
            if users := self.users_of(identity):
                raise InUse(identity, users)
            await self._commit((Delete(identity),), actor, reason)

        await self._edited(attempt)

    async def edit(
        self, actor: Author, changes: Sequence[Change], reason: str = "", *, base: int | None = None
    ) -> int:
        """Commits several changes as one transaction and returns its revision; all are refused when one is.

        A deletion here may leave references to the object behind; they show as conditions. `base` is the revision
        that the changes were made from; an object changed since raises `Conflict`.
        """
        # In threads, here and below, because thousands of objects take seconds, and REST goes on meanwhile.
        prepared = await asyncio.to_thread(self._prepared, changes)

        async def attempt() -> int:
            for change in changes if base is not None else ():
                if (changed_at := self._store.changed_at(change.identity)) > (base or 0):
                    raise Conflict(change.identity, changed_at)
            await self._commit(prepared, actor, reason)
            return self._store.revision

        return await self._edited(attempt)

    async def check(self, changes: Sequence[Change]) -> None:
        """Whether `edit` would take the changes; raises `Invalid`. Nothing is stored."""
        before = self.snapshot.objects
        await asyncio.to_thread(lambda: checked(before, self._prepared(changes)))

    def _prepared(self, changes: Sequence[Change]) -> list[Change]:
        prepared: list[Change] = []
        problems: list[Problem] = []
        for change in changes:
            match change:
                case Put(identity, settings):
                    kind = self.kind(identity.type)
                    try:
                        prepared.append(Put(identity, canonical(kind, build(kind, identity.name, settings))))
                    except Invalid as error:
                        problems.extend(error.problems)
                case Delete() | Rename():
                    prepared.append(change)
        if problems:
            raise Invalid(tuple(problems))
        return prepared

    async def restore(
        self,
        actor: Author,
        revision: int,
        reason: str = "",
        permit: Callable[[Sequence[Change]], None] = lambda changes: None,
    ) -> int:
        """Makes the configuration what it was at `revision`, as one new transaction; returns its revision.

        Who belongs to the cluster stays as it is; `permit` refuses the changes by raising.
        """
        then = await self._store.objects_at(revision)

        async def attempt() -> int:
            changes = changes_back(self._store.objects, then)
            permit(changes)
            if changes:
                await self._commit(changes, actor, reason or f"restore of revision {revision}")
            return self._store.revision

        return await self._edited(attempt)

    async def _edited(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` gives, which reads the store and commits what follows from that; made anew when a transaction
        of another member came between. Raises `Frozen`.
        """
        async with self._edit:
            if why := self.frozen():
                raise Frozen(why)
            for _ in range(ATTEMPTS):
                try:
                    return await attempt()
                except Outdated:
                    continue
        raise CannotStore("other members change the configuration without pause; try again")

    async def _commit(self, changes: Sequence[Change], actor: Author, reason: str) -> None:
        """Checks and commits what was made of the present state of the store; raises `Outdated` when that changed."""
        before, revision = self.snapshot.objects, self._store.revision
        candidate = await asyncio.to_thread(checked, before, changes)
        ready = {
            change.identity: (change.settings, candidate[change.identity])
            for change in changes
            if len(changes) <= KEPT_LIMIT and isinstance(change, Put) and change.identity in candidate
        }
        beside = self.along(changes, candidate)
        del candidate
        self._own = _Own(actor, reason, _describe(changes, reason), ready)
        try:
            await self._store.commit((*changes, *beside), actor, reason, expected=revision)
        except NotStored as error:
            raise CannotStore(str(error)) from error
        finally:
            self._own = None

    def _follow(self, transaction: Transaction, remote: bool) -> None:
        """Publishes what a transaction made, ours or another member's or one of the product itself."""
        own, author = self._own, transaction.author
        if own is not None and not remote and (own.author, own.reason) == (author, transaction.reason):
            described, ready = own.described, own.ready
        else:
            subjects = dict.fromkeys(str(record.identity) for record in transaction.changes)
            what = transaction.reason or ", ".join([*subjects][:3]) or "a transaction"
            by = f"{author.name or 'the product'}{' on another member' if remote else ''}"
            described, ready = f"{what}, by {by}", {}
        # Many may have come at once; the first that is told of has brought all of them.
        if self.snapshot.revision != self._store.revision:
            self.snapshot = self._publish(ready)
        self._on_change(described, transaction)

    def _reload(self) -> None:
        self.snapshot = self._publish()

    def _publish(self, ready: Mapping[ObjectId, Built] = MappingProxyType({})) -> Snapshot:
        """The snapshot of what is stored; `ready` is what was made of settings for the check."""
        objects: dict[ObjectId, AnyResource] = {}
        unreadable: dict[ObjectId, tuple[Problem, ...]] = {}
        built: dict[ObjectId, Built] = {}
        for identity, settings in self._store.objects.items():
            if identity.type not in BY_PATH:
                continue  # written by a newer version: kept in the store, not acted on
            known = self._built.get(identity)
            if (known is None or known[0] is not settings) and identity in ready:
                known = (settings, ready[identity][1]) if ready[identity][0] == settings else None
            if known is None or known[0] is not settings:
                try:
                    known = (settings, build(BY_PATH[identity.type], identity.name, settings))
                except Invalid as error:
                    unreadable[identity] = error.problems
                    continue
            built[identity] = known
            objects[identity] = known[1]
        for kind in RESOURCE_TYPES:
            if kind.kind is Kind.SINGLETON:
                objects.setdefault(ObjectId(kind.path, ""), build(kind, "", {}))
        self._built = built
        self.unreadable = MappingProxyType(unreadable)
        return Snapshot(MappingProxyType(objects), self._store.revision, self._store.claims)


def _describe(changes: Sequence[Change], reason: str) -> str:
    if reason:
        return reason
    first = changes[0].identity
    return str(first) if len(changes) == 1 else f"{first} and {len(changes) - 1} more"
