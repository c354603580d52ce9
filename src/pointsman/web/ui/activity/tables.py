"""The figures behind the statistics page: a table of each kind of object, made once for all who look.

Invariant: a figure here is the one that REST has under the same name, or a percentile, which REST has not, and a state
the one of the home page; a table is made anew at most each second, and never for more than a tenth of the time, so that
thousands of nodes cost others nothing; rates are those between two readings of the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlette.background import BackgroundTask, BackgroundTasks
from starlette.responses import Response

from pointsman.control.control import Control
from pointsman.control.status import Figures, Status
from pointsman.schema.counter import STATISTICS_BY_PATH, Counter, CounterKind, is_counted
from pointsman.schema.counter.declaration import gauge
from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.response_times import WINDOW_SECONDS
from pointsman.web.ui.marks import NODE_MARKS, Mark, pool_mark
from pointsman.web.ui.service_state import service_states

FRESH_SECONDS = 1.0
SHARE = 10
"""A table is made again after this many times as long as making it took."""
QUICK_SECONDS = 0.05
STALE_SECONDS = 15.0
"""Up to this age a table that took longer than `QUICK_SECONDS` is given, and made anew behind the answer."""
LONGEST_INTERVAL = 60.0
"""A rate over a longer time (nobody looked) would be called live and is not."""
SLICE = 250
"""Rows that are made at a stretch."""


@dataclass(frozen=True)
class Row:
    """One object: its name, for a node the pool that it is in, its state as mark and word, and its counters."""

    name: str
    within: str
    mark: Mark
    word: str
    figures: Figures
    before: Figures | None = None
    seconds: float = 0.0

    def rate(self, key: str) -> float | None:
        """How much a counter grew in a second since the table before; None where that is not known."""
        now, earlier = self.figures.get(key), (self.before or {}).get(key)
        if not isinstance(now, int) or not isinstance(earlier, int) or self.seconds <= 0:
            return None
        return max(0, now - earlier) / self.seconds


@dataclass(frozen=True)
class Kind:
    """A kind of table. `key` names it in addresses; `shown` are the columns that it has by itself: counters, or of a
    counter with "/s" behind it the rate; `warnings` are counters that should not grow, with what it means in a word.
    `timed` says that it has percentiles of response times too.
    """

    key: str
    title: str
    one: str
    statistic: str
    shown: tuple[str, ...]
    warnings: Mapping[str, str] = field(default_factory=dict)
    within: str = ""
    timed: bool = False

    @property
    def counters(self) -> tuple[Counter, ...]:
        """Every counter of an object that something counts."""
        leaf = STATISTICS_BY_PATH[self.statistic]
        counted = (counter for counter in leaf.counters if is_counted(leaf.path, counter.name))
        return (*counted, *(PERCENTILES if self.timed else ()))


PERCENTILES = tuple(
    gauge(
        f"response_p{share}",
        f"Response time that {share} of 100 requests of the last {WINDOW_SECONDS} seconds did not exceed.",
        "ms",
    )
    for share in (50, 95, 99)
)
_TIMES = tuple(counter.name for counter in PERCENTILES)
_RESPONSES = ("http2xx_responses", "http3xx_responses", "http4xx_responses", "http5xx_responses")
KINDS: Mapping[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind(
            "virtual-servers",
            "Virtual servers",
            "virtual server",
            "virtual_servers",
            (
                "total_requests/s",
                "bytes_in/s",
                "bytes_out/s",
                "current_conn",
                "max_conn",
                *_TIMES,
                "total_requests",
                "bytes_in",
                "bytes_out",
                *_RESPONSES,
                "connection_errors",
                "discard",
            ),
            {
                "http5xx_responses": "server errors",
                "connection_errors": "errors",
            },
            timed=True,
        ),
        Kind(
            "pools",
            "Pools",
            "pool",
            "pools",
            (
                "total_conn/s",
                "bytes_in/s",
                "bytes_out/s",
                "conns_queued",
                "mean_queue_time",
                *_TIMES,
                "total_conn",
                "bytes_in",
                "bytes_out",
                *_RESPONSES,
                "nodes",
                "draining",
                "disabled",
            ),
            {"http5xx_responses": "server errors"},
            timed=True,
        ),
        Kind(
            "nodes",
            "Nodes",
            "node",
            "nodes/per_pool_node",
            (
                "total_conn/s",
                "bytes_from_node/s",
                "bytes_to_node/s",
                "current_conn",
                "idle_conns",
                "response_mean",
                "response_max",
                "total_conn",
                "new_conn",
                "pooled_conn",
                "bytes_from_node",
                "bytes_to_node",
                "errors",
                "failures",
            ),
            {"errors": "errors"},
            within="Pool",
        ),
        Kind("traffic-ips", "Traffic IPs", "traffic IP", "traffic_ips/traffic_ip_inet46", ("time",)),
        Kind("bandwidth", "Bandwidth classes", "bandwidth class", "bandwidth", ("maximum",)),
        Kind("globals", "Traffic manager", "traffic manager", "globals", (), timed=True),
    )
}
LEVELS: Mapping[str, tuple[tuple[float, Mark, str], ...]] = {
    "response_mean": ((5000, "error", "very slow"), (1000, "warn", "slow")),
    "response_max": ((5000, "error", "very slow"), (1000, "warn", "slow")),
    "response_p95": ((5000, "error", "very slow"), (1000, "warn", "slow")),
    "conns_queued": ((100, "error", "long queue"), (1, "warn", "queue")),
    "mean_queue_time": ((1000, "error", "long wait"), (50, "warn", "wait")),
}
"""Figures that are remarkable from so much on: the mark, and a word for it."""


@dataclass(frozen=True)
class Table:
    """All objects of a kind at one time (Unix); `read_at` is when their figures were read from the engine."""

    kind: Kind
    rows: Sequence[Row]
    at: float
    read_at: float

    @property
    def seconds(self) -> float:
        """The time that its rates are over, 0 where it has none."""
        return max((row.seconds for row in self.rows), default=0.0)


@dataclass(frozen=True)
class _Made:
    """A table, when it was begun, and the seconds that it took."""

    begun: float
    cost: float
    table: Table


class Tables:
    """Makes tables, and keeps each for a moment."""

    def __init__(self, control: Control, clock: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._clock = clock
        self._made: dict[str, _Made] = {}
        self._making = {key: asyncio.Lock() for key in KINDS}

    async def table(self, kind: Kind) -> Table:
        """The objects of a kind, at most a second old. One that takes long to make is given as it was a few seconds
        ago; `renewed_behind` then makes it anew.
        """
        made = self._made.get(kind.key)
        if made is not None:
            age = self._clock() - made.begun
            if age <= max(FRESH_SECONDS, SHARE * made.cost):
                return made.table
            if made.cost > QUICK_SECONDS and age <= STALE_SECONDS:
                return made.table
        return await self._fresh(kind, made)

    async def renew(self, kind: Kind) -> None:
        """Makes a table anew that was given although it is old; for after a page was sent."""
        made = self._made.get(kind.key)
        if made is None or self._making[kind.key].locked():
            return
        if self._clock() - made.begun > max(FRESH_SECONDS, SHARE * made.cost):
            await self._fresh(kind, made)

    def renewed_behind(self, answer: Response, *kinds: Kind) -> Response:
        """The answer, behind which tables are made anew where they are old."""
        before = [answer.background] if answer.background is not None else []
        answer.background = BackgroundTasks([*before, *(BackgroundTask(self.renew, kind) for kind in kinds)])
        return answer

    async def _fresh(self, kind: Kind, known: _Made | None) -> Table:
        async with self._making[kind.key]:
            made = self._made.get(kind.key)
            if made is None or made is known:  # else somebody made it while this one waited
                begun = self._clock()
                table = await self._make(kind, made.table if made is not None else None)
                made = self._made[kind.key] = _Made(begun, self._clock() - begun, table)
            return made.table

    async def _make(self, kind: Kind, last: Table | None) -> Table:
        read_at = self._control.live.read_at
        earlier: Mapping[tuple[str, str], Row] = {}
        if last is not None and read_at - last.read_at <= LONGEST_INTERVAL:
            earlier = {(row.within, row.name): row for row in last.rows}
        rows: list[Row] = []
        for number, (name, within, mark, word, figures) in enumerate(await self._objects(kind), 1):
            row, known = Row(name, within, mark, word, figures), earlier.get((within, name))
            if known is not None and last is not None:
                if read_at > last.read_at:
                    row = replace(row, before=known.figures, seconds=read_at - last.read_at)
                else:  # the same reading: what grew until then is still the newest there is
                    row = replace(row, before=known.before, seconds=known.seconds)
            rows.append(row)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return Table(kind, rows, time.time(), read_at)

    async def _objects(self, kind: Kind) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        match kind.key:
            case "virtual-servers":
                return self._virtual_servers(await self._control.status())
            case "pools":
                return self._pools(await self._control.status())
            case "nodes":
                return self._nodes(await self._control.status())
            case "traffic-ips":
                return self._traffic_ips()
            case "bandwidth":
                return self._bandwidth()
            case _:
                return self._whole()

    def _figures(self, statistic: str, name: str) -> Figures:
        return self._control.live.figures.get((statistic, name), {})

    def _timed(self, type_path: str, name: str) -> Figures:
        return {
            **self._figures(type_path, name),
            **self._control.live.response_times(ObjectId(type_path, name)),
        }

    def _virtual_servers(self, status: Status) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        for name, state in service_states(status).items():
            yield name, "", state.mark, state.word, self._timed("virtual_servers", name)

    def _pools(self, status: Status) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        for pool in status.pools:
            mark, word = pool_mark(pool), pool.state
            if mark == "warn" and (down := sum(node.state is NodeState.DEAD for node in pool.nodes)):
                word = f"{down} of {len(pool.nodes)} down"
            yield pool.name, "", mark, word, self._timed("pools", pool.name)

    def _nodes(self, status: Status) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        for pool in status.pools:
            for node in pool.nodes:
                figures = self._figures("nodes/per_pool_node", f"{pool.name}-{node.node}")
                yield node.node, pool.name, NODE_MARKS[node.state], node.state.value, figures

    def _traffic_ips(self) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        held = self._control.live.traffic_ips
        for view in held.views if held is not None else ():
            figures = self._figures("traffic_ips/traffic_ip_inet46", view.address)
            mark: Mark = "ok" if view.holder else "error"
            yield view.address, "", mark, f"held by {view.holder}" if view.holder else "nobody", figures

    def _bandwidth(self) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        for name in self._control.names("bandwidth"):
            yield name, "", "ok", "in force", self._figures("bandwidth", name)

    def _whole(self) -> Iterator[tuple[str, str, Mark, str, Figures]]:
        mark: Mark = "ok" if self._control.live.serving() else "error"
        word = "serving" if mark == "ok" else "no engine"
        yield self._control.identity.name, "", mark, word, self._timed("globals", "")


def alarm(kind: Kind, row: Row, key: str) -> tuple[Mark, str] | None:
    """What is remarkable about a row's figure: the mark and a word, None for nothing."""
    value = row.figures.get(key)
    if not isinstance(value, int):
        return None
    if key in kind.warnings and (row.rate(key) or 0) > 0:
        return "warn", kind.warnings[key]
    return next(((mark, word) for least, mark, word in LEVELS.get(key, ()) if value >= least), None)


def total(kind: Kind, rows: Sequence[Row], column: str) -> float | None:
    """The sum of a column; None where a sum says nothing (states, means, extremes)."""
    key, _, per = column.partition("/")
    counter = next((one for one in kind.counters if one.name == key), None)
    if counter is None or counter.kind is CounterKind.STATE:
        return None
    if counter.kind is CounterKind.GAUGE and (counter.unit or key in ("port", "node_port", "max_conn")):
        return None
    if per:
        return sum(row.rate(key) or 0.0 for row in rows)
    return sum(value for row in rows if isinstance(value := row.figures.get(key, 0), int))
