"""Lets instances into the cluster: the side of a join that is asked.

Invariant: no certificate, key or configuration leaves before the administrator's password was right; a join that comes
to nothing leaves no member behind, only a place that is held for it for a moment.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pointsman.cluster.admission import JoinAnswer, JoinRequest, TableRow, refusal
from pointsman.cluster.data_key import wrapped_for
from pointsman.cluster.membership import Membership, Own
from pointsman.cluster.places import CONSULT_SECONDS, Place, Places, read_answers
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.identity.authority import NotAcceptable
from pointsman.identity.user import ADMIN, Outcome, Users
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Store, StoreError

SURFACE = "cluster join"
INTRODUCING_SECONDS = 30.0
RESOLVE_SECONDS = 3.0
_KEY_LOOKS = 100
_LOOK_SECONDS = 0.05
_WHOLES_AT_ONCE = 2


class Host:
    """Answers what instances that want to join ask of this one."""

    def __init__(
        self,
        membership: Membership,
        store: Store,
        users: Users,
        *,
        describe: Callable[[], Own],
        limit: Callable[[], int],
        consult: Callable[[Mapping[str, Any], float], Awaitable[list[Mapping[str, Any]]]],
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` is how many members the licence permits, 0 for any number; `consult` asks all members that are alive
        and gives what they answered within so many seconds.
        """
        self._membership = membership
        self._store = store
        self._users = users
        self._describe = describe
        self._limit = limit
        self._on_event = on_event
        self._clock = clock
        self._consult = consult
        self.places = Places(lambda: membership.roster.all, clock)
        self._admitted = float("-inf")
        self._deciding = asyncio.Lock()
        self._wholes = asyncio.Semaphore(_WHOLES_AT_ONCE)

    def awaited(self, member: str) -> str:
        """The public key of an instance that was let in and is not in the list of members yet, else ""."""
        return self.places.awaited(member)

    @property
    def introducing(self) -> bool:
        """Whether an instance was let in just now, which the other members have yet to hear of."""
        return self._clock() - self._admitted < INTRODUCING_SECONDS

    def table(self) -> tuple[TableRow, ...]:
        """The admin servers of the cluster, or of this instance alone."""
        own = self._describe()
        if not self._membership.active:
            return (TableRow(own.name, own.address, own.ui_port, own.admin_sha1, own.admin_sha256),)
        return tuple(
            TableRow(member.name, member.address, member.ui_port, member.admin_sha1, member.admin_sha256)
            for member in self._membership.roster.members
        )

    async def admit(self, body: bytes, source: str) -> bytes:
        """The answer to a request from the address `source`. Raises `JoinRefused`."""
        request = JoinRequest.read(body)
        await self._identify(request, source)
        try:
            return await self._let_in(request, source)
        except JoinRefused as error:
            self._tell(
                Severity.WARN,
                "joinrefused",
                f"{request.name[:255]!r} may not join from {source}: {error}",
                request.user,
            )
            raise
        except (OSError, StoreError) as error:
            raise JoinRefused(
                Cause.STORAGE, f"the cluster cannot store that ({error}); free space there"
            ) from error

    async def _identify(self, request: JoinRequest, source: str) -> None:
        login = await self._users.verify(request.user, request.password, source, SURFACE)
        if login.outcome is Outcome.WAIT:
            seconds = int(login.wait_seconds) + 1
            raise JoinRefused(Cause.WAIT, f"too many wrong passwords from {source}; try again in {seconds} s")
        if login.outcome is not Outcome.RIGHT:
            raise JoinRefused(
                Cause.PASSWORD,
                "user name or password are not those of the cluster's administrator; correct them",
            )
        if request.user != ADMIN:
            raise JoinRefused(
                Cause.PASSWORD, f"only {ADMIN} may let an instance into the cluster; use that user"
            )

    async def _let_in(self, request: JoinRequest, source: str) -> bytes:
        actor = Author(request.user, source, "cluster")
        if request.resolve and not await _resolves(request.name):
            raise JoinRefused(
                Cause.UNRESOLVED,
                f'{self._describe().name} cannot resolve the name "{request.name}"; make it known there, or join '
                "under an IP address",
            )
        place = Place(
            uuid.uuid4().hex, request.name, request.installation, source, public_key=request.public_key
        )
        async with self._deciding:
            before = self.places.before(place)
            if (refused := self._refusal(request, before, {})) is not None:
                raise refused
            await self._membership.create(actor)
            if not await self._can_sign():
                raise JoinRefused(
                    Cause.WAIT,
                    "a new data key of the cluster is on its way to the member that was asked; try again",
                )
            try:
                certificate = self._membership.authority().sign(request.request.encode(), place.id)
                keys = wrapped_for(self._store.keys, request.public_key)
            except (NotAcceptable, UnicodeEncodeError) as error:
                raise JoinRefused(
                    Cause.REQUEST, f"{error}; use the product's own commands to join"
                ) from error
            await self._take(request, place, before)
            self._admitted = self._clock()
        try:
            async with self._wholes:
                whole = await self._store.whole()
        except BaseException:
            await self._give_up(place)
            raise
        authority = self._membership.authority().certificate.decode()
        self._tell(Severity.INFO, "joinadmitted", f"{request.name!r} is let in from {source}", request.user)
        return JoinAnswer(place.id, certificate.decode(), authority, keys, whole, time.time()).encoded()

    def _refusal(
        self, request: JoinRequest, held: Mapping[str, Place], unheard: Mapping[str, str]
    ) -> JoinRefused | None:
        """Why an instance cannot be let in, when these places are held, and these members (names by id) are known to
        other members only.
        """
        own = self._describe()
        refused = refusal(
            request,
            self._membership.roster,
            limit=self._limit(),
            pending=len(held.keys() | unheard.keys()),
            version=own.version,
            level=own.level,
        )
        if refused is not None:
            return refused
        if not request.name or len(request.name) > 255:
            return JoinRefused(Cause.NAME, "a name has 1 to 255 characters; give the instance another one")
        if request.name in {*unheard.values(), *(place.name for place in held.values())}:
            return JoinRefused(
                Cause.WAIT, "the name is taken by an instance that joins at this moment; wait 2 minutes"
            )
        if not self._membership.active and request.name == own.name:
            return JoinRefused(
                Cause.NAME,
                f'the instance that is asked is called "{own.name}" itself; give the joining one another name',
            )
        return None

    async def _take(self, request: JoinRequest, place: Place, before: Mapping[str, Place]) -> None:
        """Holds a place beside those that were held `before`, unless other members let in others at this moment.

        Raises `JoinRefused`.
        """
        self.places.hold(place)
        try:
            others = read_answers(await self._consult(self.places.question(), CONSULT_SECONDS))
            held, unheard = self.places.ahead(place, before, others)
            if (refused := self._refusal(request, held, unheard)) is not None:
                raise refused
        except BaseException:
            await self._give_up(place)
            raise
        self.places.confirm(place.id)

    async def _give_up(self, place: Place) -> None:
        self.places.drop(place.id)
        await self._consult(self.places.question(), CONSULT_SECONDS)

    async def _can_sign(self) -> bool:
        """Whether the authority's key can be read, or can be soon."""
        for _ in range(_KEY_LOOKS):
            if self._membership.can_sign:
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return self._membership.can_sign

    def _tell(self, severity: Severity, tag: str, text: str, author: str) -> None:
        subject = ObjectId("traffic_managers", self._describe().name)
        self._on_event(Event("general", tag, severity, subject, text, author=author))


async def _resolves(name: str) -> bool:
    """Whether a name can be resolved here; an address can."""
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            return bool(await asyncio.get_running_loop().getaddrinfo(name, None))
    except (OSError, UnicodeError, TimeoutError):
        return False
