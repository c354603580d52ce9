"""Lists of nodes and addresses as people paste them from files, tickets and command lines.

Pure. Invariant: only what can stand in no node and no address parts two of them, so nothing is cut in the middle.
"""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"[\s,;]+")


def pasted(text: str) -> list[str]:
    """The entries of a list that are parted by lines, spaces, commas or semicolons."""
    return [word for word in _BETWEEN.split(text) if word]
