"""What the home page shows, made from the status: counts, the services that matter first, and the members.

Pure. Invariant: what is left out is counted; a state is told by a mark and a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pointsman.cluster.view import ClusterView, MemberView
from pointsman.console.language.choice import say
from pointsman.control.status import Status
from pointsman.schema.health import NodeState
from pointsman.telemetry.history import Point
from pointsman.web.ui.marks import Mark, pool_mark
from pointsman.web.ui.overview import Overview, ServiceRow
from pointsman.web.ui.service_state import service_states
from pointsman.web.ui.trouble_list import ShownTrouble, shown_troubles, together

MOST_TROUBLES = 8
MOST_SERVICES = 12
_NODE_MARKS: Mapping[NodeState, tuple[Mark, str]] = {
    NodeState.ALIVE: ("ok", "up"),
    NodeState.DEAD: ("error", "down"),
    NodeState.DRAINING: ("warn", "draining"),
    NodeState.UNKNOWN: ("off", "not known"),
    NodeState.DISABLED: ("off", "disabled"),
}
_WELL: tuple[Mark, str] = ("ok", "well")
_ENGINE_DOWN: tuple[Mark, str] = ("error", "engine is down")
_ORDER: Sequence[Mark] = ("error", "warn", "ok", "off")


@dataclass(frozen=True)
class Tile:
    """A count with its parts, each a mark, a word and a number; `path` leads to the list."""

    title: str
    path: str
    permission: str
    count: int
    parts: tuple[tuple[Mark, str, int], ...]


@dataclass(frozen=True)
class MemberRow:
    """A traffic manager: how the machine itself fares, what it does, whether it has the newest configuration, and what
    it holds.

    `behind` counts the revisions that are not in force there yet, None when that is not known; `heard` is Unix time, 0
    for this one.
    """

    name: str
    mark: Mark
    word: str
    role: str
    version: str
    behind: int | None
    traffic_ips: int
    heard: float
    here: bool


@dataclass(frozen=True)
class Spark:
    """A line of figures over the last minutes, in a box of `WIDTH` by `HEIGHT`; `points` is its path."""

    WIDTH = 300
    HEIGHT = 48

    points: str
    now: float
    most: float


@dataclass(frozen=True)
class HomeView:
    """Everything that changes on the home page."""

    overview: Overview
    import_failed: bool
    banner: bool
    troubles: tuple[ShownTrouble, ...]
    more_troubles: int
    notes: int
    tiles: tuple[Tile, ...]
    services: tuple[ServiceRow, ...]
    more_services: int
    members: tuple[MemberRow, ...]


def home_view(view: Overview, cluster: ClusterView | None) -> HomeView:
    """The page for what was seen last. A failed import has a banner of its own, so it is not listed again."""
    documents = view.status.documents
    failed = documents is not None and documents.outcome == "failed"
    urgent = [one for one in view.troubles if one.grade != "note"]
    listed = together(one for one in urgent if one.group != "import" or not failed)
    return HomeView(
        overview=view,
        import_failed=failed,
        banner=bool(listed) or not failed,
        troubles=shown_troubles(listed[:MOST_TROUBLES]),
        more_troubles=max(0, len(listed) - MOST_TROUBLES),
        notes=len(view.troubles) - len(urgent),
        tiles=_tiles(view),
        services=view.services[:MOST_SERVICES],
        more_services=len(view.status.services) - min(len(view.services), MOST_SERVICES),
        members=_members(view.status, cluster),
    )


def _tiles(view: Overview) -> tuple[Tile, ...]:
    status = view.status
    services: Counter[tuple[Mark, str]] = Counter(
        (one.mark, one.word) for one in service_states(status).values()
    )
    pools: Counter[tuple[Mark, str]] = Counter(
        ("warn", "with nodes down")
        if (mark := pool_mark(pool)) == "warn" and pool.state == "active"
        else (mark, pool.state)
        for pool in status.pools
    )
    nodes: Counter[tuple[Mark, str]] = Counter(
        _NODE_MARKS[node.state] for pool in status.pools for node in pool.nodes
    )
    addresses: Counter[tuple[Mark, str]] = Counter(
        ("error", "held by nobody")
        if not ip.holder
        else ("ok", "where they belong")
        if not ip.order or ip.holder == ip.order[0]
        else ("warn", "elsewhere")
        for ip in status.traffic_ips
    )
    return (
        _tile("Virtual servers", "/services/virtual-servers", "Virtual_Servers", services),
        _tile("Pools", "/services/pools", "Pools", pools),
        _tile("Nodes", "/services/nodes", "Pools", nodes),
        _tile("Traffic IPs", "/services/traffic-ip-groups", "Traffic_IP_Groups", addresses),
    )


def _tile(title: str, path: str, permission: str, counts: Mapping[tuple[Mark, str], int]) -> Tile:
    parts = sorted(((mark, word, count) for (mark, word), count in counts.items()), key=_bad_first)
    return Tile(title, path, permission, sum(counts.values()), tuple(parts))


def _bad_first(part: tuple[Mark, str, int]) -> tuple[int, str]:
    return _ORDER.index(part[0]), part[1]


def _members(status: Status, cluster: ClusterView | None) -> tuple[MemberRow, ...]:
    held = Counter(ip.holder for ip in status.traffic_ips)
    own = max(0, status.revision - status.in_force)
    if cluster is None or not cluster.members:
        role = say("active") if held[status.traffic_manager] else say("alone")
        light: tuple[Mark, str] = _ENGINE_DOWN if status.level == "fatal" else _WELL
        name = status.traffic_manager
        return (MemberRow(name, *light, role, status.version, own, held[name], 0.0, here=True),)
    return tuple(_member(member, status, held) for member in cluster.members)


def _member(member: MemberView, status: Status, held: Mapping[str, int]) -> MemberRow:
    here = member.state == "here"
    holds = held.get(member.name, 0)
    role = say("active") if holds or not status.traffic_ips else say("passive")
    if member.state == "unreachable":
        light: tuple[Mark, str] = ("error", "unreachable")
    elif member.tells.get("serving") is False:
        light = _ENGINE_DOWN
    elif (left_out := member.tells.get("left_out")) and isinstance(left_out, int):
        light = ("error", f"{left_out} service{'' if left_out == 1 else 's'} left out")
    elif member.skew or member.unstored or member.twice:
        light = (
            "warn",
            "clock is wrong" if member.skew else "cannot store" if member.unstored else "runs twice",
        )
    else:
        light = _WELL
    behind = None
    revision, in_force = member.tells.get("revision"), member.tells.get("in_force")
    if member.state != "unreachable" and isinstance(revision, int) and isinstance(in_force, int):
        behind = max(0, revision - in_force)
    return MemberRow(
        member.name,
        *light,
        role,
        member.version,
        behind,
        holds,
        0.0 if here else member.heard,
        here=here,
    )


def spark(points: Iterable[Point], of: str, now: float, seconds: float) -> Spark | None:
    """The line of one figure of the points (`of` is its name); None where there are too few to draw."""
    found = [(point.time, float(getattr(point, of))) for point in points if point.time >= now - seconds]
    if len(found) < 2:
        return None
    most = max(value for _, value in found)
    drawn = " ".join(
        f"{(at - now + seconds) / seconds * Spark.WIDTH:.1f},{_height(value, most):.1f}"
        for at, value in found
    )
    return Spark(drawn, found[-1][1], most)


def _height(value: float, most: float) -> float:
    room = Spark.HEIGHT - 4
    return Spark.HEIGHT - 2 - (value / most * room if most > 0 else 0.0)
