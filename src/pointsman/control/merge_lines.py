"""Two edits of one text from a common origin, put together line by line.

Pure. Invariant: None unless each edit is kept whole: edits of the same line, or of lines side by side, are for people
to decide, and so is what is no text or is too long to be compared.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise

MOST_LINES = 2000
_Hunk = tuple[int, int, tuple[str, ...]]
"""Lines of the origin from and up to, and what takes their place."""


def merge_lines(was: bytes, theirs: bytes, mine: bytes) -> bytes | None:
    """The text with both edits."""
    sides = [_lines(side) for side in (was, theirs, mine)]
    origin, other, own = sides
    if origin is None or other is None or own is None:
        return None
    hunks = sorted({*_hunks(origin, other), *_hunks(origin, own)})
    if any(after[0] <= before[1] for before, after in pairwise(hunks)):
        return None
    merged: list[str] = []
    done = 0
    for begin, end, lines in hunks:
        merged += [*origin[done:begin], *lines]
        done = end
    return "".join([*merged, *origin[done:]]).encode()


def _lines(content: bytes) -> list[str] | None:
    try:
        lines = content.decode().splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    return None if b"\0" in content or len(lines) > MOST_LINES else lines


def _hunks(origin: list[str], edited: list[str]) -> list[_Hunk]:
    matcher = SequenceMatcher(None, origin, edited, autojunk=False)
    return [
        (begin, end, tuple(edited[first:last]))
        for what, begin, end, first, last in matcher.get_opcodes()
        if what != "equal"
    ]
