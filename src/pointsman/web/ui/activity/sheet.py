"""Tables for other programs: CSV and JSON to download.

Pure. Invariant: no cell of a CSV is taken for a formula by a spreadsheet, whatever a name or a log line begins with;
numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

Cell = str | int | float | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(cell: Cell) -> Cell:
    """A cell that begins like a formula, behind an apostrophe: spreadsheets then show it as the text it is."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def csv_text(heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A CSV (RFC 4180) with a heading; what is not known is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([harmless(cell) for cell in heading])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def csv_answer(name: str, heading: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A CSV as a file of that name."""
    return Response(
        csv_text(heading, rows), media_type="text/csv; charset=utf-8", headers=_as_file(f"{name}.csv")
    )


def json_answer(name: str, value: Mapping[str, Any]) -> Response:
    """JSON as a file of that name; a page's script reads it all the same."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=_as_file(f"{name}.json"))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
