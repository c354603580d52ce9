"""Use cases around the cluster: joining, leaving, removing, and what there is to see of the members.

Invariant: each of them is an audit event with who asked, whether it was done or refused; what is answered as done is
in force here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pointsman.cluster.cluster import Cluster
from pointsman.cluster.joining import JoinWish, PeerTable, look_at
from pointsman.cluster.refusal import JoinRefused, NotPossible
from pointsman.cluster.view import ClusterView
from pointsman.control.apply import ApplyLoop
from pointsman.control.error import CannotStore, ControlError
from pointsman.outbound.pinned import Fingerprints
from pointsman.schema.condition import Condition
from pointsman.schema.event import Event, Severity
from pointsman.store import Author, Store, Superseded

IN_FORCE_SECONDS = 60.0


class Refused(ControlError):
    """The cluster does not do what was asked; `cause` says why for programs ("" where there is nothing to tell)."""

    def __init__(self, text: str, cause: str = "") -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True)
class Joined:
    """How a join ended: the fingerprints that the peer showed, and whether the configuration is in force here."""

    seen: Fingerprints
    in_force: bool


class Clustering:
    """The use cases of one instance."""

    def __init__(
        self, cluster: Cluster, store: Store, loop: ApplyLoop, on_event: Callable[[Event], None]
    ) -> None:
        self.cluster = cluster
        self._store = store
        self._loop = loop
        self._on_event = on_event

    def view(self) -> ClusterView:
        """The cluster as this instance sees it."""
        return self.cluster.view()

    def conditions(self) -> tuple[Condition, ...]:
        """Remarks on members."""
        return self.cluster.conditions()

    async def superseded(self, limit: int) -> tuple[Superseded, ...]:
        """The newest edits that lost to others which were made on another member at the same time."""
        return await self._store.superseded(limit)

    async def look_at(self, host: str, port: int, fingerprint: str = "") -> PeerTable:
        """The admin servers of another cluster; nothing secret is sent there. Raises `Refused`."""
        try:
            return await look_at(host, port, fingerprint)
        except JoinRefused as error:
            raise Refused(str(error), error.cause.value) from None

    async def join(self, actor: Author, wish: JoinWish) -> Joined:
        """Joins the cluster of another instance; returns when its configuration is in force here. Raises `Refused`."""
        where = f"{wish.host}:{wish.port}"
        try:
            seen = await self.cluster.join(wish)
        except JoinRefused as error:
            self._audit(actor, Severity.WARN, f"joining the cluster of {where} was refused: {error}")
            raise Refused(str(error), error.cause.value) from None
        self._audit(actor, Severity.INFO, f"joined the cluster of {where} (SHA-256 {seen.sha256})")
        return Joined(seen, await self._loop.wait_for(self._store.revision, IN_FORCE_SECONDS))

    async def leave(self, actor: Author) -> None:
        """Leaves the cluster. Raises `Refused`, `CannotStore`."""
        await self._do(actor, "left the cluster", lambda: self.cluster.leave(actor))

    async def remove(self, actor: Author, name: str) -> None:
        """Removes another member, whether it lives or not. Raises `Refused`, `CannotStore`."""
        await self._do(actor, f"removed {name} from the cluster", lambda: self.cluster.remove(actor, name))

    async def override(self, actor: Author, *, on: bool) -> None:
        """Permits changes while members run different versions, or forbids them again. Raises as `remove` does."""
        word = "permitted" if on else "forbade"
        text = f"{word} changes of the configuration while members run different versions"
        await self._do(actor, text, lambda: self.cluster.override(actor, on=on))

    async def _do(self, actor: Author, what: str, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except NotPossible as error:
            raise Refused(str(error)) from None
        except OSError as error:
            raise CannotStore(
                f"that was not stored ({error.strerror or error}); free space, then repeat"
            ) from error
        self._audit(actor, Severity.INFO, what)

    def _audit(self, actor: Author, severity: Severity, what: str) -> None:
        text = f"{what} at {actor.surface_name} from {actor.address or 'this machine'}"
        self._on_event(Event("general", "audit", severity, None, text, author=actor.name))
