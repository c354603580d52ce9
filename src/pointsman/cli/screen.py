"""What commands write: tables and colour on a terminal, plain text when piped, JSON when asked for.

Invariant: nothing that comes from a configuration can move the cursor, colour the text or reorder it: control
and direction characters are shown as escapes, and no string is read as markup.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pointsman.cli.outcome import clean

_PIPE_WIDTH = 500
"""Nobody reads a pipe by eye: lines are not folded there."""

LEVELS = {"ok": ("ok", "green"), "warn": ("WARNING", "yellow"), "error": ("ERROR", "bold red"),
          "fatal": ("FATAL", "bold red")}  # fmt: skip
STATES = {"alive": "green", "active": "green", "dead": "bold red", "draining": "yellow", "disabled": "bright_black",
          "unknown": "yellow", "unused": "bright_black",
          "without nodes": "red"}  # fmt: skip


def styled(text: str, style: str = "") -> Text:
    """A cleaned piece of text; the style shows only where there is colour."""
    return Text(clean(text), style=style)


class Screen:
    """Standard output and standard error of one command."""

    def __init__(self, as_json: bool, width: int | None = None) -> None:
        """`width` in characters; without it the terminal's, or as wide as it gets in a pipe."""
        self.as_json = as_json
        width = width or (None if sys.stdout.isatty() else _PIPE_WIDTH)
        self._out = Console(width=width, highlight=False, markup=False, emoji=False)
        self._err = Console(
            stderr=True, width=None if sys.stderr.isatty() else _PIPE_WIDTH, highlight=False, markup=False,
            emoji=False,
        )  # fmt: skip

    def data(self, value: Any) -> None:
        """One JSON value, indented."""
        sys.stdout.write(json.dumps(value, indent=2) + "\n")

    def line(self, *parts: str | Text) -> None:
        """One line on standard output."""
        self._out.print(
            Text.assemble(*(p if isinstance(p, Text) else clean(p) for p in parts)), soft_wrap=True
        )

    def complain(self, *parts: str | Text) -> None:
        """One line on standard error."""
        self._err.print(
            Text.assemble(*(p if isinstance(p, Text) else clean(p) for p in parts)), soft_wrap=True
        )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, below: str = "") -> None:
        """A table; empty ones are not shown.

        Where it is wider than the terminal, the column `below` stands under each row instead of in it, if the others
        then fit; else every cell is folded.
        """
        cells = [[cell if isinstance(cell, Text) else styled(cell) for cell in row] for row in rows]
        if not cells:
            return
        if below and _width(columns, cells) > self._out.width:
            place = columns.index(below)
            kept = [*columns[:place], *columns[place + 1 :]]
            others = [[*row[:place], *row[place + 1 :]] for row in cells]
            if _width(kept, others) <= self._out.width:
                self._write(kept, others, [row[place] for row in cells])
                return
        self._write(columns, cells, [])

    def _write(self, columns: Sequence[str], rows: Sequence[Sequence[Text]], under: Sequence[Text]) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        with self._out.capture() as captured:
            self._out.print(table)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        # With something to stand under the rows, each row is one line, and the head comes first.
        notes = [Text(), *under] if under else [Text()] * len(lines)
        for line, note in zip(lines, notes, strict=True):
            sys.stdout.write(line + "\n")
            if note:
                with self._out.capture() as captured:
                    self._out.print(Padding(note, (0, 0, 0, 4)))
                sys.stdout.write("".join(f"{part.rstrip()}\n" for part in captured.get().splitlines()))


def _width(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> int:
    """Characters that a table takes with no cell folded."""
    widest = [max(len(head), *(row[place].cell_len for row in rows)) for place, head in enumerate(columns)]
    return sum(widest) + 2 * len(widest)


def ago(since: float, now: float | None = None) -> str:
    """How long ago a Unix time was, in the largest fitting unit; "" for 0, which means unknown."""
    if not since:
        return ""
    seconds = max(0, int((time.time() if now is None else now) - since))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
