"""Exports: every cell comes back, and none is taken for a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from pointsman.web.ui.export import Row, harmless, send_table
from pointsman.web.ui.moment import read_moment, write_moment
from pointsman.web.ui.visit import Refused


async def batches(*rows: Row) -> AsyncIterator[Sequence[Row]]:
    for row in rows:
        yield [row]


async def sent(form: str, *rows: Row) -> str:
    answer = send_table(form, "table", ("a", "b"), batches(*rows))
    assert isinstance(answer, StreamingResponse)
    parts = [part if isinstance(part, bytes) else str(part).encode() async for part in answer.body_iterator]
    return b"".join(parts).decode()


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    cell = harmless(text)
    assert cell.removeprefix("'") == text or cell == text
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))


async def test_csv_and_json_hold_the_same() -> None:
    rows: list[dict[str, Any]] = [{"a": 'x,"y"\r\nz', "b": -5}, {"a": "=1+1", "b": {"k": [1]}}, {"a": None}]
    read = list(csv.reader(io.StringIO(await sent("csv", *rows), newline="")))
    assert read == [["a", "b"], ['x,"y"\r\nz', "-5"], ["'=1+1", '{"k": [1]}'], ["", ""]]
    assert json.loads(await sent("json", *rows)) == [{"b": None, **row} for row in rows]
    assert json.loads(await sent("json")) == []


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(Refused, match="csv, json"):
        send_table("xml", "table", (), batches())


@given(st.integers(0, 4_000_000_000))
def test_moments_come_back(minute: int) -> None:
    moment = float(minute // 60 * 60)
    assert read_moment(write_moment(moment)) == moment
    assert read_moment(" ") is None
