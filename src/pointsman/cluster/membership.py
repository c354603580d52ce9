"""This instance as a member: its credential and record, and the edits that make, change and end a membership.

Invariant: an instance is a member while it holds a credential of the very cluster whose authority is in its store, and
nobody removed it; a membership that was cut short anywhere is whole or gone at the next start.
"""

from __future__ import annotations

import datetime
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from pointsman.cluster.data_key import AUTHOR, KEY_BYTES, next_generation, renewal, take_keys, wrapped_for
from pointsman.cluster.edit import (
    TRAFFIC_MANAGERS,
    data_keys,
    dissolution,
    entry,
    groups_without,
    others_away,
    removal,
)
from pointsman.cluster.installation import Installation, Joining, Removed
from pointsman.cluster.refusal import NotPossible
from pointsman.cluster.roster import Member, Roster, read_roster
from pointsman.cluster.users import UserFollower, user_change, user_changes
from pointsman.identity.account import Account
from pointsman.identity.authority import (
    Authority,
    is_of,
    make_key,
    make_request,
    private_text,
    public_text,
    self_signed,
)
from pointsman.identity.credential import Credential
from pointsman.identity.user import Users
from pointsman.schema.cluster import AUTHORITY, DATA_KEYS, MEMBERS, SETTINGS
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Change, NotStored, Put, Store, Transaction

_log = logging.getLogger("pointsman.cluster")


@dataclass(frozen=True)
class Own:
    """This instance as it describes itself to others."""

    name: str
    version: str
    level: int
    address: str
    control_port: int
    rest_port: int
    ui_port: int
    admin_sha1: str
    admin_sha256: str
    licence: str


