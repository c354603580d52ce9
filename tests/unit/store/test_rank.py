"""Ranks that keep a list's order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pointsman.store.rank import arrange, between, order_of


def _rising(ranks: tuple[str, ...]) -> bool:
    return all(order_of(a) < order_of(b) for a, b in pairwise(ranks))


@given(st.permutations(range(8)), st.integers(0, 8), st.data())
def test_any_new_order_gets_rising_ranks_and_keeps_what_it_can(
    order: list[int], new: int, data: st.DataObject
) -> None:
    ranks = between(None, None, 8)
    present: list[str | None] = [ranks[index] for index in order]
    for _ in range(new):
        present.insert(data.draw(st.integers(0, len(present))), None)
    arranged = arrange(present)
    assert len(arranged) == len(present)
    assert _rising(arranged)
    if order == sorted(order):
        assert [rank for rank in arranged if rank in ranks] == list(ranks)


def test_moving_one_element_writes_one_rank() -> None:
    ranks = between(None, None, 10)
    moved = (*ranks[:2], ranks[7], *ranks[2:7], *ranks[8:])
    assert sum(old != new for old, new in zip(moved, arrange(moved), strict=True)) == 1


def test_equal_ranks_of_two_members_are_told_apart() -> None:
    assert _rising(arrange(["1", "2", "2", "2", "3"]))


@given(st.lists(st.integers(0, 1_000), max_size=60))
def test_insertions_anywhere_keep_ranks_short(places: list[int]) -> None:
    ranks: tuple[str, ...] = ()
    for place in places:
        present: list[str | None] = [*ranks]
        present.insert(place % (len(ranks) + 1), None)
        ranks = arrange(present)
        assert _rising(ranks)
    assert all(len(rank) < 40 for rank in ranks)


def test_appending_does_not_make_ranks_longer() -> None:
    assert between("41.5", None, 2) == ("42", "43")
    assert between(None, "-3", 2) == ("-5", "-4")
    assert between("1", "2", 1) == ("1.5",)
    assert between("-1", "-0.5", 1) == ("-0.8",)
