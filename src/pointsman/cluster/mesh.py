"""The connections to the other members: which are kept, how they are made again, and who is let in.

Invariant: who is not a member (any more) has no connection, from the moment that is known here; of two members one
connection is enough, whoever made it, so a network that lets connections through in one direction only is enough too.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pointsman.cluster.frame import Kind, Message
from pointsman.cluster.link import Handler, Hello, Link, LinkEnded, Room, Unanswered
from pointsman.cluster.neighbour import FULL_MESH, neighbours
from pointsman.cluster.presence import PresenceBoard
from pointsman.cluster.replication import Replicator
from pointsman.cluster.roster import Member, Roster
from pointsman.identity.authority import MemberName, NotAcceptable, member_of

PULSE_SECONDS = 1.0
_OTHERS_EACH = 5
"""With one of how many pulses a member tells of others, when not everybody is connected to everybody."""
DIAL_SECONDS = 3.0
FIRST_WAIT = 0.2
LONGEST_WAIT = 1.0
LATER_SECONDS = 1.0
"""How long the member with the higher id leaves it to the other one to make the connection."""
_ELSEWHERE_EACH = 2
"""With one of how many tries a member is sought at another address as well."""
_PRUNE_SECONDS = 5.0
_ROTATE_SECONDS = 300.0
_NEWS_SECONDS = 2.0
_MOST_LINKS = 4
"""Connections of one member: one in each direction, and those that were replaced and are not known to be over."""
_UNKNOWN = "this cluster does not know it"
_log = logging.getLogger("pointsman.cluster")


class Mesh(Handler):
    """All links of one member."""

    def __init__(
        self,
        *,
        own: str,
        replicator: Replicator,
        board: PresenceBoard,
        roster: Callable[[], Roster],
        hello: Callable[[], Hello],
        state: Callable[[], Mapping[str, Any]],
        client: Callable[[], ssl.SSLContext],
        answer: Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
        awaited: Callable[[str], str],
        on_refused: Callable[[str, str], None],
        on_removed: Callable[[Mapping[str, Any]], None],
        on_unknown: Callable[[str], None],
        on_presence: Callable[[str, bool], None],
        joins: Callable[[], bool],
        former: Callable[[], tuple[str, int] | None],
    ) -> None:
        """`own` is this member's id.

        `state` is what it says of itself each second, `client` the context to connect with, `answer` answers what
        another member asks, `awaited` gives the public key of an id that was admitted just now and is not in the roster
        yet, else "".
        `on_refused` is told address and cause of a connection that was not let in, `on_removed` that a member said
        this one was removed, `on_unknown` the id of a member that said it does not know this one, `on_presence` that a
        member came or went. While `joins` says that this member is not known to any other yet, it tries all of them,
        as only the one that let it in will have it. `former` is where this member was until its address changed.
        """
        self._own = own
        self._replicator = replicator
        self._board = board
        self._roster = roster
        self._hello = hello
        self._state = state
        self._client = client
        self._answer = answer
        self._awaited = awaited
        self._on_refused = on_refused
        self._on_removed = on_removed
        self._on_unknown = on_unknown
        self._on_presence = on_presence
        self._joins = joins
        self._former = former
        self._links: dict[str, list[Link]] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._room = Room()
        self._group: asyncio.TaskGroup | None = None
        self._begun = False
        self._told: dict[Link, dict[str, int]] = {}
        self._changed = asyncio.Event()
        self._salt = random.SystemRandom().random()
        self._run = uuid.uuid4().hex

    # Members and their links

    @property
    def wide(self) -> bool:
        """Whether there are too many members to connect each to each."""
        return len(self._roster().members) > FULL_MESH

    def links(self) -> tuple[Link, ...]:
        """A link to each member that there is one to."""
        return tuple(links[0] for links in self._links.values() if links)

    def link(self, member: str) -> Link | None:
        """A link to a member."""
        links = self._links.get(member)
        return links[0] if links else None

    def refresh(self) -> None:
        """Follows the roster: drops who was removed, dials who is new."""
        roster = self._roster()
        for member, links in tuple(self._links.items()):
            found = roster.all.get(member)
            if (found is None and not self._awaited(member)) or (found is not None and found.removed):
                for link in tuple(links):
                    if found is None:
                        link.bye("unknown")
                    else:
                        link.bye("removed", **_removal(found))
        members = {member.id for member in roster.members}
        wanted = members - {self._own} if self._joins() else neighbours(self._own, members, self._salt)
        for member in set(self._keepers) - wanted:
            keeper = self._keepers.pop(member)
            made_here = [link for link in self._links.get(member, ()) if link.dialed]
            for link in made_here:
                link.bye("apart")
            if not made_here:
                keeper.cancel()  # else it ends with its link, when the other side has heard why
        if self._group is not None:
            for member in wanted - set(self._keepers):
                # Who is new here comes by itself; who begins anew goes to everybody.
                self._keepers[member] = self._group.create_task(self._keep(member, begins=not self._begun))
            self._begun = True
        self._board.forget(member.id for member in roster.members)
        self._announce()

    async def run(self) -> None:
        """Keeps the links, and says each second how this member fares, until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.refresh()
                group.create_task(self._pulse())
                group.create_task(self._rotate())
        finally:
            self._group = None
            self._keepers.clear()
            for links in tuple(self._links.values()):
                for link in tuple(links):
                    link.end("this member stops")

    # Coming in

    def refusal(self, name: MemberName) -> str:
        """Why the holder of a certificate, which TLS found sound, is not let in; "" when it is."""
        if name.cluster != self._hello().cluster:
            return "it belongs to another cluster"
        if name.member == self._own:
            return "it says that it is this member itself"
        found = self._roster().all.get(name.member)
        if found is not None and found.removed:
            return "removed"
        known = self._awaited(name.member) if found is None else found.public_key
        if not known:
            return _UNKNOWN
        return "" if known == name.public_key else "its key is not that of the member whose id it shows"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection that somebody made to this member, until it ends."""
        address = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            name = member_of(_certificate(writer))
        except NotAcceptable as error:
            self._on_refused(address, str(error))
            writer.close()
            return
        link = Link(reader, writer, peer=name.member, dialed=False, room=self._room)
        if self.refusal(name) == _UNKNOWN:
            await self._news_of(name.member)
        if why := self.refusal(name):
            found = self._roster().all.get(name.member)
            if why == "removed" and found is not None:
                self._on_refused(address, f"{found.name or name.member} was removed from the cluster")
                link.bye("removed", **_removal(found))
            else:
                self._on_refused(address, why)
                link.bye("unknown")
            return
        await link.run(self._hello(), self)

    async def _news_of(self, member: str) -> None:
        """Waits a moment for one that joined at another member just now to be heard of here."""
        deadline = asyncio.get_running_loop().time() + _NEWS_SECONDS
        while member not in self._roster().all and asyncio.get_running_loop().time() < deadline:
            await self._wait_change(_NEWS_SECONDS)

    # Going out

    async def dial(self, member: Member) -> Link:
        """A new connection to a member, to be run. Raises `LinkEnded` with the cause."""
        link = await self._reach(member.address, member.control_port)
        if link.peer != member.id:
            link.end("another one was sought")
            raise LinkEnded("another member answers at its address")
        return link

    async def _reach(self, address: str, port: int) -> Link:
        """A new connection to whichever member is at an address. Raises `LinkEnded` with the cause."""
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                reader, writer = await asyncio.open_connection(
                    address, port, ssl=self._client(), limit=1 << 20
                )
        except TimeoutError:
            raise LinkEnded("no connection within the time") from None
        except ssl.SSLCertVerificationError as error:
            raise LinkEnded(f"its certificate is not one of this cluster ({error.verify_message})") from None
        except OSError as error:
            raise LinkEnded(error.strerror or str(error)) from None
        try:
            name = member_of(_certificate(writer))
            if why := self.refusal(name):
                raise NotAcceptable(why)
        except NotAcceptable as error:
            writer.transport.abort()
            raise LinkEnded(str(error)) from None
        return Link(reader, writer, peer=name.member, dialed=True, room=self._room)

    async def _find(self, member: Member, *, everywhere: bool) -> Link:
        """A new connection to a member, at its address or, should addresses have been dealt anew while nobody could
        tell, at one that was this member's own. Whoever else is found there is welcome. Raises `LinkEnded`.
        """
        former = self._former() if everywhere else None
        failed = LinkEnded("it has no address")
        for address, port in ((member.address, member.control_port), *([former] if former else [])):
            try:
                link = await self._reach(address, port)
            except LinkEnded as error:
                failed = error
                continue
            if link.peer == member.id:
                return link
            failed = LinkEnded("another member answers at its address")
            if self._group is None or self._links.get(link.peer):
                link.end("twice")
            else:
                self._group.create_task(link.run(self._hello(), self))
        raise failed

    async def _keep(self, member_id: str, *, begins: bool) -> None:
        """Sees to it that there is a link to a member."""
        while self._is_kept(member_id):
            try:
                await self._keep_trying(member_id, begins)
            except Exception:
                # A fault of ours with one member must not cost the connections to the others.
                _log.exception("keeping a connection to another member met a fault of the program")
                await asyncio.sleep(LONGEST_WAIT)

    async def _keep_trying(self, member_id: str, begins: bool) -> None:
        wait, first, tries = FIRST_WAIT, begins, 0
        while self._is_kept(member_id):
            if self._links.get(member_id):
                await self._wait_change(_PRUNE_SECONDS)
                self._prune(member_id)
                wait = FIRST_WAIT
                continue
            if not begins or (not first and self._own > member_id):
                await self._wait_change(LATER_SECONDS * (0.5 + random.random() / 2))  # noqa: S311 # spreads, protects nothing
                if self._links.get(member_id):
                    continue
            first, begins = False, True
            member = self._roster().all.get(member_id)
            if member is None or not member.address or not member.control_port:
                await self._wait_change(LONGEST_WAIT)
                continue
            try:
                tries += 1
                link = await self._find(member, everywhere=tries % _ELSEWHERE_EACH == 0)
            except LinkEnded as error:
                _log.debug("no connection to %s: %s", member.name, error)
            else:
                if not self._is_kept(member_id):
                    link.end("apart")
                    return
                await link.run(self._hello(), self)
                self._note_end(link)
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 # as above
            wait = min(2 * wait, LONGEST_WAIT)

    def _is_kept(self, member_id: str) -> bool:
        """Whether the task that asks is still to keep a link to a member."""
        return self._keepers.get(member_id) is asyncio.current_task()

    def _note_end(self, link: Link) -> None:
        if link.refusal is not None and link.refusal.get("reason") == "removed":
            self._on_removed(link.refusal)
        elif link.refusal is not None and link.refusal.get("reason") == "unknown":
            self._on_unknown(link.peer)

    def _prune(self, member: str) -> None:
        """Ends a connection that is one too many: of two, the one that the member with the lower id made stays."""
        links = self._links.get(member, [])
        if len(links) > 1 and self._own > member:
            for link in links:
                if link.dialed and any(not other.dialed for other in links):
                    link.bye("twice")
                    return

    async def _wait_change(self, seconds: float) -> None:
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            pass

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # What links tell

    def opened(self, link: Link, group: asyncio.TaskGroup) -> None:
        """See `Handler`."""
        links = self._links.setdefault(link.peer, [])
        links.append(link)
        if len(links) > _MOST_LINKS:
            links[0].end("there are newer connections of this member")
        self._told[link] = {}
        self._replicator.open(link, group)
        link.pulse(self._pulse_body(link, others=True))
        self._announce()

    def closed(self, link: Link, why: str) -> None:
        """See `Handler`."""
        self._replicator.close(link)
        self._told.pop(link, None)
        links = self._links.get(link.peer, [])
        if link in links:
            links.remove(link)
        if not links:
            self._links.pop(link.peer, None)
            if self.wide and link.parted:
                self._board.part(link.peer)
            elif self._board.lose(link.peer):
                _log.debug("the connection to %s is over: %s", link.peer, why)
                self._on_presence(link.peer, False)
        self._announce()

    def told(self, link: Link, message: Message) -> Any:
        """See `Handler`."""
        if message.kind != Kind.PULSE:
            return self._replicator.told(link, message)
        body = message.body
        alive = self._board.of(link.peer).alive
        self._board.hear(link.peer, body)
        if not alive and self._board.of(link.peer).alive:
            self._on_presence(link.peer, True)
        others = body.get("others")
        if isinstance(others, dict):
            # Who is told of and is no member must not be remembered.
            known = self._roster().all.keys() - {self._own}
            for member in self._board.overhear({m: others[m] for m in others.keys() & known}):
                self._on_presence(member, True)
        digest = body.get("digest")
        if isinstance(digest, str):
            self._replicator.on_digest(link, digest)
        return None

    async def asked(self, link: Link, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Handler`."""
        return await self._answer(link.peer, question)

    async def ask(self, member: Member, question: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """What a member answers; a connection is made for it where there is none. Raises `Unanswered`."""
        if (link := self.link(member.id)) is not None:
            return await link.ask(question, seconds)
        if not self.wide:
            raise Unanswered("it cannot be reached")
        try:
            link = await self.dial(member)
        except LinkEnded as error:
            raise Unanswered(str(error)) from None
        answer: Mapping[str, Any] | Unanswered
        async with asyncio.TaskGroup() as group:
            group.create_task(link.run(self._hello(), self))
            try:
                answer = await link.ask(question, seconds)
            except Unanswered as error:
                answer = error
            link.bye("answered")
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    async def ask_all(self, question: Mapping[str, Any], seconds: float) -> list[Mapping[str, Any]]:
        """What all members answer that there is a link to; those that do not in time are left out."""
        asked = (link.ask(question, seconds) for link in self.links())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    # Each second

    async def _pulse(self) -> None:
        for number in itertools.count():
            for links in tuple(self._links.values()):
                for link in tuple(links):
                    link.pulse(self._pulse_body(link, others=number % _OTHERS_EACH == 0))
            await asyncio.sleep(PULSE_SECONDS * (0.9 + random.random() / 5))  # noqa: S311 # as above

    def _pulse_body(self, link: Link, *, others: bool) -> dict[str, Any]:
        body = {
            "beat": round(time.time() * 1000),
            "run": self._run,
            "state": self._state(),
            "digest": self._hello().digest,
        }
        if others and self.wide and link in self._told:
            told = self._told[link]
            passed_on = self._board.newer_than(told)
            passed_on.pop(link.peer, None)
            told.update({member: other["beat"] for member, other in passed_on.items()})
            body["others"] = passed_on
        return body

    async def _rotate(self) -> None:
        """Chooses other random neighbours from time to time, so that no group stays by itself."""
        while True:
            await asyncio.sleep(_ROTATE_SECONDS)
            self._salt = random.SystemRandom().random()
            self.refresh()


def _certificate(writer: asyncio.StreamWriter) -> bytes:
    wrapped: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    shown = wrapped.getpeercert(binary_form=True) if wrapped is not None else None
    if not shown:
        raise NotAcceptable("it showed no certificate")
    return shown


def _removal(member: Member) -> dict[str, Any]:
    return {"by": member.removed_by, "at": member.removed_at}
