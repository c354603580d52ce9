"""The hybrid logical clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.store.clock import Clock, first_stamp_at, time_of

times = st.floats(min_value=-1e6, max_value=1e15, allow_nan=False)


@given(st.lists(st.tuples(times, st.none() | st.integers(0, 2**61))))
def test_stamps_rise_whatever_the_wall_clock_does(happenings: list[tuple[float, int | None]]) -> None:
    clock = Clock()
    for now, remote in happenings:
        after = clock.tick(now) if remote is None else clock.receive(remote, now)
        assert after.last > clock.last
        assert remote is None or after.last > remote
        assert after.last < 2**63
        clock = after


def test_a_stamp_follows_the_wall_clock() -> None:
    assert time_of(Clock().tick(1_700_000_000.25).last) == 1_700_000_000.25


def test_a_clock_that_goes_back_counts_on() -> None:
    ahead = Clock().tick(2000.0)
    behind = ahead.tick(1000.0)
    assert behind.last == ahead.last + 1
    assert time_of(behind.last) == 2000.0


@given(st.floats(min_value=0, max_value=1e10))
def test_the_stamps_of_a_moment_begin_with_its_first(now: float) -> None:
    assert first_stamp_at(now) <= Clock().tick(now).last <= first_stamp_at(now) + 1
