"""Ranks: decimal fractions that give the elements of a list their order, so that an insertion touches no
neighbour.

Pure. Invariant: `arrange` gives strictly increasing ranks, and leaves as many of the present ones as they are
as any such arrangement can.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

_MOST_DIGITS = 10_000
_RANK = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@lru_cache(maxsize=1024)
def order_of(rank: str) -> Decimal:
    """The sort key of a rank. (Comparing decimals is exact; only arithmetic would round.)

    Raises `ValueError` for what is none.
    """
    if len(rank) > _MOST_DIGITS or not _RANK.fullmatch(rank):
        raise ValueError(f"{rank[:40]} is no rank")
    return Decimal(rank)


def arrange(present: Sequence[str | None]) -> tuple[str, ...]:
    """Ranks for a list, from those that its elements have at present (None: a new one), in the new order."""
    kept = _longest_rising([None if rank is None else order_of(rank) for rank in present])
    ranks: list[str] = []
    below: str | None = None
    edges = [*kept, len(present)]
    start = 0
    for edge in edges:
        above = present[edge] if edge < len(present) else None
        ranks.extend(between(below, above, edge - start))
        if above is not None:
            ranks.append(above)
            below = above
        start = edge + 1
    return tuple(ranks)


def between(low: str | None, high: str | None, count: int) -> tuple[str, ...]:
    """`count` rising ranks above `low` and below `high` (None: no limit), with as few decimals as will do."""
    if count == 0:
        return ()
    if high is None:
        first = 1 if low is None else math.floor(Fraction(low)) + 1
        return tuple(str(first + step) for step in range(count))
    if low is None:
        last = math.ceil(Fraction(high)) - 1
        return tuple(str(last - count + 1 + step) for step in range(count))
    scale = 1
    decimals = 0
    while True:
        floor, ceiling = math.floor(Fraction(low) * scale), math.ceil(Fraction(high) * scale)
        if ceiling - floor > count:
            steps = (floor + (step + 1) * (ceiling - floor) // (count + 1) for step in range(count))
            return tuple(_decimal(step, decimals) for step in steps)
        scale *= 10
        decimals += 1


def _decimal(scaled: int, decimals: int) -> str:
    if decimals == 0:
        return str(scaled)
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    text = f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 else text


def _longest_rising(values: Sequence[Decimal | None]) -> list[int]:
    """Indexes of a longest strictly rising subsequence, by patience sorting."""
    tails: list[Decimal] = []
    tail_at: list[int] = []
    before: dict[int, int] = {}
    for index, value in enumerate(values):
        if value is None:
            continue
        place = bisect_left(tails, value)
        if place:
            before[index] = tail_at[place - 1]
        if place == len(tails):
            tails.append(value)
            tail_at.append(index)
        else:
            tails[place] = value
            tail_at[place] = index
    found: list[int] = []
    at = tail_at[-1] if tail_at else None
    while at is not None:
        found.append(at)
        at = before.get(at)
    return found[::-1]
