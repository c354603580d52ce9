"""A histogram of times with fixed buckets: it is added to, merged and taken apart again without losing anything.

Pure. Invariant: a quantile is within `ERROR` of the exact one, whatever was merged on the way to it. Up to `EXACT` ms
each millisecond, which is as fine as engines tell times, has a bucket of its own; above that a bucket is
`GROWTH` times as wide as the one before, so that some 300 of them reach to a day.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

ERROR = 0.05
GROWTH = 1.08
EXACT = 20
MOST = 86_400_000
"""Milliseconds: what took longer counts as a day."""


def _bounds() -> tuple[int, ...]:
    """The least time of each bucket, in whole ms."""
    bounds = list(range(EXACT + 2))
    while bounds[-1] < MOST:
        bounds.append(max(bounds[-1] + 1, round(bounds[-1] * GROWTH)))
    return tuple(bounds)


_BOUNDS = _bounds()
BUCKETS = len(_BOUNDS)


def bucket_of(milliseconds: int) -> int:
    """The bucket that a time belongs to."""
    return bisect_right(_BOUNDS, min(max(0, milliseconds), MOST)) - 1


def time_in(bucket: int) -> float:
    """The time in ms that a bucket stands for: no time in it is further than `ERROR` from it."""
    least = _BOUNDS[bucket]
    most = _BOUNDS[bucket + 1] - 1 if bucket + 1 < BUCKETS else least
    return float(least) if most == least else math.sqrt(least * most)


class Percentiles(NamedTuple):
    """The times in ms that a half, 95 and 99 of 100 requests did not exceed."""

    p50: float
    p95: float
    p99: float


class Histogram:
    """How often times were seen. Counts are whole numbers of whatever unit the caller takes."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Iterable[tuple[int, int]] = ()) -> None:
        self.counts: dict[int, int] = dict(counts)
        self.total = sum(self.counts.values())

    def add(self, milliseconds: int, count: int = 1) -> None:
        """Counts a time."""
        bucket = bucket_of(milliseconds)
        self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total += count

    def merge(self, other: Histogram) -> None:
        """Adds what another one has counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total += other.total

    def take_out(self, other: Histogram) -> None:
        """Takes out what was merged before."""
        for bucket, count in other.counts.items():
            left = self.counts[bucket] - count
            if left:
                self.counts[bucket] = left
            else:
                del self.counts[bucket]
        self.total -= other.total

    def quantiles(self, *shares: float) -> tuple[float, ...]:
        """The least times in ms that are not exceeded by these shares (ascending, 0 to 1) of all. Empty when nothing
        was counted.
        """
        if not self.total:
            return ()
        found: list[float] = []
        seen = 0
        buckets = sorted(self.counts.items())
        at = -1
        for share in shares:
            wanted = max(1, math.ceil(share * self.total))
            while seen < wanted:
                at += 1
                seen += buckets[at][1]
            found.append(time_in(buckets[at][0]))
        return tuple(found)

    def percentiles(self) -> Percentiles | None:
        """The usual three; None when nothing was counted."""
        found = self.quantiles(0.5, 0.95, 0.99)
        return Percentiles(*found) if found else None

    def packed(self) -> bytes:
        """The same in few bytes: for each bucket its distance from the one before and its count, both in groups of
        seven bits, the lowest first.
        """
        out = bytearray()
        last = 0
        for bucket, count in sorted(self.counts.items()):
            for number in (bucket - last, count):
                rest = number
                while rest > 0x7F:
                    out.append(rest & 0x7F | 0x80)
                    rest >>= 7
                out.append(rest)
            last = bucket
        return bytes(out)

    @classmethod
    def unpacked(cls, packed: bytes) -> Histogram:
        """What `packed` was made of; what is damaged is left out."""
        numbers: list[int] = []
        number = shift = 0
        for byte in packed:
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                numbers.append(number)
                number = shift = 0
        counts: dict[int, int] = {}
        bucket = 0
        for distance, count in zip(numbers[::2], numbers[1::2], strict=False):
            bucket += distance
            if bucket < BUCKETS and count > 0:
                counts[bucket] = count
        return cls(counts.items())


def merge_packed(one: bytes, other: bytes) -> bytes:
    """Two packed histograms as one."""
    whole = Histogram.unpacked(one)
    whole.merge(Histogram.unpacked(other))
    return whole.packed()
