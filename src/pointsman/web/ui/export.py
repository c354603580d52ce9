"""Tables that people take away, as CSV or JSON, sent piece by piece.

Invariant: no cell is taken for a formula by a program that opens the CSV; every cell is quoted; an export of any length
takes little memory.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence

from starlette.responses import Response, StreamingResponse

from pointsman.web.ui.visit import Refused

Row = Mapping[str, object]
FORMATS = ("csv", "json")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: object) -> str:
    """A cell as text that no spreadsheet calculates: what begins as a formula does gets an apostrophe in front."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return text
    # A program may pass over blanks before it looks.
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def send_table(form: str, name: str, columns: Sequence[str], rows: AsyncIterator[Sequence[Row]]) -> Response:
    """The rows, which come in batches, as an attachment. Raises `Refused` for an unknown form."""
    if form not in FORMATS:
        raise Refused(f"An export is one of {', '.join(FORMATS)}.", 404)
    written = _csv(columns, rows) if form == "csv" else _json(columns, rows)
    media_type = "text/csv; charset=utf-8" if form == "csv" else "application/json"
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(written, media_type=media_type, headers=headers)


async def _csv(columns: Sequence[str], rows: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
    yield _lines([columns])
    async for batch in rows:
        yield _lines([[harmless(row.get(column)) for column in columns] for row in batch])


def _lines(table: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(table)
    return text.getvalue().encode("utf-8", "backslashreplace")


async def _json(columns: Sequence[str], rows: AsyncIterator[Sequence[Row]]) -> AsyncIterator[bytes]:
    yield b"["
    first = True
    async for batch in rows:
        for row in batch:
            text = json.dumps({column: row.get(column) for column in columns})
            yield (("\n" if first else ",\n") + text).encode()
            first = False
    yield b"\n]\n"
