"""What there is to see of the members, for every surface.

Pure. Invariant: what is stored and what is heard are told apart; who is alive is never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.cluster.presence import PresenceBoard
from pointsman.cluster.roster import Member, Roster

STORAGE = "storage"
"""Under which name a member tells why it can store nothing of what others change."""


@dataclass(frozen=True)
class MemberView:
    """A member. `state` is "here" for this member itself, "alive" or "unreachable".

    `heard` and `since` are Unix seconds, 0 when never; `skew` is by how many seconds its clock is ahead of the
    median of the members' clocks where that is an alarm, else 0; `twice` whether two machines run as this member;
    `tells` is what it said of itself last.
    """

    id: str
    name: str
    state: str
    address: str
    control_port: int
    rest_port: int
    ui_port: int
    version: str
    level: int
    licence: str
    sha1: str
    sha256: str
    joined: int
    heard: float
    since: float
    skew: float
    twice: bool = False
    tells: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unstored(self) -> str:
        """Why it can store nothing of what others change; "" when it can."""
        return str(self.tells.get(STORAGE, ""))[:500] if self.state != "unreachable" else ""


@dataclass(frozen=True)
class ClusterView:
    """The cluster as this instance sees it: `cluster` is its id, "" for an instance that stands alone.

    `removed_by` says who removed this instance, at `removed_at`; `frozen` why the configuration cannot be changed, ""
    when it can; `override` that it may be changed all the same.
    """

    cluster: str
    members: tuple[MemberView, ...]
    frozen: str
    override: bool
    removed: bool
    removed_by: str
    removed_at: int


def member_views(
    roster: Roster, own: str, board: PresenceBoard, own_state: Mapping[str, Any], now: float
) -> tuple[MemberView, ...]:
    """Every member, by name."""
    skewed = board.skewed(own)
    return tuple(_view(member, own, board, own_state, now, skewed) for member in roster.members)


def _view(
    member: Member,
    own: str,
    board: PresenceBoard,
    own_state: Mapping[str, Any],
    now: float,
    skewed: Mapping[str, float],
) -> MemberView:
    here, presence = member.id == own, board.of(member.id)
    return MemberView(
        id=member.id,
        name=member.name,
        state="here" if here else "alive" if presence.alive else "unreachable",
        address=member.address,
        control_port=member.control_port,
        rest_port=member.rest_port,
        ui_port=member.ui_port,
        version=member.version,
        level=member.level,
        licence=member.licence,
        sha1=member.admin_sha1,
        sha256=member.admin_sha256,
        joined=member.joined,
        heard=now if here else presence.heard,
        since=presence.since,
        skew=round(skewed.get(member.id, 0.0), 3),
        twice=board.twice(member.id),
        tells=own_state if here else presence.state,
    )
