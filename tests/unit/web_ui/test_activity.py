"""Graphs and tables of the Activity tab: which lines there are, how they are written, and streams that end."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from tests.running import AUTHOR, running

from pointsman.control.access import Access
from pointsman.identity.session import IDLE_SECONDS, Session, Sessions
from pointsman.identity.user import Users
from pointsman.identity.user_file import UserFile
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.telemetry.counters import Flow
from pointsman.telemetry.database import Database
from pointsman.telemetry.history import TOTAL, History, Point
from pointsman.web.ui.activity import streams as module
from pointsman.web.ui.activity.measures import columns, figure, graphs_of, summary
from pointsman.web.ui.activity.sheet import csv_text, harmless
from pointsman.web.ui.activity.streams import Streams
from pointsman.web.ui.activity.tables import KINDS, Row, Tables, alarm, total
from pointsman.web.ui.form_data import FormData
from pointsman.web.ui.visit import Visit

WEB = ObjectId("virtual_servers", "web")
POOL = ObjectId("pools", "p")
NODE = ObjectId("nodes", "a:80")


# Lines


def test_one_object_has_a_graph_to_each_unit_and_several_have_one_to_each_measure() -> None:
    lines, graphs = graphs_of((TOTAL,))
    assert [graph.title for graph in graphs][:2] == ["Requests", "Traffic"]
    assert {line.measure.key for line in lines} >= {"processor", "memory", "response"}
    (times,) = [graph for graph in graphs if graph.title == "Response times"]
    assert [lines[number].measure.key for number in times.lines] == ["p50", "p95", "p99", "response"]
    assert sorted(number for graph in graphs for number in graph.lines) == list(range(len(lines)))
    lines, graphs = graphs_of((WEB, POOL, NODE))
    by_title = {graph.title: [lines[number] for number in graph.lines] for graph in graphs}
    assert [line.identity for line in by_title["Requests"]] == [WEB, POOL, NODE]
    assert [line.identity for line in by_title["Response time, mean"]] == [POOL, NODE], "as measured"
    assert [line.identity for line in by_title["Response time, p95"]] == [WEB, POOL]
    assert [line.identity for line in by_title["Server errors (5xx)"]] == [WEB, POOL]
    assert "Processor" not in by_title
    assert {line.look for line in lines if line.identity == POOL} == {2}, "one look in all graphs"


def test_the_long_history_has_what_is_stored() -> None:
    lines, _ = graphs_of((WEB,), stored=True)
    assert {line.measure.key for line in lines} == {
        "requests",
        "connections",
        "bits_in",
        "bits_out",
        "errors",
        "p50",
        "p95",
        "p99",
    }


def test_a_name_cannot_turn_the_legend_round() -> None:
    lines, _ = graphs_of((WEB, ObjectId("pools", "\u202eevil")))
    assert all("\u202e" not in line.label for line in lines)


def test_columns_have_gaps_where_nobody_measured() -> None:
    lines, _ = graphs_of((WEB, POOL))
    first = Point(1.0, 10.0, 20.0, 3.0, 0.0, 1.0)
    points = {
        WEB: [first, Point(2.0, 0.0, 0.0, 0.5, 0.0, 0.0)],
        POOL: [Point(2.0, 0, 0, 1.0, 0, 0, response=7.0)],
    }
    times, values = columns(lines, points)
    assert times == [1.0, 2.0]
    found = {(line.identity, line.measure.key): column for line, column in zip(lines, values, strict=True)}
    assert found[WEB, "requests"] == [3.0, 0.5]
    assert found[POOL, "requests"] == [None, 1.0]
    assert found[WEB, "bits_in"] == [80.0, 0.0]
    assert found[POOL, "response"] == [None, 7.0]
    assert columns(lines, {})[0] == []


def test_a_summary_leaves_out_what_is_not_known() -> None:
    found = summary([None, 1.0, 3.0])
    assert (found.last, found.least, found.mean, found.greatest) == (3.0, 1.0, 2.0, 3.0)
    assert summary([]).mean is None and summary([2.0, None]).last is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "/s", "\u2013"),
        (0.0, "/s", "0/s"),
        (1.234, "/s", "1.23/s"),
        (1234.0, "", "1\u202f234"),
        (999.0, "bit/s", "999 bit/s"),
        (2_500_000.0, "bit/s", "2.50 Mbit/s"),
        (3e15, "bit/s", "3\u202f000 Tbit/s"),
        (12.5, "ms", "12.5 ms"),
    ],
)
def test_figures_have_their_unit(value: float | None, unit: str, text: str) -> None:
    assert figure(value, unit) == text


# Files


@given(st.text(max_size=20))
def test_no_text_is_a_formula_and_none_is_lost(text: str) -> None:
    cell = harmless(text)
    assert isinstance(cell, str) and cell.endswith(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_numbers_stay_numbers() -> None:
    text = csv_text(["name", "value"], [["=1+1", -5], ['a"b,c', None], ["\r\nx", 1.5]])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "value"],
        ["'=1+1", "-5"],
        ['a"b,c', ""],
        ["'\r\nx", "1.5"],
    ]


# Tables


def test_rates_alarms_and_totals() -> None:
    kind = KINDS["virtual-servers"]
    rows = [
        Row(
            "a",
            "",
            "ok",
            "serving",
            {"total_requests": 30, "connection_errors": 2, "max_conn": 4},
            {"total_requests": 10, "connection_errors": 1},
            2.0,
        ),
        Row("b", "", "ok", "serving", {"total_requests": 5, "protocol": "http"}),
    ]
    assert rows[0].rate("total_requests") == 10.0
    assert rows[1].rate("total_requests") is None, "one table is no rate"
    assert alarm(kind, rows[0], "connection_errors") == ("warn", "errors")
    assert alarm(kind, rows[1], "connection_errors") is None
    assert total(kind, rows, "total_requests") == 35
    assert total(kind, rows, "total_requests/s") == 10.0
    assert total(kind, rows, "max_conn") is None and total(kind, rows, "protocol") is None
    slow = Row("n", "p", "ok", "alive", {"response_mean": 6000})
    assert alarm(KINDS["nodes"], slow, "response_mean") == ("error", "very slow")


# Streams


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    database = await Database.open(tmp_path / "telemetry.db")
    yield History(database)
    await database.close()


def visit_of(token: str, session: Session) -> Visit:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/activity/stream",
        "query_string": b"",
        "headers": [(b"cookie", f"other=1; session={token}".encode())],
        "extensions": {},
        "state": {"session": session},
    }
    users = Users(Path(), UserFile(Path("users.json"), {}), on_event=lambda event: None)
    return Visit(Request(scope), Access(users, Snapshot), FormData({}))


def pieces(streams: Streams, visit: Visit) -> AsyncIterator[bytes]:
    """The body of a stream that tells how often it was asked."""
    answer = streams.answer(visit, "Monitoring", lambda since: (f"[{since:.0f}]", since + 1), 1.0)
    assert isinstance(answer, StreamingResponse)
    return answer.body_iterator  # type: ignore[return-value] # of bytes


async def test_a_reading_reaches_every_stream_and_a_session_that_ended_none(history: History) -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    streams = Streams(history, sessions)
    token, session = sessions.begin("admin", "192.0.2.1")
    bodies = [pieces(streams, visit_of(token, session)) for _ in range(2)]
    async with asyncio.timeout(10):
        for body in bodies:
            assert await anext(body) == b"retry: 3000\n\n"
            assert await anext(body) == b"id: 2.000\nevent: points\ndata: [1]\n\n"
        waiting = [asyncio.ensure_future(anext(body)) for body in bodies]
        await asyncio.sleep(0)
        history.record({WEB: Flow(0, 0, 0, 0, 0)})
        assert [await one for one in waiting] == [b"id: 3.000\nevent: points\ndata: [2]\n\n"] * 2
        used = session.used
        clock.now += IDLE_SECONDS + 1
        for body in bodies:
            assert (await anext(body)).startswith(b"event: over\n")
            assert [piece async for piece in body] == []
    assert session.used == used, "a stream is no use of the session"


async def test_there_are_not_too_many_streams(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_SESSION", 1)
    sessions = Sessions()
    streams = Streams(history, sessions)
    token, session = sessions.begin("admin", "192.0.2.1")
    body = pieces(streams, visit_of(token, session))
    await anext(body)
    refused = streams.answer(visit_of(token, session), "Monitoring", lambda since: ("", since), 0.0)
    assert refused.status_code == 503 and refused.headers["retry-after"]
    await body.aclose()  # type: ignore[attr-defined] # a generator
    assert isinstance(
        streams.answer(visit_of(token, session), "Monitoring", lambda since: ("", since), 0.0),
        StreamingResponse,
    )


# Tables of a running traffic manager


async def test_rates_are_those_between_two_readings(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        await manager.control.put(
            AUTHOR, ObjectId("pools", "web"), {"basic": {"nodes_table": [{"node": "a:80"}]}}
        )
        now = [100.0]
        tables = Tables(manager.control, lambda: now[0])
        kind = KINDS["pools"]

        async def at(moment: float, read_at: float, count: int) -> float | None:
            now[0] = moment
            manager.live.read_at = read_at
            manager.live.figures = {("pools", "web"): {"total_conn": count}}
            (row,) = (await tables.table(kind)).rows
            return row.rate("total_conn")

        assert await at(100, 100, 5) is None
        assert await at(103, 110, 25) == 2.0
        assert await at(106, 110, 25) == 2.0, "a look without a reading between changes nothing"
        assert await at(106.5, 120, 99) == 2.0, "the table is kept for a moment"
        assert await at(109, 120, 25) == 0.0
        assert await at(300, 300, 99) is None, "what grew while nobody looked is not of now"


async def test_a_table_that_takes_long_is_given_at_once_and_made_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        now = [100.0]

        def clock() -> float:
            now[0] += 0.1  # every look at the clock: making a table seems to take as long
            return now[0]

        tables = Tables(manager.control, clock)
        kind = KINDS["globals"]
        first = await tables.table(kind)
        now[0] += 5
        assert await tables.table(kind) is first
        answer = tables.renewed_behind(PlainTextResponse(""), kind)
        assert answer.background is not None
        await answer.background()
        assert await tables.table(kind) is not first
        now[0] += 100
        second = await tables.table(kind)
        assert second is not first and second.at > first.at
