"""Makes an instance that does not run yet a member of a cluster: in a container's start, and by the configure script.

Invariant: until the cluster's configuration is taken over, in one step, the home is what it was, also after a refusal;
what was cut short after that is carried through by the next call, which needs no peer. The password is held in memory
only.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from pointsman import __version__
from pointsman.cluster.installation import CredentialDamaged, Installation
from pointsman.cluster.joining import Joiner, JoinWish, look_at
from pointsman.cluster.membership import Membership, Own
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.cluster.roster import read_roster
from pointsman.control.renaming import KIND, nameip
from pointsman.identity.called import Called, IdentityDamaged, read_called, write_called
from pointsman.identity.certificate import CertificateRefused, InstanceCertificate
from pointsman.identity.machine import machine_addresses
from pointsman.identity.user import Users
from pointsman.identity.user_file import UserFile, UsersFileError
from pointsman.outbound.pinned import Fingerprints
from pointsman.provision.surroundings import outward_address
from pointsman.schema.level import LEVEL
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Author, Put, Store, StoreError

TRY_SECONDS = 120.0
"""How long a peer that cannot be reached is tried."""
_PAUSES = (1.0, 2.0, 4.0, 8.0)
_LATER = frozenset({Cause.UNREACHABLE, Cause.WAIT})
"""Causes that may be gone a little later."""
_AUTHOR = Author("", "", "provision")
_DAMAGE = (StoreError, CredentialDamaged, IdentityDamaged, CertificateRefused, UsersFileError)
_MADE = ("store", "identity")
"""What a join makes in a home, or writes into."""


class CannotJoin(Exception):
    """The instance is no member and what it was; `cause` is for programs, None for what is wrong with this home."""

    def __init__(self, text: str, cause: Cause | None = None) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True)
class Joined:
    """What became of a join: the name that this member has; `again` says that it was a member and asked nobody."""

    name: str
    again: bool = False


class Telling:
    """What a join says while it goes on; the default says nothing."""

    def trusted(self, seen: Fingerprints) -> None:
        """No fingerprint was given: whoever answered is trusted."""

    def failed(self, text: str, pause: float) -> None:
        """A try came to nothing; the next one follows in `pause` seconds."""

    def unresolved(self, text: str, address: str) -> None:
        """The peer cannot resolve the name, so that `address` takes its place from the next try on."""


async def join(
    home: Path,
    name: str,
    wish: JoinWish,
    telling: Telling,
    *,
    insist: bool = False,
    seconds: float = TRY_SECONDS,
) -> Joined:
    """Joins for the instance of a home in which nothing runs, called `name` ("" for the host's name).

    Where the peer cannot resolve the name, an address of this machine takes its place unless `insist`. A peer that
    cannot be reached is tried again for so many seconds. Raises `CannotJoin`, `OSError`.
    """
    before = _content(home)
    taken = False
    try:
        store = await Store.open(home / "store", STORED)
        try:
            return await _Join(home, store, name, insist=insist).run(wish, telling, seconds)
        finally:
            taken = bool(read_roster(store.objects).cluster)
            await store.close()
    except (CannotJoin, OSError, *_DAMAGE) as error:
        if not taken:
            _clean(home, before)
        if isinstance(error, _DAMAGE):
            raise CannotJoin(str(error)) from None
        raise


def _content(home: Path) -> frozenset[Path]:
    found = (path for directory in _MADE for path in (home / directory, *(home / directory).glob("*")))
    return frozenset(path for path in found if path.exists())


def _clean(home: Path, before: frozenset[Path]) -> None:
    """Removes what a join made that came to nothing."""
    for path in sorted(_content(home) - before, reverse=True):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class _Join:
    """One join: the parts of an instance that are needed for it, without the rest."""

    def __init__(self, home: Path, store: Store, name: str, *, insist: bool) -> None:
        users_file = home / "identity" / "users.json"
        passwords = UserFile.read(users_file) or UserFile(users_file, {})
        known = read_called(home)
        self._home = home
        self._store = store
        self._insist = insist
        self._name = name or (known.name if known else "") or socket.gethostname() or "localhost"
        self._uuid = known.uuid if known else str(uuid.uuid4())
        self._certificate = InstanceCertificate.open(home / "identity", self._name, machine_addresses())
        installation = Installation(home)
        users = Users(home, passwords, on_event=lambda event: None)
        self._membership = Membership(installation, store, users, self._describe)
        self._joiner = Joiner(installation, self._membership, store, self._describe)

    async def run(self, wish: JoinWish, telling: Telling, seconds: float) -> Joined:
        await self._membership.begin()
        if self._membership.active:
            await self._settle()
            return Joined(self._name, again=True)
        deadline = time.monotonic() + seconds
        tries = 0
        while True:
            try:
                await self._once(wish, telling)
                break
            except JoinRefused as refused:
                address = outward_address()
                if refused.cause is Cause.UNRESOLVED and address and address != self._name:
                    telling.unresolved(str(refused), address)
                    self._name = address
                    continue
                pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
                tries += 1
                if refused.cause not in _LATER or time.monotonic() + pause > deadline:
                    raise CannotJoin(str(refused), refused.cause) from None
                telling.failed(str(refused), pause)
                await asyncio.sleep(pause)
        await self._settle()
        return Joined(self._name)

    async def _once(self, wish: JoinWish, telling: Telling) -> None:
        if not wish.fingerprint:
            # Pinned from here on: the password goes to whoever was told of, or to nobody.
            table = await look_at(wish.host, wish.port)
            telling.trusted(table.seen)
            wish = replace(wish, fingerprint=table.seen.sha256)
        await self._joiner.join(replace(wish, resolve=not self._insist))

    async def _settle(self) -> None:
        """What a member needs besides: its identity has the name that it has in the cluster, and its object nameip."""
        own = self._membership.own
        assert own is not None
        self._name = own.name
        identity = ObjectId(KIND, own.name)
        settings = self._store.objects.get(identity, {})
        basic = settings.get("basic", {})
        if (wanted := nameip(own.name)) and basic.get("nameip") != own.name:
            await self._store.commit(
                [Put(identity, {**settings, "basic": {**basic, **wanted}})], _AUTHOR, "the name is an address"
            )
        write_called(self._home, Called(own.name, self._uuid))

    def _describe(self) -> Own:
        # The control plane knows better where it listens, and says so when it starts.
        return Own(
            name=self._name,
            version=__version__,
            level=LEVEL,
            address=outward_address(),
            control_port=9080,
            rest_port=9070,
            ui_port=9090,
            admin_sha1=self._certificate.sha1,
            admin_sha256=self._certificate.sha256,
            licence="",
        )
