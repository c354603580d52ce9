"""The statistics page: every counter of every object, dense, sorted and filtered as the address says.

Invariant: a page shows `SHOWN` rows at most and says how many there are; sorting, filter, columns and page are the
query string, so that a refresh and a bookmark keep them; the files have all rows and every counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from pointsman.schema.counter import Counter, CounterKind
from pointsman.schema.problem import ObjectId
from pointsman.web.ui.activity.chooser import PARAMETERS
from pointsman.web.ui.activity.measures import figure
from pointsman.web.ui.activity.sheet import csv_answer, json_answer
from pointsman.web.ui.activity.tables import KINDS, Kind, Row, Table, Tables, alarm, total
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import Mark
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.visit import Visit

STATS = "/activity/stats"
LIVE = "/activity/stats/rows"
MONITORING = "Monitoring"
SHOWN = 200
_RATED = ("", "total_requests", "total_conn")
_SHORT = {
    "total_requests": "Requests",
    "total_conn": "Requests",
    "current_conn": "Open",
    "max_conn": "Most open",
    "bytes_in": "In",
    "bytes_out": "Out",
    "bytes_from_node": "From node",
    "bytes_to_node": "To node",
    "idle_conns": "Idle",
    "new_conn": "New conn.",
    "pooled_conn": "Reused",
    "response_mean": "Response",
    "response_max": "Slowest",
    "response_min": "Fastest",
    "response_p50": "p50",
    "response_p95": "p95",
    "response_p99": "p99",
    "conns_queued": "Queued",
    "mean_queue_time": "Queue time",
    "connection_errors": "Conn. errors",
    "discard": "Dropped",
    "failures": "Went down",
    "http1xx_responses": "1xx",
    "http2xx_responses": "2xx",
    "http3xx_responses": "3xx",
    "http4xx_responses": "4xx",
    "http5xx_responses": "5xx",
}
_PAGES = {"virtual-servers": "virtual_servers", "pools": "pools", "bandwidth": "bandwidth"}


@dataclass(frozen=True)
class Column:
    """A column of the page. `key` is a counter, with "/s" behind it its rate; `help` says what it counts."""

    key: str
    title: str
    help: str
    unit: str

    @property
    def counter(self) -> str:
        """The counter."""
        return self.key.removesuffix("/s")

    @property
    def rated(self) -> bool:
        """Whether it shows the growth in a second."""
        return self.key.endswith("/s")


@dataclass(frozen=True)
class Wish:
    """What the query asks for. `sort` is a column, "name" or "state"; `falling` turns it round."""

    kind: Kind
    words: str
    sort: str
    falling: bool
    columns: tuple[Column, ...]
    chosen: bool
    page: int

    def query(self, **changed: Any) -> str:
        """The query string of this wish, or of one that differs a little."""
        wish = replace(self, **changed)
        pairs = [("of", wish.kind.key)]
        if wish.words:
            pairs.append(("q", wish.words))
        if wish.sort != "name" or wish.falling:
            pairs.append(("sort", f"-{wish.sort}" if wish.falling else wish.sort))
        if wish.chosen:
            pairs += [("col", column.key) for column in wish.columns]
        if wish.page > 1:
            pairs.append(("page", str(wish.page)))
        return f"?{urlencode(pairs)}"

    def sorted_by(self, key: str) -> str:
        """Where a click on a heading leads: figures begin with the greatest."""
        falling = not self.falling if self.sort == key else key not in ("name", "state", "within")
        return self.query(sort=key, falling=falling, page=1)

    def direction(self, key: str) -> str:
        """The value of aria-sort for a heading, "" for none."""
        return ("descending" if self.falling else "ascending") if self.sort == key else ""


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown; `mark` and `word` where it is remarkable."""

    text: str
    mark: Mark | str
    word: str


@dataclass(frozen=True)
class ShownRow:
    """A row of the page; `address` is the object's own page, `graph` that of its graphs, "" where there is none."""

    name: str
    within: str
    mark: Mark
    word: str
    address: str
    graph: str
    cells: Sequence[Cell]


class StatisticsPage:
    """Handlers of the page and its files."""

    def __init__(self, desk: Desk, tables: Tables) -> None:
        self._desk = desk
        self._tables = tables

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(STATS, self.page, MONITORING),
            get(LIVE, self.rows, MONITORING),
            get(f"{STATS}.csv", self.csv, MONITORING),
            get(f"{STATS}.json", self.json, MONITORING),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /activity/stats."""
        wish = _wish(visit)
        shown = {column.key for column in wish.columns}
        answer = await self._desk.page(
            visit,
            "activity_stats.html",
            kinds=[
                (
                    kind.title,
                    Wish.query(wish, kind=kind, page=1, sort="name", falling=False, words=""),
                    kind is wish.kind,
                )
                for kind in KINDS.values()
            ],
            every=[(_column(counter), counter.name in shown) for counter in wish.kind.counters],
            rates=[column for column in wish.columns if column.rated],
            **await self._values(wish),
        )
        return self._tables.renewed_behind(answer, wish.kind)

    async def rows(self, visit: Visit) -> Response:
        """GET /activity/stats/rows: the table alone, for the page's script."""
        wish = _wish(visit)
        answer = self._desk.part(visit, "activity_stats_rows.html", **await self._values(wish))
        return self._tables.renewed_behind(answer, wish.kind)

    async def _values(self, wish: Wish) -> dict[str, Any]:
        table = await self._tables.table(wish.kind)
        found = _found(table, wish)
        first = (wish.page - 1) * SHOWN
        shown = [_shown(wish, row) for row in found[first : first + SHOWN]]
        return {
            "wish": wish,
            "rows": shown,
            "count": len(found),
            "all": len(table.rows),
            "totals": [_sum(wish.kind, found, column) for column in wish.columns] if len(found) > 1 else (),
            "more": first + SHOWN < len(found),
            "at": table.at,
            "live": f"{LIVE}{wish.query()}",
            "csv": f"{STATS}.csv{wish.query(page=1)}",
            "json": f"{STATS}.json{wish.query(page=1)}",
        }

    async def csv(self, visit: Visit) -> Response:
        """GET /activity/stats.csv: every counter under the name that REST has for it, and percentiles."""
        wish = _wish(visit)
        rows = _found(await self._tables.table(wish.kind), wish)
        names = [counter.name for counter in wish.kind.counters]
        within = ["pool"] if wish.kind.within else []
        return csv_answer(
            f"statistics-{wish.kind.key}",
            ["name", *within, *names],
            (
                [row.name, *([row.within] if within else []), *(row.figures.get(name) for name in names)]
                for row in rows
            ),
        )

    async def json(self, visit: Visit) -> Response:
        """GET /activity/stats.json: the same, by name."""
        wish = _wish(visit)
        table = await self._tables.table(wish.kind)
        names = [counter.name for counter in wish.kind.counters]
        found = [
            {
                "name": row.name,
                **({"pool": row.within} if wish.kind.within else {}),
                "statistics": {name: row.figures[name] for name in names if name in row.figures},
            }
            for row in _found(table, wish)
        ]
        return json_answer(
            f"statistics-{wish.kind.key}", {"of": wish.kind.key, "time": round(table.at, 3), "rows": found}
        )


