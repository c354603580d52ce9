"""Current and Historical Activity: graphs of the traffic manager, or of chosen services, pools and nodes.

Invariant: what a graph shows is in the table below it too, and in the files to download, from the same points; the
address says all that was chosen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.watch import OFTEN_LIMIT, SLOW_PERIOD
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.history import History, Point
from pointsman.telemetry.response_times import WINDOW_SECONDS
from pointsman.web.ui.activity.chooser import Choice, Chooser
from pointsman.web.ui.activity.measures import Line, columns, figure, graphs_of, summary
from pointsman.web.ui.activity.sheet import Cell, csv_answer, json_answer
from pointsman.web.ui.activity.streams import Streams
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.visit import Visit

CURRENT = "/activity"
STREAM = "/activity/stream"
HISTORY = "/activity/history"
MONITORING = "Monitoring"
STATD = "Statd"
MINUTES = (1, 2, 5, 10, 15)
"""Time spans of the live graphs."""


@dataclass(frozen=True)
class Span:
    """A time span of the long history: its name in the address, in words, its length and the time of a step in s."""

    key: str
    title: str
    seconds: int
    step: int

    @property
    def length(self) -> str:
        """What stands behind "the last"."""
        return self.title.removeprefix("1 ")


SPANS = (
    Span("1h", "1 hour", 3600, 60),
    Span("1d", "1 day", 86_400, 300),
    Span("1w", "1 week", 7 * 86_400, 1800),
    Span("30d", "30 days", 30 * 86_400, 7200),
    Span("90d", "90 days", 90 * 86_400, 6 * 3600),
)


class Graphs:
    """Handlers of both pages and their files."""

    def __init__(self, desk: Desk, history: History) -> None:
        self._desk = desk
        self._history = history
        self._chooser = Chooser(desk.control)
        self._streams = Streams(history, desk.users.sessions)

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(CURRENT, self.current, MONITORING),
            get(STREAM, self.stream, MONITORING),
            get(f"{CURRENT}/current.csv", self.current_csv, MONITORING),
            get(f"{CURRENT}/current.json", self.current_json, MONITORING),
            get(HISTORY, self.historical, STATD),
            get(f"{HISTORY}.csv", self.historical_csv, STATD),
            get(f"{HISTORY}.json", self.historical_json, STATD),
        ]

    # Now

    async def current(self, visit: Visit) -> Response:
        """GET /activity: graphs of the last minutes that go on."""
        choice, minutes = self._chooser.read(visit), _minutes(visit)
        lines, graphs = graphs_of(choice.identities)
        _, values = self._recent(choice.identities, lines, time.time() - minutes * 60)
        plan = self._desk.control.plan
        return await self._desk.page(
            visit,
            "activity_current.html",
            choice=choice,
            offers=self._chooser.offers(choice, visit.query("find")),
            words=visit.query("find"),
            lines=lines,
            graphs=graphs,
            rows=_rows(lines, values),
            spans=[
                (f"{count} min", choice.address(CURRENT, minutes=count), count == minutes)
                for count in MINUTES
            ],
            extra={"minutes": minutes},
            path=CURRENT,
            seconds=minutes * 60,
            stream=choice.address(STREAM, minutes=minutes),
            csv=choice.address(f"{CURRENT}/current.csv", minutes=minutes),
            json=choice.address(f"{CURRENT}/current.json", minutes=minutes),
            window=WINDOW_SECONDS,
            slow=int(SLOW_PERIOD) if plan is not None and len(plan.proxies) > OFTEN_LIMIT else 0,
            empty=not self._desk.control.names("virtual_servers"),
        )

    async def stream(self, visit: Visit) -> Response:
        """GET /activity/stream: the points of the chosen span, then each as it is read."""
        choice = self._chooser.read(visit)
        lines, _ = graphs_of(choice.identities)

        def frame(since: float) -> tuple[str, float]:
            times, values = self._recent(choice.identities, lines, since)
            data = json.dumps({"t": times, "v": values}, separators=(",", ":")) if times else ""
            return data, times[-1] if times else since

        return self._streams.answer(visit, MONITORING, frame, time.time() - _minutes(visit) * 60)

    async def current_csv(self, visit: Visit) -> Response:
        """GET /activity/current.csv: the points of the chosen span."""
        lines, times, values = self._current(visit)
        return csv_answer("activity", _heading(lines), _sheet(times, values))

    async def current_json(self, visit: Visit) -> Response:
        """GET /activity/current.json: the same, a list to each line."""
        lines, times, values = self._current(visit)
        return json_answer("activity", _document(lines, times, values))

    def _current(self, visit: Visit) -> tuple[Sequence[Line], list[float], list[list[float | None]]]:
        choice = self._chooser.read(visit)
        lines, _ = graphs_of(choice.identities)
        return lines, *self._recent(choice.identities, lines, time.time() - _minutes(visit) * 60)

    def _recent(
        self, identities: Sequence[ObjectId], lines: Sequence[Line], since: float
    ) -> tuple[list[float], list[list[float | None]]]:
        points: dict[ObjectId, Sequence[Point]] = {}
        for identity in identities:
            self._history.want(identity)
            points[identity] = self._history.after(identity, since)
        return columns(lines, points)

    # Before

    async def historical(self, visit: Visit) -> Response:
        """GET /activity/history: an hour to ninety days."""
        choice, span = self._chooser.read(visit), _span(visit)
        lines, graphs = graphs_of(choice.identities, stored=True)
        _, values = await self._stored(choice, lines, span)
        return await self._desk.page(
            visit,
            "activity_history.html",
            choice=choice,
            offers=self._chooser.offers(choice, visit.query("find")),
            words=visit.query("find"),
            lines=lines,
            graphs=graphs,
            rows=_rows(lines, values),
            spans=[(one.title, choice.address(HISTORY, span=one.key), one is span) for one in SPANS],
            extra={"span": span.key},
            path=HISTORY,
            span=span,
            seconds=span.seconds,
            csv=choice.address(f"{HISTORY}.csv", span=span.key),
            json=choice.address(f"{HISTORY}.json", span=span.key),
            empty=not any(value for column in values for value in column),
        )

    async def historical_csv(self, visit: Visit) -> Response:
        """GET /activity/history.csv."""
        choice, span = self._chooser.read(visit), _span(visit)
        lines, _ = graphs_of(choice.identities, stored=True)
        times, values = await self._stored(choice, lines, span)
        return csv_answer(f"activity-{span.key}", _heading(lines), _sheet(times, values))

    async def historical_json(self, visit: Visit) -> Response:
        """GET /activity/history.json."""
        choice, span = self._chooser.read(visit), _span(visit)
        lines, _ = graphs_of(choice.identities, stored=True)
        return json_answer(f"activity-{span.key}", _document(lines, *await self._stored(choice, lines, span)))

    async def _stored(
        self, choice: Choice, lines: Sequence[Line], span: Span
    ) -> tuple[list[float], list[list[float | None]]]:
        """Every step of the span to the last whole minute; one without a point is one without traffic."""
        until = int(time.time()) // 60 * 60
        last = (until - 1) // span.step * span.step
        moments = range(last - span.seconds + span.step, last + 1, span.step)
        points: dict[ObjectId, Sequence[Point]] = {}
        for identity in choice.identities:
            found = await self._history.stored(identity, moments[0], until, span.step)
            known = {int(point.time): point for point in found}
            if (unfinished := known.get(last)) is not None:
                known[last] = _grown(unfinished, span.step / (until - last))
            points[identity] = [known.get(at) or Point(at, 0.0, 0.0, 0.0, 0.0, 0.0) for at in moments]
        return columns(lines, points)


def _grown(point: Point, times: float) -> Point:
    """The rates of a step that is not over yet, over the time that it has lasted."""
    return replace(
        point,
        bytes_in=point.bytes_in * times,
        bytes_out=point.bytes_out * times,
        requests=point.requests * times,
        errors=point.errors * times,
    )


def _minutes(visit: Visit) -> int:
    asked = visit.number("minutes", 5, 1, MINUTES[-1])
    return min(MINUTES, key=lambda count: abs(count - asked))


def _span(visit: Visit) -> Span:
    return next((span for span in SPANS if span.key == visit.query("span")), SPANS[1])


def _rows(lines: Sequence[Line], values: Sequence[Sequence[float | None]]) -> list[dict[str, Any]]:
    """The lines in figures, for the table."""
    rows = []
    for number, (line, column) in enumerate(zip(lines, values, strict=True)):
        found, unit = summary(column), line.measure.unit
        rows.append(
            {
                "number": number,
                "line": line,
                "unit": unit,
                "last": figure(found.last, unit),
                "least": figure(found.least, unit),
                "mean": figure(found.mean, unit),
                "greatest": figure(found.greatest, unit),
            }
        )
    return rows


def _name(line: Line) -> str:
    whole = "traffic manager" if not line.identity.name else str(line.identity)
    return f"{whole} {line.measure.key}{f' ({line.measure.unit})' if line.measure.unit else ''}"


def _heading(lines: Sequence[Line]) -> list[str]:
    return ["time", "unix_time", *map(_name, lines)]


def _sheet(times: Sequence[float], values: Sequence[Sequence[float | None]]) -> list[list[Cell]]:
    return [
        [
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            round(at, 3),
            *(column[number] for column in values),
        ]
        for number, at in enumerate(times)
    ]


def _document(
    lines: Sequence[Line], times: Sequence[float], values: Sequence[Sequence[float | None]]
) -> dict[str, Any]:
    described = [
        {
            "type": line.identity.type,
            "name": line.identity.name,
            "measure": line.measure.key,
            "unit": line.measure.unit,
        }
        for line in lines
    ]
    return {"lines": described, "t": times, "v": values}
