"""What shall be done with draining nodes once they are empty: stored, so that it outlives every process and is known to
all members.

Invariant: a wish counts only for a node that drains. The transaction that ends the draining, whoever makes it, takes
the wish away as well, so none comes back to life when the node drains again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pointsman.control.error import CannotStore, ControlError, Frozen
from pointsman.schema.cluster import NODE_WISHES, NodeWish
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Resource
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.validate import Invalid, build
from pointsman.store import Author, Change, Delete, NotStored, Objects, Put, Rename, Store

Place = tuple[str, str]
"""Pool and node."""
Configured = Mapping[ObjectId, AnyResource]
DONE = {"disable": "disabled", "remove": "removed"}
"""What can be wished, and how it is called once it is done."""


@dataclass(frozen=True)
class Wish:
    """That a node be disabled or removed (`what`) once it is empty; `asked` by `author` at that Unix time."""

    id: str
    place: Place
    what: str
    author: Author
    asked: float


class NodeWishes:
    """The wishes of one instance, or of all members of its cluster."""

    def __init__(
        self,
        store: Store,
        configured: Callable[[], Configured],
        frozen: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`configured` is what is in the store, as models; `frozen` why nobody may change anything now, or ""."""
        self._store = store
        self._configured = configured
        self._frozen = frozen
        self._clock = clock
        self._known: tuple[Objects | None, Configured | None, Mapping[Place, Wish]] = (None, None, {})

    def all(self) -> Mapping[Place, Wish]:
        """The wishes for nodes that drain; where members asked for two at the same time, the older one."""
        objects, configured = self._store.objects, self._configured()
        if self._known[0] is not objects or self._known[1] is not configured:
            found: dict[Place, Wish] = {}
            for wish in sorted(self._stored(objects), key=lambda wish: (wish.asked, wish.id)):
                if _drains(configured, wish.place):
                    found.setdefault(wish.place, wish)
            self._known = (objects, configured, found)
        return self._known[2]

    async def ask(self, place: Place, what: str, author: Author) -> None:
        """Stores a wish in place of those that there are; "" only takes them back. Raises `ControlError`."""
        if why := self._frozen():
            raise Frozen(why)
        objects = self._store.objects
        pool, node = place
        uid = objects.uid(ObjectId("pools", pool))
        if uid is None or not _drains(self._configured(), place):
            raise ControlError(f'node {node} of pool "{pool}" does not drain (any more)')
        changes: list[Change] = [Delete(_name(w)) for w in self._stored(objects) if w.place == place]
        reason = f'node {node} of pool "{pool}" stays as it is when it is empty'
        if what:
            basic = {
                "address": author.address,
                "asked": int(self._clock()),
                "by": author.name,
                "node": node,
                "pool": uid,
                "surface": author.surface,
                "what": what,
            }
            changes.append(Put(ObjectId(NODE_WISHES.path, uuid.uuid4().hex), {"basic": basic}))
            reason = f'node {node} of pool "{pool}" is to be {DONE[what]} when it is empty'
        if not changes:
            return
        try:
            await self._store.commit(changes, author, reason)
        except NotStored as error:
            raise CannotStore(str(error)) from error

    def ended_by(self, changes: Sequence[Change], after: Configured) -> tuple[Change, ...]:
        """What goes along with `changes`, which make the configuration `after` of the present one: the wishes that they
        end, and those that had ended before.
        """
        objects = self._store.objects
        named = {
            change.identity.name: change.name
            for change in changes
            if isinstance(change, Rename) and change.identity.type == "pools"
        }
        before = self._configured()
        return tuple(
            Delete(_name(wish))
            for wish in self._stored(objects)
            if not _drains(before, wish.place)
            or not _drains(after, (named.get(wish.place[0], wish.place[0]), wish.place[1]))
        )

    def _stored(self, objects: Objects) -> list[Wish]:
        """All that are stored; those of a pool that is gone have the place ("", node)."""
        identities = [identity for identity in objects if identity.type == NODE_WISHES.path]
        if not identities:
            return []
        names = {objects.uid(identity): identity.name for identity in objects if identity.type == "pools"}
        found = []
        for identity in identities:
            try:
                built: Resource = build(NODE_WISHES, identity.name, objects[identity])  # type: ignore[assignment]
            except Invalid:
                continue  # of a newer version, which acts on it
            assert isinstance(built, NodeWish)
            basic = built.basic
            place = (names.get(basic.pool, ""), basic.node)
            author = Author(basic.by, basic.address, basic.surface)
            found.append(Wish(identity.name, place, basic.what, author, float(basic.asked)))
        return found


def _name(wish: Wish) -> ObjectId:
    return ObjectId(NODE_WISHES.path, wish.id)


def _drains(configured: Configured, place: Place) -> bool:
    pool = configured.get(ObjectId("pools", place[0]))
    return isinstance(pool, Pool) and any(
        row.node == place[1] and row.state == "draining" for row in pool.basic.nodes_table
    )
