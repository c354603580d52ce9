"""Histograms against exact quantiles of the same times."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from pointsman.telemetry.histogram import (
    BUCKETS,
    ERROR,
    EXACT,
    MOST,
    Histogram,
    bucket_of,
    merge_packed,
    time_in,
)

SHARES = (0.5, 0.95, 0.99)


def exact(times: Sequence[int], share: float) -> int:
    """By the nearest rank."""
    return sorted(times)[max(1, math.ceil(share * len(times))) - 1]


def of(times: Sequence[int]) -> Histogram:
    found = Histogram()
    for time in times:
        found.add(time)
    return found


@pytest.mark.parametrize(
    "draw",
    [
        lambda dice: int(dice.expovariate(1 / 80)),
        lambda dice: int(dice.lognormvariate(5, 2)),
        lambda dice: dice.randrange(0, 30),
        lambda dice: dice.choice((3, 3, 3, 250, 30_000)),
        lambda dice: dice.randrange(0, MOST),
    ],
    ids=["exponential", "log-normal", "short", "few values", "uniform to a day"],
)
@pytest.mark.parametrize("count", [1, 2, 19, 100, 5000])
def test_quantiles_are_within_the_error(draw: Callable[[random.Random], int], count: int) -> None:
    dice = random.Random(count)
    times = [draw(dice) for _ in range(count)]
    for share, found in zip(SHARES, of(times).quantiles(*SHARES), strict=True):
        assert found == pytest.approx(exact(times, share), rel=ERROR), share


def test_every_time_is_near_what_its_bucket_stands_for() -> None:
    for time in (*range(3000), *(round(1.01**power) for power in range(700, 1830)), MOST):
        found = time_in(bucket_of(time))
        assert found == pytest.approx(min(time, MOST), rel=ERROR)
        if time <= EXACT:
            assert found == time
    assert BUCKETS < 350


def test_what_was_merged_is_what_was_counted_together_and_can_be_taken_out() -> None:
    dice = random.Random(1)
    early, late = ([int(dice.expovariate(0.01)) for _ in range(500)] for _ in range(2))
    both = of(early)
    both.merge(of(late))
    assert both.counts == of([*early, *late]).counts
    assert both.total == 1000
    both.take_out(of(early))
    assert both.counts == of(late).counts
    assert both.total == 500
    both.take_out(of(late))
    assert (both.counts, both.total, both.quantiles(*SHARES)) == ({}, 0, ())


def test_a_count_stands_for_as_many_requests() -> None:
    weighed, counted = Histogram(), Histogram()
    for time, count in ((5, 60), (40, 38), (900, 2)):
        weighed.add(time, count)
        for _ in range(count):
            counted.add(time)
    assert weighed.counts == counted.counts
    assert weighed.quantiles(0.5, 0.95, 0.99) == (5.0, time_in(bucket_of(40)), time_in(bucket_of(900)))


def test_times_out_of_range_count_at_its_ends() -> None:
    found = of([-5, MOST * 9])
    least, most = found.quantiles(0.5, 1.0)
    assert least == 0
    assert most == pytest.approx(MOST, rel=ERROR)
    assert Histogram(found.counts.items()).total == 2


def test_what_is_packed_is_unpacked_and_merged() -> None:
    dice = random.Random(2)
    one, other = (of([int(dice.lognormvariate(4, 2)) for _ in range(400)]) for _ in range(2))
    one.add(MOST, 10**12)
    assert Histogram.unpacked(one.packed()).counts == one.counts
    assert len(other.packed()) < 4 * len(other.counts)
    together = Histogram.unpacked(merge_packed(one.packed(), other.packed()))
    one.merge(other)
    assert (together.counts, together.total) == (one.counts, one.total)
    assert Histogram().packed() == b""


@pytest.mark.parametrize(
    "damaged", [b"\x80", b"\x05", b"\xff" * 40, b"\xff\xff\x7f\x01", b"\x01\x00", b"\x01\x02\x03"]
)
def test_what_is_damaged_is_left_out(damaged: bytes) -> None:
    found = Histogram.unpacked(damaged)
    assert found.total == sum(found.counts.values())
    assert all(0 <= bucket < BUCKETS for bucket in found.counts)
