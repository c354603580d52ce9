"""Lets instances into the cluster: the side of a join that is asked.

Invariant: no certificate, key or configuration leaves before the administrator's password was right; a join that comes
to nothing leaves no member behind, only a place that is held for it for a moment.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from pointsman.cluster.admission import JoinAnswer, JoinRequest, TableRow, refusal
from pointsman.cluster.data_key import wrapped_for
from pointsman.cluster.membership import Membership, Own
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.identity.authority import NotAcceptable
from pointsman.identity.user import ADMIN, Outcome, Users
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Store, StoreError

SURFACE = "cluster join"
INTRODUCING_SECONDS = 30.0
PLACE_SECONDS = 120.0
"""How long a place is held for an instance that was let in and has not shown itself yet."""
RESOLVE_SECONDS = 3.0
_KEY_LOOKS = 100
_LOOK_SECONDS = 0.05
_WHOLES_AT_ONCE = 2


@dataclass(frozen=True)
class _Place:
    """What is held for an instance that was let in, and until when (by the clock); `source` is where it asked from."""

    name: str
    source: str
    public_key: str
    until: float


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
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` is how many members the licence permits, 0 for any number."""
        self._membership = membership
        self._store = store
        self._users = users
        self._describe = describe
        self._limit = limit
        self._on_event = on_event
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._admitted = float("-inf")
        self._deciding = asyncio.Lock()
        self._wholes = asyncio.Semaphore(_WHOLES_AT_ONCE)

    def awaited(self, member: str) -> str:
        """The public key of an instance that was let in and is not in the list of members yet, else ""."""
        self._expire()
        found = self._places.get(member)
        return found.public_key if found is not None else ""

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
        async with self._deciding:
            self._expire()
            # Who asks once more got nowhere the first time: killed, or without space for the configuration.
            self._places = {
                member: place
                for member, place in self._places.items()
                if (place.name, place.source) != (request.name, source)
            }
            own = self._describe()
            refused = refusal(
                request,
                self._membership.roster,
                limit=self._limit(),
                pending=len(self._places),
                version=own.version,
                level=own.level,
            )
            same = [place.name for place in self._places.values()]
            if refused is None and (request.name in same or not request.name or len(request.name) > 255):
                refused = JoinRefused(
                    Cause.NAME, "the name is taken by an instance that joins at this moment; wait 2 minutes"
                )
            if refused is None and not self._membership.active and request.name == own.name:
                refused = JoinRefused(
                    Cause.NAME,
                    f'the instance that is asked is called "{own.name}" itself; give the joining one another name',
                )
            if refused is not None:
                raise refused
            await self._membership.create(actor)
            if not await self._can_sign():
                raise JoinRefused(
                    Cause.WAIT,
                    "a new data key of the cluster is on its way to the member that was asked; try again",
                )
            member = uuid.uuid4().hex
            try:
                certificate = self._membership.authority().sign(request.request.encode(), member)
                keys = wrapped_for(self._store.keys, request.public_key)
            except (NotAcceptable, UnicodeEncodeError) as error:
                raise JoinRefused(
                    Cause.REQUEST, f"{error}; use the product's own commands to join"
                ) from error
            self._admitted = self._clock()
            until = self._clock() + PLACE_SECONDS
            self._places[member] = _Place(request.name, source, request.public_key, until)
        try:
            async with self._wholes:
                whole = await self._store.whole()
        except BaseException:
            self._places.pop(member, None)
            raise
        authority = self._membership.authority().certificate.decode()
        self._tell(Severity.INFO, "joinadmitted", f"{request.name!r} is let in from {source}", request.user)
        return JoinAnswer(member, certificate.decode(), authority, keys, whole, time.time()).encoded()

    async def _can_sign(self) -> bool:
        """Whether the authority's key can be read, or can be soon."""
        for _ in range(_KEY_LOOKS):
            if self._membership.can_sign:
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        return self._membership.can_sign

    def _expire(self) -> None:
        now, known = self._clock(), self._membership.roster.all
        self._places = {
            member: place
            for member, place in self._places.items()
            if place.until > now and member not in known
        }

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
