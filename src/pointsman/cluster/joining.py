"""Makes this instance a member of another one's cluster: the side of a join that asks.

Invariant: the password is sent only to a server whose certificate has the fingerprint that was given; until the
cluster's configuration is taken over, in one step, this instance is what it was.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pointsman.cluster.admission import (
    JOIN,
    REQUEST_LIMIT,
    TABLE,
    WHOLE_LIMIT,
    JoinAnswer,
    JoinRequest,
    TableRow,
    read_table,
)
from pointsman.cluster.edit import TRAFFIC_MANAGERS
from pointsman.cluster.installation import Installation, Joining
from pointsman.cluster.membership import Membership, Own
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.identity.authority import (
    NotAcceptable,
    make_key,
    make_request,
    private_text,
    public_text,
    unwrap,
)
from pointsman.identity.credential import Credential
from pointsman.outbound.pinned import (
    FingerprintDiffers,
    Fingerprints,
    Pinned,
    PinnedFailed,
    read_fingerprint,
)
from pointsman.schema.problem import ObjectId
from pointsman.store import Store, StoreError

JOIN_SECONDS = 120.0
TABLE_SECONDS = 10.0
_log = logging.getLogger("pointsman.cluster")


@dataclass(frozen=True)
class JoinWish:
    """What a join needs. Without a `fingerprint` (SHA-1 or SHA-256) whoever answers is trusted.

    `replace_own` permits to lose virtual servers of this instance's own; `part` is how it takes part in the traffic
    IP groups that are there: "passive", "active" or "none". With `resolve` it does not join under a name that the peer
    cannot resolve.
    """

    host: str
    port: int
    fingerprint: str
    user: str
    password: str = field(repr=False)
    replace_own: bool = False
    part: str = "passive"
    resolve: bool = False


@dataclass(frozen=True)
class PeerTable:
    """The admin servers of a cluster as one of them tells them, and the fingerprints that it shows itself."""

    seen: Fingerprints
    rows: tuple[TableRow, ...]


async def look_at(host: str, port: int, fingerprint: str = "") -> PeerTable:
    """The admin servers of the cluster of `host`; nothing secret is sent. Raises `JoinRefused`."""
    peer = await _open(host, port, fingerprint)
    try:
        status, body = await peer.ask("GET", TABLE, b"", seconds=TABLE_SECONDS, limit=1 << 20)
        if status != 200:
            raise JoinRefused(Cause.REQUEST, f"{host}:{port} is not the admin server of a Pointsman instance")
        return PeerTable(peer.fingerprints, read_table(body))
    except PinnedFailed as error:
        raise JoinRefused(Cause.UNREACHABLE, f"{error}; check host and port") from None
    finally:
        peer.close()


class Joiner:
    """Joins for one instance."""

    def __init__(
        self,
        installation: Installation,
        membership: Membership,
        store: Store,
        describe: Callable[[], Own],
    ) -> None:
        self._installation = installation
        self._membership = membership
        self._store = store
        self._describe = describe

    async def join(self, wish: JoinWish) -> Fingerprints:
        """Takes over the cluster's configuration and becomes a member; the fingerprints that the peer showed.

        Raises `JoinRefused`, and then this instance is what it was.
        """
        self._check(wish)
        key = make_key()
        peer = await _open(wish.host, wish.port, wish.fingerprint)
        try:
            if not wish.fingerprint:
                _log.warning(
                    "%s:%d is trusted on first contact; its certificate has the SHA-256 fingerprint %s",
                    wish.host,
                    wish.port,
                    peer.fingerprints.sha256,
                )
            own = self._describe()
            request = JoinRequest(
                user=wish.user,
                password=wish.password,
                request=make_request(key).decode(),
                public_key=public_text(key.public_key()),
                name=own.name,
                version=own.version,
                level=own.level,
                licence=own.licence,
                resolve=wish.resolve,
                installation=own.admin_sha256,
            ).encoded()
            if len(request) > REQUEST_LIMIT:
                raise JoinRefused(Cause.REQUEST, "user name or password are too long; correct them")
            status, body = await peer.ask("POST", JOIN, request, seconds=JOIN_SECONDS, limit=WHOLE_LIMIT)
        except PinnedFailed as error:
            raise JoinRefused(Cause.UNREACHABLE, f"{error}; try again") from None
        finally:
            peer.close()
        if status != 200:
            raise _refused(body)
        answer = JoinAnswer.read(body)
        try:
            credential = Credential.from_text(
                private_text(key) + answer.certificate.encode() + answer.authority.encode()
            )
            if credential.name.member != answer.member:
                raise NotAcceptable("the certificate is for another member")
            keys = {generation: unwrap(wrapped, key) for generation, wrapped in answer.keys.items()}
        except (NotAcceptable, ValueError) as error:
            raise JoinRefused(
                Cause.REQUEST, f"what the cluster answered is not usable ({error}); look at its version"
            ) from error
        if answer.time:
            self._store.set_reference(time.time() - answer.time)
        await self._take_over(credential, keys, answer.whole, wish.part)
        return peer.fingerprints

    async def _take_over(
        self, credential: Credential, keys: dict[int, bytes], whole: bytes, part: str
    ) -> None:
        own = ObjectId(TRAFFIC_MANAGERS, self._describe().name)
        joining = Joining(credential, dict(self._store.objects.get(own, {})), part)
        try:
            self._installation.begin_join(joining)
            await self._store.adopt(whole, keys=keys, replace=True)
            self._membership.reread()
            await self._membership.complete_join(joining)
        except (OSError, StoreError) as error:
            raise JoinRefused(
                Cause.STORAGE,
                f"the cluster's configuration cannot be stored ({error}); free space and repeat",
            ) from error

    def _check(self, wish: JoinWish) -> None:
        membership = self._membership
        if membership.active:
            raise JoinRefused(Cause.MEMBER, "this traffic manager is in a cluster already; leave that first")
        services = sorted(
            identity.name for identity in self._store.objects if identity.type == "virtual_servers"
        )
        if services and not wish.replace_own:
            more = f" and {len(services) - 3} more" if len(services) > 3 else ""
            raise JoinRefused(
                Cause.SERVICES,
                f"this traffic manager has virtual servers of its own ({', '.join(services[:3])}{more}), which the "
                "cluster's configuration would replace; permit that (--replace-own on the command line), or stay "
                "alone with them",
            )


async def _open(host: str, port: int, fingerprint: str) -> Pinned:
    try:
        wanted = read_fingerprint(fingerprint) if fingerprint else None
    except ValueError as error:
        raise JoinRefused(Cause.FINGERPRINT, f"{error}; copy it from the other instance") from None
    try:
        return await Pinned.open(host, port, wanted)
    except FingerprintDiffers as error:
        raise JoinRefused(Cause.FINGERPRINT, f"{error}; do not trust it") from None
    except PinnedFailed as error:
        raise JoinRefused(Cause.UNREACHABLE, f"{error}; check host and port") from None


def _refused(body: bytes) -> JoinRefused:
    try:
        data = json.loads(body)
        cause = Cause(str(data["error_id"]).removeprefix("join."))
        return JoinRefused(cause, str(data["error_text"])[:2000])
    except (ValueError, KeyError, TypeError):
        return JoinRefused(Cause.REQUEST, "what answers does not take joins; look at its address and version")
