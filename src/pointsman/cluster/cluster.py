"""The cluster as the rest of the program sees it: who the members are, what is asked of them, joining and leaving.

Invariant: an instance that stands alone opens no connection and runs no task but one that waits; what changes who the
members are takes effect in the event loop, before anything else is told of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pointsman.cluster.data_key import wrapped_for
from pointsman.cluster.host import Host
from pointsman.cluster.installation import Installation, Removed
from pointsman.cluster.joining import Joiner, JoinWish
from pointsman.cluster.link import Hello, Unanswered
from pointsman.cluster.membership import Membership, Own
from pointsman.cluster.mesh import Mesh
from pointsman.cluster.news import News
from pointsman.cluster.places import PLACE
from pointsman.cluster.presence import PresenceBoard
from pointsman.cluster.refusal import Cause, JoinRefused, NotPossible
from pointsman.cluster.replication import Replicator
from pointsman.cluster.roster import Roster
from pointsman.cluster.view import STORAGE, ClusterView, member_views
from pointsman.identity.authority import unwrap
from pointsman.identity.user import Users
from pointsman.outbound.pinned import Fingerprints
from pointsman.schema.condition import Condition
from pointsman.schema.event import Event
from pointsman.store import Author, Store, StoreError, Transaction

CONVERGE_SECONDS = 15.0
INTRODUCE_SECONDS = 5.0
LEAVE_SECONDS = 5.0
_FORGOTTEN_SECONDS = 5.0
"""How long an instance that joined waits for a member that knows it, when others say that they do not."""
_RENEW_SECONDS = 3600.0
_ROTATE_STEP = 10.0
_LOOK_SECONDS = 0.05
_log = logging.getLogger("pointsman.cluster")


class Cluster:
    """One instance's part in its cluster, or its readiness to have one."""

    def __init__(
        self,
        home: Path,
        store: Store,
        users: Users,
        *,
        describe: Callable[[], Own],
        limit: Callable[[], int],
        state: Callable[[], Mapping[str, Any]],
        answer: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        on_event: Callable[[Event], None],
        on_change: Callable[[str], None],
    ) -> None:
        """`describe` tells what this instance is, `limit` how many members the licence permits (0: any number).

        `state` is what this member tells the others each second, `answer` answers what the member of a name asks;
        `on_change` is told why, whenever the members or what they trust became others. Raises `CredentialDamaged`,
        `OSError`.
        """
        self._store = store
        self._describe = describe
        self._limit = limit
        self._state = state
        self._answerer = answer
        self._on_change = on_change
        self._installation = Installation(home)
        self._membership = Membership(self._installation, store, users, describe)
        self._board = PresenceBoard()
        member, ask = self._membership, self.consult
        self.host = Host(member, store, users, describe=describe, limit=limit, consult=ask, on_event=on_event)
        self._joiner = Joiner(self._installation, self._membership, store, describe)
        self._replicator = Replicator(
            store,
            adopt=self._adopt,
            keys_for=self._keys_for,
            relay=self._passes_on,
            on_forked=lambda member: self._news.forked(self._name_of(member)),
        )
        self._news = News(on_event, describe)
        self._mesh: Mesh | None = None
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._told_removed: Removed | None = None
        self._strangers: dict[str, float] = {}
        self._changing = asyncio.Lock()
        self._moved = asyncio.Event()
        self._contexts: dict[str, tuple[ssl.SSLContext, ssl.SSLContext]] = {}
        store.subscribe(self._on_transaction, self._on_reload)

    # What there is to see

    @property
    def active(self) -> bool:
        """Whether this instance is a member of a cluster."""
        return self._membership.active

    @property
    def removed(self) -> Removed | None:
        """That this instance was removed from its cluster and goes on alone; None when it was not."""
        return self._membership.removed

    @property
    def roster(self) -> Roster:
        """Who is a member, by what is stored."""
        return self._membership.roster

    @property
    def own_name(self) -> str:
        """The name that this member has in the configuration; "" on an instance that stands alone."""
        own = self._membership.own
        return own.name if self.active and own is not None else ""

    @property
    def certificate(self) -> bytes:
        """The certificate and key (PEM) of this member's engine; empty on an instance that stands alone."""
        return self._membership.engine_certificate

    @property
    def authority(self) -> bytes:
        """The certificates (PEM) by which the engines of members know one another; empty where there is no cluster.

        The authority's own is not among them: who was removed has its key.
        """
        known = sorted(member.engine_certificate for member in self.roster.members) if self.active else ()
        return "".join(known).encode()

    @property
    def frozen(self) -> str:
        """Why people may not change the configuration now, as a sentence; "" when they may."""
        if not self.active or self.roster.override:
            return ""
        uneven = self.roster.uneven
        return (
            f"{uneven}, so the configuration cannot be changed until all run one; to change it all the same, see "
            "`pointsman cluster override`"
            if uneven
            else ""
        )

    def refused(self, address: str, cause: str) -> None:
        """Takes note of a client of the cluster port that was not let in."""
        self._news.refused(address, cause)

    def view(self) -> ClusterView:
        """Everything about the cluster, for every surface."""
        removed, own = self.removed, self._membership.id
        members = (
            member_views(self.roster, own, self._board, self._told_state(), time.time())
            if self.active
            else ()
        )
        return ClusterView(
            cluster=self.roster.cluster if self.active else "",
            members=members,
            frozen=self.roster.uneven if self.active else "",
            override=self.roster.override,
            removed=removed is not None,
            removed_by=removed.by if removed is not None else "",
            removed_at=removed.at if removed is not None else 0,
        )

    def links(self) -> tuple[str, ...]:
        """The ids of members that this one is connected to."""
        return tuple(link.peer for link in self._mesh.links()) if self._mesh is not None else ()

    def conditions(self) -> tuple[Condition, ...]:
        """Remarks on members."""
        view = self.view()
        return self._news.conditions(view, self._limit(), self._describe().name)

    def server_context(self) -> ssl.SSLContext | None:
        """The context for the cluster port; None on an instance that stands alone."""
        return self._context()[0] if self.active else None

    # Serving

    async def begin(self) -> None:
        """To be called once the store is open, before anything is compiled: carries through what was cut short."""
        await self._membership.begin()

    async def run(self) -> None:
        """Keeps the connections to the others, follows who they are, renews the certificate, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self._restart_mesh()
                while True:
                    self._moved.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(1.0):
                            await self._moved.wait()
                    try:
                        await self._look()
                    except (OSError, StoreError) as error:
                        _log.error("what members do cannot be followed: %s", error)
            finally:
                self._group = None
                await self._stop_mesh()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection to the cluster port on which members speak, until it ends."""
        if self._mesh is not None:
            await self._mesh.accept(reader, writer)
        else:
            writer.close()

    async def ask(self, name: str, question: Mapping[str, Any], seconds: float = 5.0) -> Mapping[str, Any]:
        """What the member of a name answers to a question. Raises `Unanswered`, which names it."""
        member = self.roster.named(name) if self.active else None
        if member is None or self._mesh is None:
            raise Unanswered(f"{name} is not a member of the cluster")
        try:
            return await self._mesh.ask(member, question, seconds)
        except Unanswered as error:
            raise Unanswered(f"{name}: {error}") from None

    # Use cases

    async def create(self, actor: Author) -> None:
        """Makes this instance the first member of a cluster; nothing when it is a member. Raises `OSError`."""
        await self._membership.create(actor)
        await self._follow("this traffic manager begins a cluster")

    async def admit(self, body: bytes, source: str) -> bytes:
        """The answer to an instance that asks to join. Raises `JoinRefused`."""
        was = self.active
        answer = await self.host.admit(body, source)
        if not was:
            await self._follow("this traffic manager begins a cluster")
        return answer

    async def join(self, wish: JoinWish) -> Fingerprints:
        """Joins, and returns when the cluster knows this member; the fingerprints that the peer showed.

        Raises `JoinRefused`, and then this instance is what it was.
        """
        if self._changing.locked():
            raise JoinRefused(Cause.WAIT, "this traffic manager is joining or leaving at this moment; wait")
        async with self._changing:
            self._told_removed = None
            self._strangers.clear()
            seen = await self._joiner.join(wish)
            await self._follow("this traffic manager joined a cluster")
            # Who let this member in may end the next moment: the others must know it as well, as far as they live.
            if not await self._until(lambda: self._known_to_all() or self._is_forgotten(), INTRODUCE_SECONDS):
                await self._until(lambda: self._known_to_somebody() or self._is_forgotten(), CONVERGE_SECONDS)
            if self._is_forgotten():
                await self._found_removed(Removed("", int(time.time())))
                raise JoinRefused(
                    Cause.UNREACHABLE,
                    f"{wish.host} forgot this traffic manager before the join was complete, because it was started "
                    "again; leave the cluster, then join again",
                )
        return seen

    async def leave(self, actor: Author) -> None:
        """Leaves the cluster: this instance stands alone, with its copy. Raises `NotPossible`, `OSError`."""
        async with self._changing:
            if self._membership.credential is None:
                raise NotPossible("this traffic manager is not in a cluster; there is nothing to leave")
            if self.active:
                await self._membership.begin_leave(actor)
                await self._until(self._known_to_somebody, LEAVE_SECONDS)
            await self._stop_mesh()
            await self._membership.end_leave(actor)
            self._told_removed = None
            self._store.set_reference(None)
            await self._follow("this traffic manager stands alone")

    async def remove(self, actor: Author, name: str) -> None:
        """Removes another member, whether it lives or not. Raises `NotPossible`, `OSError`."""
        await self._membership.remove(actor, name)
        await self._follow(f"{name} was removed from the cluster")

    async def override(self, actor: Author, *, on: bool) -> None:
        """Permits changes while versions differ, or forbids them again. Raises `NotPossible`, `OSError`."""
        await self._membership.set_override(actor, on=on)

    # Following

    def _on_transaction(self, transaction: Transaction, remote: bool) -> None:
        # First who the members are now: that decides whether this is passed on.
        others = self._membership.note(transaction)
        self._replicator.on_transaction(remote=remote)
        if others:
            if self._mesh is not None:
                self._mesh.refresh()
            self._moved.set()

    async def _follow(self, why: str) -> None:
        self._restart_mesh()
        await self._look()
        self._on_change(why)

    async def _look(self) -> None:
        """Does what follows from what is stored and heard."""
        membership = self._membership
        if not self.active:
            return
        own = membership.own
        if (told := self._told_removed) is not None and not self._changing.locked():
            self._told_removed = None
            await self._found_removed(told)
            return
        if own is not None and own.removed and not self._changing.locked():
            await self._found_removed(Removed(own.removed_by, own.removed_at))
            return
        if self._is_forgotten() and not self._changing.locked():
            await self._found_removed(Removed("", int(time.time())))
            return
        if membership.pending and self._known_to_somebody():
            membership.settle_join()
            self._restart_mesh()
        await membership.follow()
        if await membership.renew():
            self._on_change("this member's certificate was renewed")
        if membership.key_is_known_outside and self._turn_is_mine():
            await membership.turn_key()
        for member in self._board.silent():
            if self._board.lose(member):
                self._on_presence(member, False)
        if (ahead := self._board.ahead()) is not None:
            self._store.set_reference(ahead)
        if self._news.look(self.view(), self._limit()):
            self._on_change("the members of the cluster changed")

    def _turn_is_mine(self) -> bool:
        """Whether it is this member that makes a new data key: the first one by id that lives."""
        for member in sorted(self.roster.members, key=lambda member: member.id):
            if member.id == self._membership.id:
                return True
            if self._board.of(member.id).alive:
                return False
        return False

    def _on_presence(self, member: str, alive: bool) -> None:
        found = self.roster.all.get(member)
        if alive:
            self._strangers.pop(member, None)
        if found is not None and not found.removed:
            self._news.presence(found.name, alive=alive)

    def _on_unknown(self, member: str) -> None:
        """Another member said that it does not know this one."""
        self._strangers.setdefault(member, time.monotonic())
        self._moved.set()

    def _is_forgotten(self) -> bool:
        """Whether the cluster forgot that it let this instance in, before any member knew it."""
        since = min(self._strangers.values(), default=math.inf)
        waited = time.monotonic() - since
        return self._membership.pending and waited > _FORGOTTEN_SECONDS and not self.links()

    def _name_of(self, member: str) -> str:
        found = self.roster.all.get(member)
        return found.name if found is not None else ""

    def _on_removed(self, body: Mapping[str, Any]) -> None:
        """Another member said that this one was removed."""
        at = body.get("at")
        self._told_removed = Removed(str(body.get("by", ""))[:1024], at if isinstance(at, int) else 0)
        self._moved.set()

    async def _found_removed(self, removed: Removed) -> None:
        if self._membership.removed is not None:
            return
        self._strangers.clear()
        self._news.removed(removed)
        try:
            await self._membership.found_removed(removed)
        except OSError as error:
            _log.error("that this member was removed cannot be stored (%s); free space", error)
        await self._stop_mesh()
        self._on_change("this traffic manager was removed from its cluster")

    def _on_reload(self) -> None:
        self._membership.reread()
        if self._mesh is not None:
            self._mesh.refresh()
        self._moved.set()

    def _keys_for(self, member: str) -> Mapping[int, str]:
        """The data keys, for a member that gets a whole state. Raises `NotAcceptable`."""
        return wrapped_for(self._store.keys, self.roster.all[member].public_key)

    async def _adopt(self, whole: bytes, wrapped: Mapping[int, str]) -> None:
        """Merges the state of another member. Raises `NotAcceptable`, `StoreError`."""
        credential = self._membership.credential
        assert credential is not None
        keys = {generation: unwrap(text, credential.key) for generation, text in wrapped.items()}
        await self._store.adopt(whole, keys={**self._store.keys, **keys}, replace=False)

    # The mesh

    def _passes_on(self) -> bool:
        """Whether this member hands on what others wrote: where not all are connected, and for one it has let in, whom
        the others know only then.
        """
        return self._mesh_is_wide() or self.host.introducing

    def _mesh_is_wide(self) -> bool:
        return self._mesh is not None and self._mesh.wide

    def _restart_mesh(self) -> None:
        if self._mesh is not None:
            self._mesh.refresh()
        if not self.active or self._mesh is not None or self._group is None:
            return
        mesh = Mesh(
            own=self._membership.id,
            replicator=self._replicator,
            board=self._board,
            roster=lambda: self._membership.roster,
            hello=self._hello,
            state=self._told_state,
            client=lambda: self._context()[1],
            answer=self._answer,
            awaited=self.host.awaited,
            on_refused=self._news.refused,
            on_removed=self._on_removed,
            on_unknown=self._on_unknown,
            on_presence=self._on_presence,
            joins=lambda: self._membership.pending,
            former=lambda: self._membership.former,
        )
        self._mesh = mesh
        self._task = self._group.create_task(mesh.run())

    async def _stop_mesh(self) -> None:
        task, self._task, self._mesh = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _hello(self) -> Hello:
        own = self._describe()
        return Hello(self._membership.id, self.roster.cluster, own.version, own.level, self._store.digest)

    def _context(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        credential = self._membership.credential
        assert credential is not None
        if credential.fingerprint not in self._contexts:
            directory = self._installation.directory
            self._contexts = {
                credential.fingerprint: (
                    credential.server_context(directory),
                    credential.client_context(directory),
                )
            }
        return self._contexts[credential.fingerprint]

    async def _answer(self, member: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        if question.get("about") == PLACE:
            return self.host.places.answer(member, question, self.roster.members)
        return await self._answerer(self._name_of(member), question)

    async def consult(self, question: Mapping[str, Any], seconds: float) -> list[Mapping[str, Any]]:
        """What all members that can be reached answer to a question within so many seconds."""
        return await self._mesh.ask_all(question, seconds) if self._mesh is not None else []

    def _told_state(self) -> Mapping[str, Any]:
        """What this member tells the others of itself."""
        fault = self._replicator.fault
        return {**self._state(), STORAGE: fault} if fault else self._state()

    def _known_to_all(self) -> bool:
        """Whether every other member has all that is stored here; in a wide cluster, each that there is a link to."""
        others = {member.id for member in self.roster.members} - {self._membership.id}
        links = self._mesh.links() if self._mesh is not None else ()
        told = {link.peer for link in links if self._replicator.has_all(link)}
        return bool(told) and (self._mesh_is_wide() or others <= told)

    def _known_to_somebody(self) -> bool:
        """Whether another member has all that is stored here; true where there is no other."""
        if not any(member.id != self._membership.id for member in self.roster.members):
            return True
        return self._mesh is not None and any(map(self._replicator.has_all, self._mesh.links()))

    async def _until(self, fact: Callable[[], bool], seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while not fact():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True