def _wish(visit: Visit) -> Wish:
    kind = KINDS.get(visit.query("of"), KINDS["virtual-servers"])
    known = {counter.name: counter for counter in kind.counters}
    asked = [key for key in visit.request.query_params.getlist("col") if key.removesuffix("/s") in known]
    keys = dict.fromkeys(asked or kind.shown or known)
    columns = tuple(_column(known[key.removesuffix("/s")], rated=key.endswith("/s")) for key in keys)
    sort = visit.query("sort", "name")
    falling, sort = sort.startswith("-"), sort.removeprefix("-")
    if sort not in ("name", "state", "within") and sort not in keys:
        sort, falling = "name", False
    return Wish(
        kind,
        visit.query("q").strip()[:1000],
        sort,
        falling,
        columns,
        bool(asked),
        visit.number("page", 1, 1, 10**6),
    )


def _column(counter: Counter, *, rated: bool = False) -> Column:
    title = _SHORT.get(counter.name, counter.name.replace("_", " "))
    return Column(
        f"{counter.name}/s" if rated else counter.name,
        f"{title}/s" if rated else title,
        f"{counter.name}: {counter.help}{' In a second.' if rated else ''}",
        counter.unit if counter.kind is not CounterKind.STATE else "",
    )


def _found(table: Table, wish: Wish) -> Sequence[Row]:
    words = wish.words.lower()
    rows = (
        [row for row in table.rows if words in row.name.lower() or words in row.within.lower()]
        if words
        else list(table.rows)
    )
    match wish.sort:
        case "name":
            rows.sort(key=lambda row: (row.within, row.name), reverse=wish.falling)
        case "within":
            rows.sort(key=lambda row: (row.within, row.name), reverse=wish.falling)
        case "state":
            order = ("error", "warn", "ok", "off")
            rows.sort(key=lambda row: (order.index(row.mark), row.word, row.name), reverse=wish.falling)
        case key:
            rows.sort(key=lambda row: _order(row, key), reverse=wish.falling)
    return rows


def _order(row: Row, key: str) -> tuple[float, str]:
    value = row.rate(key.removesuffix("/s")) if key.endswith("/s") else row.figures.get(key)
    return (float(value), "") if isinstance(value, int | float) else (-1.0, str(value or ""))


def _shown(wish: Wish, row: Row) -> ShownRow:
    address, graph = "", ""
    if (kind := _PAGES.get(wish.kind.key)) is not None:
        address = address_of(ObjectId(kind, row.name))
    elif wish.kind.key == "nodes":
        address = address_of(ObjectId("pools", row.within))
    if (parameter := PARAMETERS.get(wish.kind.key.replace("-", "_"))) is not None:
        graph = f"/activity?{urlencode({parameter: row.name})}"
    elif wish.kind.key == "globals":
        graph = "/activity"
    return ShownRow(
        row.name,
        row.within,
        row.mark,
        row.word,
        address,
        graph,
        [_cell(wish.kind, row, column) for column in wish.columns],
    )


def _cell(kind: Kind, row: Row, column: Column) -> Cell:
    if column.rated:
        return Cell(_rate(row.rate(column.counter), column), "", "")
    value = row.figures.get(column.counter)
    mark, word = alarm(kind, row, column.counter) or ("", "")
    return Cell(_text(value, column), mark, word)


def _rate(value: float | None, column: Column) -> str:
    if column.unit == "bytes" and value is not None:
        return figure(value * 8, "bit/s")
    return figure(value, "")


def _text(value: object, column: Column) -> str:
    if not isinstance(value, int):
        return str(value) if value else "\u2013"
    if column.unit == "bytes":
        return _bytes(value)
    if column.unit == "1/100 s":
        return f"{value // 100:,} s".replace(",", "\u202f")
    return f"{value:,}".replace(",", "\u202f") + (f" {column.unit}" if column.unit in ("ms", "%") else "")


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _sum(kind: Kind, rows: Sequence[Row], column: Column) -> str:
    value = total(kind, rows, column.key)
    if value is None:
        return ""
    return _rate(value, column) if column.rated else _text(int(value), column)
