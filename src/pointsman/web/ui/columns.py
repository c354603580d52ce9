"""Which columns of a table somebody wants to see, as the address of its page says it.

Pure. Invariant: columns are numbered from 0 in the order of the page, without those that are always there; a number
that is none hides nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pointsman.web.ui.visit import Visit

_LONGEST = 1000


def hidden_columns(visit: Visit, count: int) -> frozenset[int]:
    """The columns of `count` that `hide` names: numbers with dots between them, or one in each of several values."""
    typed = ".".join(visit.request.query_params.getlist("hide")[:100])[:_LONGEST].split(".")
    known = {str(number): number for number in range(count)}
    return frozenset(known[word] for word in typed if word in known)


def written(hidden: Collection[int]) -> str:
    """The value of `hide` for these columns; "" for none."""
    return ".".join(map(str, sorted(hidden)))


@dataclass(frozen=True)
class Columns:
    """The columns of a table that can be hidden: their titles, which of them are, and how many stand before them."""

    titles: tuple[str, ...]
    hidden: frozenset[int]
    before: int = 1

    @property
    def classes(self) -> str:
        """The classes of a table without them; see `06-tables.css`."""
        return " ".join(f"without-{number + self.before + 1}" for number in sorted(self.hidden))