class Membership:
    """What this instance is in its cluster."""

    def __init__(
        self,
        installation: Installation,
        store: Store,
        users: Users,
        describe: Callable[[], Own],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Raises `CredentialDamaged`, `OSError`."""
        self._installation = installation
        self._store = store
        self._users = users
        self._describe = describe
        self._clock = clock
        self._follower = UserFollower(users)
        self._kept: dict[str, Any] = {}
        self._engine_key: ec.EllipticCurvePrivateKey | None = None
        self.pending = False
        """Whether this instance joined and is not known to be known to any other member yet."""
        self.former: tuple[str, int] | None = None
        """Address and port at which the others seek this member, where those changed while it did not run."""
        self.credential: Credential | None = installation.credential()
        self.removed: Removed | None = installation.removed() if self.credential is not None else None
        self.roster: Roster = read_roster(store.objects)

    @property
    def id(self) -> str:
        """This member's id; "" on an instance that holds no credential."""
        return self.credential.name.member if self.credential is not None else ""

    @property
    def active(self) -> bool:
        """Whether this instance is a member."""
        return (
            self.credential is not None
            and self.removed is None
            and self.credential.name.cluster == self.roster.cluster
        )

    @property
    def own(self) -> Member | None:
        """This member as it is stored; None when it is none."""
        return self.roster.all.get(self.id)

    @property
    def engine_certificate(self) -> bytes:
        """The certificate and key (PEM) of this member's engine; empty until the others can know them."""
        shown, key = self.own.engine_certificate if self.own is not None else "", self._engine_key
        if not self.active or key is None or not is_of(shown, key):
            return b""
        return shown.encode() + private_text(key)

    # Following

    async def begin(self) -> None:
        """Carries through a join that was cut short, then brings this member's record up to date."""
        self.reread()
        joining = self._installation.joining(self._store.objects)
        if joining is not None:
            await self.complete_join(joining)
        if self.active:
            await self.follow()
            await self.announce()

    def note(self, transaction: Transaction) -> bool:
        """Takes note of a transaction; whether it may have changed who the members are."""
        if not any(
            record.identity.type.startswith("cluster/") or record.identity.type == TRAFFIC_MANAGERS
            for record in transaction.changes
        ):
            return False
        self.reread()
        return True

    def reread(self) -> None:
        """Reads the members anew from what is stored."""
        self.roster = read_roster(self._store.objects)
        # Kept for the day on which it is removed, when its object is gone before it is told.
        self._kept = self._own_object() or self._kept

    async def follow(self) -> None:
        """Takes the keys and users that other members stored."""
        if self.active and self.credential is not None:
            if await take_keys(self._store, self.credential):
                self.reread()
            self._users.share = self._share
            try:
                await self._follower.follow(self._store.objects)
            except OSError as error:
                _log.error("the users of the cluster cannot be stored (%s); free space", error.strerror)

    async def announce(self) -> None:
        """Stores what this member says of itself, where that has changed."""
        own = self.own
        if not self.active or (own is not None and own.removed):
            return
        member = self._describe_member(own.joined if own is not None else int(self._clock()))
        if own is not None:
            # The name follows the object in the configuration, which may have been renamed elsewhere.
            member = replace(member, name=own.name or member.name)
        if own is not None and (own.address, own.control_port) != (member.address, member.control_port):
            self.former = (own.address, own.control_port) if own.address and own.control_port else None
        if own is None or own.settings != member.settings:
            await self._commit([Put(ObjectId(MEMBERS.path, member.id), member.settings)], AUTHOR, "member")

    async def renew(self) -> bool:
        """Renews the certificate when that is due; whether it was. Raises `OSError`."""
        if not self.active or self.credential is None or not self.can_sign:
            return False
        if not self.credential.due(datetime.datetime.now(datetime.UTC)):
            return False
        certificate = self.authority().sign(make_request(self.credential.key), self.id)
        self.credential = self.credential.renewed(certificate)
        self._installation.store_credential(self.credential)
        await self.announce()
        return True

    @property
    def can_sign(self) -> bool:
        """Whether the authority's key can be read; not for a moment while a new data key is on its way."""
        held = self._store.objects.get(ObjectId(AUTHORITY.path, ""), {})
        return bool(held.get("key", {}).get("private", ""))

    def authority(self) -> Authority:
        """The cluster's authority, which every member holds."""
        held = self._store.objects[ObjectId(AUTHORITY.path, "")]
        private = held.get("key", {}).get("private", "")
        return Authority(held["basic"]["cluster"], held["basic"]["certificate"].encode(), private.encode())

    # Beginning

    async def create(self, actor: Author) -> None:
        """Makes this instance the first member of a new cluster; nothing when it is a member. Raises `OSError`."""
        if self.active:
            return
        authority, key, member = Authority.make(), make_key(), uuid.uuid4().hex
        certificate = authority.sign(make_request(key), member)
        self.credential = Credential(private_text(key), certificate, authority.certificate)
        self._stand_alone()
        # Before the store: a credential without a cluster counts for nothing, a cluster without one would be lost.
        self._installation.store_credential(self.credential)
        self.removed = None
        described = {
            "basic": {"cluster": authority.cluster, "certificate": authority.certificate.decode()},
            "key": {"private": authority.private.decode()},
        }
        own = self._describe_member(int(self._clock()))
        changes: list[Change] = dissolution(self._store.objects)
        changes += [
            Put(ObjectId(AUTHORITY.path, ""), described),
            Put(ObjectId(MEMBERS.path, member), own.settings),
            *user_changes(self._users.accounts),
            *self._own_keys(),
        ]
        await self._commit(changes, actor, "this traffic manager begins a cluster")
        await self.follow()

    async def complete_join(self, joining: Joining) -> None:
        """Makes this instance a member, once the cluster's configuration is its own. Raises `OSError`."""
        self._installation.store_credential(joining.credential)
        self.credential, self.removed = joining.credential, None
        self.reread()
        if self.own is None:
            own = self._describe_member(int(self._clock()))
            changes = entry(self._store.objects, own, joining.traffic_manager, joining.traffic_ips)
            await self._commit(
                [*changes, *self._own_keys()], AUTHOR, f"traffic manager {own.name} joins the cluster"
            )
        self._installation.forget_removal()
        self.pending = True
        await self.follow()

    def settle_join(self) -> None:
        """Takes note that another member knows this one. Raises `OSError`."""
        self.pending = False
        self._installation.end_join()

    # Changing and ending

    async def remove(self, actor: Author, name: str) -> Member:
        """Ends another member's membership, whether it lives or not. Raises `NotPossible`, `OSError`."""
        self.require()
        member = self.roster.named(name)
        if member is None:
            raise NotPossible(f'the cluster has no member called "{name}"; look at the list of members')
        if member.id == self.id:
            raise NotPossible(
                f"{name} is this traffic manager itself; use leave, or remove it from another one"
            )
        changes = removal(self._store.objects, member, _told(actor), int(self._clock()))
        await self._commit(changes, actor, f"traffic manager {name} is removed from the cluster")
        await self.turn_key()
        return member

    async def begin_leave(self, actor: Author) -> None:
        """Stores that this member leaves, for the others. Raises `NotPossible`, `OSError`."""
        own = self.own
        if not self.active or own is None or own.removed:
            return
        changes = removal(self._store.objects, own, _told(actor), int(self._clock()))
        await self._commit(changes, actor, f"traffic manager {own.name} leaves the cluster")

    async def end_leave(self, actor: Author) -> None:
        """Makes this instance stand alone with its copy of the configuration. Raises `NotPossible`, `OSError`."""
        if self.credential is None:
            raise NotPossible("this traffic manager is not in a cluster; there is nothing to leave")
        objects, name = self._store.objects, self._describe().name
        changes = [*dissolution(objects), *others_away(objects, self.roster, name)]
        if ObjectId(TRAFFIC_MANAGERS, name) not in objects:
            changes.append(Put(ObjectId(TRAFFIC_MANAGERS, name), self._kept))
        self._users.share = None
        self._stand_alone()
        self.credential, self.removed, self.pending = None, None, False
        if changes:
            await self._commit(changes, actor, "this traffic manager stands alone")

    async def found_removed(self, removed: Removed) -> None:
        """Notes that this instance was removed elsewhere: it goes on alone with what it has. Raises `OSError`."""
        self.removed, self.pending = removed, False
        self._users.share = None
        self._installation.note_removed(removed)
        name, objects = self._describe().name, self._store.objects
        # The cluster may have given its traffic IPs to others already, so none may be raised here.
        changes = groups_without(objects, {name})
        if ObjectId(TRAFFIC_MANAGERS, name) not in objects:
            changes.append(Put(ObjectId(TRAFFIC_MANAGERS, name), self._kept))
        if changes:
            await self._commit(changes, AUTHOR, "removed from the cluster")

    async def set_override(self, actor: Author, *, on: bool) -> None:
        """Permits, or forbids again, changes while members run different versions. Raises `NotPossible`, `OSError`."""
        self.require()
        settings = {"basic": {"override": on}}
        word = "may be" if on else "may not be"
        await self._commit(
            [Put(ObjectId(SETTINGS.path, ""), settings)],
            actor,
            f"configuration {word} changed while versions differ",
        )

    async def turn_key(self) -> None:
        """Makes a new data key for those who are members, and seals all secrets with it. Raises `OSError`."""
        keys = self._store.keys
        generation, secret = next_generation(keys), secrets.token_bytes(KEY_BYTES)
        await self._store.add_key(generation, secret)
        await self._commit(renewal(self.roster, generation, secret), AUTHOR, "a member went: new data key")
        await self._store.reseal(AUTHOR, "a member went: secrets are sealed with the new data key")

    @property
    def key_is_known_outside(self) -> bool:
        """Whether somebody who was removed has the data key that seals now."""
        newest = max(self._store.keys, default=0)
        held = self._store.objects
        return any(
            member.removed and ObjectId(DATA_KEYS.path, f"{newest}.{member.id}") in held
            for member in self.roster.all.values()
        )

    def _stand_alone(self) -> None:
        self._installation.stand_alone()
        self._engine_key = None

    def require(self) -> None:
        """Raises `NotPossible` where there is no cluster."""
        if not self.active:
            raise NotPossible("this traffic manager is not in a cluster; join one first")

    def _own_object(self) -> dict[str, Any]:
        return dict(self._store.objects.get(ObjectId(TRAFFIC_MANAGERS, self._describe().name), {}))

    def _own_keys(self) -> list[Change]:
        """This member's own wraps of the data key that seals, which tell that it has it."""
        assert self.credential is not None
        keys = self._store.keys
        newest = max(keys)
        wrapped = wrapped_for({newest: keys[newest]}, public_text(self.credential.key.public_key()))
        return data_keys(newest, {self.id: wrapped[newest]})

    def _describe_member(self, joined: int) -> Member:
        assert self.credential is not None
        own = self._describe()
        key = self._engine_key = self._engine_key or self._installation.engine_key()
        shown = self.own.engine_certificate if self.own is not None else ""
        return Member(
            self.id,
            own.name,
            address=own.address,
            control_port=own.control_port,
            rest_port=own.rest_port,
            ui_port=own.ui_port,
            version=own.version,
            level=own.level,
            licence=own.licence,
            certificate=self.credential.fingerprint,
            public_key=public_text(self.credential.key.public_key()),
            admin_sha1=own.admin_sha1,
            admin_sha256=own.admin_sha256,
            engine_certificate=shown if is_of(shown, key) else self_signed(key, self.id),
            joined=joined,
        )

    async def _share(self, user: str, account: Account | None) -> None:
        what = "user changed" if account is not None else "user deleted"
        await self._commit([user_change(user, account)], AUTHOR, what)

    async def _commit(self, changes: list[Change], actor: Author, reason: str) -> None:
        try:
            transaction = await self._store.commit(changes, actor, reason)
        except NotStored as error:
            raise OSError(str(error)) from error
        if transaction is not None:
            self.note(transaction)


def _told(actor: Author) -> str:
    return f"{actor.name}@{actor.address}" if actor.address else actor.name
