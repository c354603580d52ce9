"""Nodes that drain: what is left on each, how fast it goes, and what is done, as somebody wished, when nothing is left.

Invariant: a wish (`node_wishes`) is carried out once, by the first member, in the name of who had it, for a node that
still drains and of which every member says that it drains there too and has had no connection for `QUIET_SECONDS`. A
member that cannot be heard may have connections: it is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.control.error import ControlError
from pointsman.control.live import Live
from pointsman.control.node_acts import with_state, without_nodes
from pointsman.control.node_wishes import DONE, NodeWishes, Place, Wish
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Change

PERIOD = 1.0
QUIET_SECONDS = 2.0
KEPT = 300
"""Readings of a node that are remembered: five minutes."""
TOLD = 200
"""Nodes that members tell each other of at most."""
_LATELY = 60.0
"""The seconds that a rate is taken over."""
_STALE = 30.0
"""The seconds after which a reading says nothing of now; those of large configurations are ten seconds apart."""
_AGAIN = 30.0
"""The seconds after which what was refused is tried again."""

Settings = Callable[[ObjectId], "Mapping[str, object] | None"]
Edit = Callable[[Author, "tuple[Change, ...]", str], Awaitable[int]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peers:
    """The other members by name, with what they tell of themselves (see `Draining.tells`), None for those that cannot
    be heard; `first` says that this member acts for all.
    """

    first: bool = True
    told: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)

    @property
    def unheard(self) -> tuple[str, ...]:
        """The members that cannot be heard."""
        return tuple(sorted(name for name, told in self.told.items() if told is None))


@dataclass(frozen=True)
class DrainingNode:
    """A node that drains. `connections` are in use now, `elsewhere` those of them that are other members', `idle` kept
    open. `per_minute` is how many fewer there are each minute, None while that is not known; `seconds_left` an estimate
    that follows from it, None without one. `wish` is what shall be done when it is empty, None for nothing, and
    `complaint` why that was refused.
    """

    pool: str
    node: str
    connections: int
    elsewhere: int
    idle: int
    watched_since: float
    per_minute: float | None
    seconds_left: float | None
    persistence: str
    wish: Wish | None = None
    complaint: str = ""

    @property
    def done(self) -> str:
        """What the wish does with it, as it is called then: "disabled", "removed"."""
        return DONE.get(self.wish.what, "") if self.wish is not None else ""


@dataclass
class _Trace:
    begun: float
    readings: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=KEPT))
    idle: int = 0
    empty_since: float | None = None
    """The time of the first of the last readings of the engine that found nothing on it here."""
    quiet: bool = False


class Draining:
    """Follows the draining nodes of this instance."""

    def __init__(
        self,
        live: Live,
        snapshot: Callable[[], Snapshot],
        settings: Settings,
        edit: Edit,
        wishes: NodeWishes,
        in_force: Callable[[str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`in_force` says whether the engine serves a pool as it is configured."""
        self._live = live
        self._snapshot = snapshot
        self._settings = settings
        self._edit = edit
        self._wishes = wishes
        self._in_force = in_force
        self._clock = clock
        self._known: tuple[Snapshot | None, tuple[Place, ...]] = (None, ())
        self._traces: dict[Place, _Trace] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        self.peers: Callable[[], Peers] = Peers

    @property
    def tells(self) -> Mapping[str, Callable[[], Any]]:
        """What this member tells the others, by name: the connections that it has to nodes that drain, and the wishes
        whose nodes it finds empty.
        """
        return {"draining": self._told_connections, "drained": self._told_empty}

    def _told_connections(self) -> list[tuple[str, str, int]]:
        counted = ((*place, self._figure(place, "current_conn")) for place in self.places)
        return [one for one in counted if one[2]][:TOLD]

    def _told_empty(self) -> list[str]:
        wishes = self._wishes.all().items()
        quiet = (place for place, trace in self._traces.items() if trace.quiet)
        empty = frozenset(quiet)
        return sorted(wish.id for place, wish in wishes if place in empty)[:TOLD]

    @property
    def places(self) -> tuple[Place, ...]:
        """Every node that is set to drain."""
        snapshot = self._snapshot()
        if self._known[0] is not snapshot:
            found = tuple(
                (name, row.node)
                for name, pool in snapshot.all("pools", Pool)
                for row in pool.basic.nodes_table
                if row.state == "draining"
            )
            self._known = (snapshot, found)
        return self._known[1]

    def nodes(self) -> tuple[DrainingNode, ...]:
        """All of them as they are now, in the order of pools and nodes."""
        self.look()
        elsewhere, wishes = _connections(self.peers()), self._wishes.all()
        return tuple(self._view(place, elsewhere.get(place, 0), wishes.get(place)) for place in self.places)

    async def wish(self, place: Place, what: str, author: Author) -> None:
        """Has a node disabled or removed once it is empty; "" takes that back. Raises `ControlError`."""
        await self._wishes.ask(place, what, author)

    def left(self, place: Place) -> int:
        """Connections to a node that are in use now, here and on the other members that are heard."""
        return self._figure(place, "current_conn") + _connections(self.peers()).get(place, 0)

    async def run(self) -> None:
        """Follows them until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            self.look()
            await self.fulfil()

    def look(self) -> None:
        """Takes a reading of each."""
        now, read_at = self._clock(), self._live.read_at
        places = self.places
        there = frozenset(places)
        for place in [place for place in self._traces if place not in there]:
            del self._traces[place]
        elsewhere = _connections(self.peers()) if places else {}
        for place in places:
            trace = self._traces.setdefault(place, _Trace(now))
            here = self._figure(place, "current_conn")
            trace.idle = self._figure(place, "idle_conns")
            if not trace.readings or now - trace.readings[-1][0] >= PERIOD / 2:
                trace.readings.append((now, here + elsewhere.get(place, 0)))
            if here or not read_at or not self._in_force(place[0]):
                trace.empty_since = None
            elif trace.empty_since is None:
                trace.empty_since = read_at
            empty = trace.empty_since
            trace.quiet = empty is not None and read_at - empty >= QUIET_SECONDS and now - read_at < _STALE

    async def fulfil(self) -> None:
        """Carries out the wishes that are due."""
        wishes = self._wishes.all()
        self._refused = {
            wish.id: self._refused[wish.id] for wish in wishes.values() if wish.id in self._refused
        }
        if not wishes:
            return
        peers = self.peers()
        if not peers.first:
            return
        empty = [frozenset(self._told_empty())]
        empty += [frozenset(map(str, _list(told, "drained"))) for told in peers.told.values()]
        for wish in wishes.values():
            again, _ = self._refused.get(wish.id, (0.0, ""))
            if all(wish.id in told for told in empty) and self._clock() >= again:
                await self._carry_out(wish, everywhere=bool(peers.told))

    async def _carry_out(self, wish: Wish, *, everywhere: bool) -> None:
        pool, node = wish.place
        settings = self._settings(ObjectId("pools", pool))
        if settings is None:
            return
        asked = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(wish.asked))
        where = " on every member" if everywhere else ""
        reason = (
            f"node {node} is empty{where} and was {DONE[wish.what]}, as {wish.author.name} asked on {asked}"
        )
        try:
            if wish.what == "remove":
                change = without_nodes(pool, settings, (node,))
            else:
                change = with_state(pool, settings, (node,), "disabled")
            await self._edit(wish.author, (change,), reason)
        except (ControlError, Invalid) as error:
            if self._refused.get(wish.id, (0.0, ""))[1] != str(error):
                _log.warning("node %s of pool %s is empty and stays as it is: %s", node, pool, error)
            self._refused[wish.id] = (self._clock() + _AGAIN, str(error))

    def _view(self, place: Place, elsewhere: int, wish: Wish | None) -> DrainingNode:
        trace = self._traces[place]
        left = trace.readings[-1][1] if trace.readings else 0
        per_minute = _decline(trace.readings)
        seconds_left = 0.0 if not left else None
        if per_minute and per_minute > 0:
            seconds_left = left * 60 / per_minute
        pool = self._snapshot().get("pools", place[0], Pool)
        return DrainingNode(
            pool=place[0],
            node=place[1],
            connections=left,
            elsewhere=elsewhere,
            idle=trace.idle,
            watched_since=trace.begun,
            per_minute=per_minute,
            seconds_left=seconds_left,
            persistence=pool.basic.persistence_class if pool is not None else "",
            wish=wish,
            complaint=self._refused.get(wish.id, (0.0, ""))[1] if wish is not None else "",
        )

    def _figure(self, place: Place, name: str) -> int:
        found = self._live.figures.get(("nodes/per_pool_node", f"{place[0]}-{place[1]}"), {}).get(name, 0)
        return found if isinstance(found, int) else 0


def _list(told: Mapping[str, Any] | None, name: str) -> list[Any]:
    """What a member tells under a name; nothing of one that cannot be heard, or is of a version that does not tell."""
    found = told.get(name) if told is not None else None
    return found if isinstance(found, list) else []


def _connections(peers: Peers) -> dict[Place, int]:
    """Connections of other members to nodes that drain."""
    found: dict[Place, int] = {}
    for told in peers.told.values():
        for one in _list(told, "draining"):
            match one:
                case [str() as pool, str() as node, int() as count]:
                    found[pool, node] = found.get((pool, node), 0) + count
                case _:
                    pass
    return found


def _decline(readings: deque[tuple[float, int]]) -> float | None:
    """How many connections fewer there are each minute, over the last one; None before ten seconds are known."""
    if not readings:
        return None
    now, left = readings[-1]
    then, before = next((reading for reading in readings if now - reading[0] <= _LATELY), readings[-1])
    return (before - left) * 60 / (now - then) if now - then >= 10 else None
