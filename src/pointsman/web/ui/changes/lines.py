"""Two texts line by line, as pages show them.

Pure. Invariant: nothing is compared that is too long for a page; that is said instead.
"""

from __future__ import annotations

import difflib

MOST_LINES = 5000
_KINDS = {"+": "plus", "-": "minus", "@": "hunk"}


def difference(old: str, new: str) -> list[tuple[str, str]]:
    """A unified diff, each line with its class."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) > MOST_LINES or len(after) > MOST_LINES:
        return [("hunk", f"A text of more than {MOST_LINES} lines is not compared.")]
    lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    return [(_KINDS.get(line[:1], ""), line) for line in lines]
