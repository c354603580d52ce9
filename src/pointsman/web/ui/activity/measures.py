"""What can be drawn: measures of the history's points, and which graphs a choice of objects makes.

Pure. Invariant: a line is drawn only for what somebody measures of its object. Percentiles of response times are told
by HTTP services alone, so TCP services have a line without points; nodes have the engine's moving mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pointsman.console.template import visible
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.history import TOTAL, Point

MOST_SERIES = 8
"""Objects in one set of graphs."""


@dataclass(frozen=True)
class Measure:
    """One figure of a point. `unit` is "/s", "bit/s", "ms", "%" or "" for things that are counted now; `stored` says
    that the history of ninety days has it.
    """

    key: str
    title: str
    unit: str
    of: Callable[[Point], float | None]
    stored: bool = False


MEASURES: Mapping[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("requests", "Requests", "/s", lambda point: point.requests, stored=True),
        Measure("connections", "Connections open", "", lambda point: point.connections, stored=True),
        Measure("new_connections", "New connections", "/s", lambda point: point.new_connections),
        Measure("bits_in", "Bits in", "bit/s", lambda point: point.bytes_in * 8, stored=True),
        Measure("bits_out", "Bits out", "bit/s", lambda point: point.bytes_out * 8, stored=True),
        Measure("client_errors", "Client errors (4xx)", "/s", lambda point: point.client_errors),
        Measure("errors", "Server errors (5xx)", "/s", lambda point: point.errors, stored=True),
        Measure("failures", "Failed requests", "/s", lambda point: point.failures),
        Measure("p50", "Response time, p50", "ms", lambda point: point.p50, stored=True),
        Measure("p95", "Response time, p95", "ms", lambda point: point.p95, stored=True),
        Measure("p99", "Response time, p99", "ms", lambda point: point.p99, stored=True),
        Measure("response", "Response time, mean", "ms", lambda point: point.response),
        Measure("processor", "Processor", "%", lambda point: point.processor),
        Measure("memory", "Memory", "%", lambda point: point.memory),
    )
}
_MEASURED: Mapping[str, frozenset[str]] = {
    "globals": frozenset(MEASURES),
    "virtual_servers": frozenset(MEASURES) - {"response", "processor", "memory"},
    "pools": frozenset(MEASURES) - {"processor", "memory"},
    "nodes": frozenset(MEASURES) - {"client_errors", "errors", "p50", "p95", "p99", "processor", "memory"},
}
_STORED_OF_NODES = frozenset({"requests", "connections", "bits_in", "bits_out", "errors"})
_TOGETHER: Sequence[tuple[str, Sequence[str]]] = (
    ("Requests", ("requests",)),
    ("Traffic", ("bits_in", "bits_out")),
    ("Connections", ("connections",)),
    ("New connections", ("new_connections",)),
    ("Errors", ("client_errors", "errors", "failures")),
    ("Response times", ("p50", "p95", "p99", "response")),
    ("Machine", ("processor", "memory")),
)
"""The graphs of one object; of several, each measure has a graph of its own with a line to each object."""
_KINDS = {"virtual_servers": "Virtual server", "pools": "Pool", "nodes": "Node"}


@dataclass(frozen=True)
class Line:
    """A measure of an object. `label` is what tells it from the others in its graph, `look` the number of its colour
    and dashes.
    """

    identity: ObjectId
    measure: Measure
    label: str
    look: int


@dataclass(frozen=True)
class Graph:
    """Lines of one unit; `lines` are their places in the page's list of all lines."""

    title: str
    unit: str
    lines: tuple[int, ...]


def label_of(identity: ObjectId) -> str:
    """An object as a legend names it."""
    return "Whole traffic manager" if identity == TOTAL else f"{_KINDS[identity.type]} {identity.name}"


def graphs_of(
    chosen: Sequence[ObjectId], *, stored: bool = False
) -> tuple[tuple[Line, ...], tuple[Graph, ...]]:
    """All lines of a page for the chosen objects, and its graphs; with `stored` of what the long history has."""
    groups = (
        [(title, keys) for title, keys in _TOGETHER]
        if len(chosen) == 1
        else [(measure.title, (measure.key,)) for measure in MEASURES.values()]
    )
    lines: list[Line] = []
    graphs: list[Graph] = []
    for title, keys in groups:
        mine = [
            (identity, MEASURES[key])
            for key in keys
            for identity in chosen
            if _has(identity, MEASURES[key], stored)
        ]
        if not mine:
            continue
        first = len(lines)
        for number, (identity, measure) in enumerate(mine):
            label = measure.title if len(chosen) == 1 else label_of(identity)
            if identity.type == "nodes" and measure.key == "errors":
                label = MEASURES["failures"].title if len(chosen) == 1 else label
            look = number if len(chosen) == 1 else chosen.index(identity)
            lines.append(Line(identity, measure, visible(label), look % MOST_SERIES + 1))
        graphs.append(Graph(title, mine[0][1].unit, tuple(range(first, len(lines)))))
    return tuple(lines), tuple(graphs)


def _has(identity: ObjectId, measure: Measure, stored: bool) -> bool:
    if stored:
        return measure.stored and (identity.type != "nodes" or measure.key in _STORED_OF_NODES)
    return measure.key in _MEASURED[identity.type]


def columns(
    lines: Sequence[Line], points: Mapping[ObjectId, Sequence[Point]]
) -> tuple[list[float], list[list[float | None]]]:
    """Times, and for each line its value at each of them; None where there is none."""
    by_time = {identity: {point.time: point for point in found} for identity, found in points.items()}
    times = sorted({at for found in by_time.values() for at in found})
    values: list[list[float | None]] = []
    for line in lines:
        of, found = line.measure.of, by_time.get(line.identity, {})
        values.append([_rounded(of(point)) if (point := found.get(at)) else None for at in times])
    return times, values


def _rounded(value: float | None) -> float | None:
    """Three decimals are finer than any graph, and half as long to send."""
    return None if value is None else round(value, 3)


@dataclass(frozen=True)
class Summary:
    """A line in figures: the last value, the least, the mean and the greatest; None without any."""

    last: float | None
    least: float | None
    mean: float | None
    greatest: float | None


def summary(values: Sequence[float | None]) -> Summary:
    """What a column of values comes to; what is not known is left out."""
    known = [value for value in values if value is not None]
    if not known:
        return Summary(None, None, None, None)
    return Summary(values[-1], min(known), sum(known) / len(known), max(known))


def figure(value: float | None, unit: str) -> str:
    """A value with its unit, as people read it; a dash for what is not known."""
    if value is None:
        return "\u2013"
    if unit == "bit/s":
        for name in ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"):
            if value < 1000:
                return f"{_short(value)} {name}"
            value /= 1000
        return f"{_short(value)} Tbit/s"
    return f"{_short(value)} {unit}" if unit in ("ms", "%") else f"{_short(value)}{unit}"


def _short(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", "\u202f")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
