"""The merge core under fire: any order, any repetition, any grouping."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.opening import rounds

from pointsman.store.register import Cell, Entry, Register, Stamp, merge

cells = st.builds(Cell, st.sampled_from(["a/1", "a/2"]), st.sampled_from(["", "name", "s.k", "s.k/x"]))
stamps = st.builds(Stamp, st.integers(0, 5), st.sampled_from(["o1", "o2", "o3"]))
writes = st.dictionaries(cells, st.none() | st.sampled_from(["1", "2", '"x"']), min_size=1)


@st.composite
def sealings(draw: st.DrawFn) -> Entry:
    """A transaction that puts values under another key, and leaves them the stamps that they had."""
    written = draw(st.dictionaries(cells, st.sampled_from(["!1:a", "!2:a", "!10:a"]), min_size=1))
    return Entry(draw(stamps), written, {cell: draw(stamps) for cell in written}, frozenset(written))


entries = st.lists(st.builds(Entry, stamps, writes) | sealings(), max_size=12)


def _apply(given_entries: Iterable[Entry]) -> dict[Cell, Register]:
    state: dict[Cell, Register] = {}
    for entry in given_entries:
        state |= merge(state, entry)
    return state


@settings(max_examples=rounds(150), deadline=None)
@given(entries, st.data())
def test_order_and_repetition_do_not_matter(seen: list[Entry], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(seen))) if seen else []
    assert _apply(data.draw(st.permutations([*seen, *again]))) == _apply(seen)


@settings(max_examples=rounds(80), deadline=None)
@given(entries, entries)
def test_members_that_exchange_what_they_have_agree(mine: list[Entry], theirs: list[Entry]) -> None:
    assert _apply([*mine, *theirs]) == _apply([*theirs, *mine])


@settings(max_examples=rounds(50), deadline=None)
@given(entries)
def test_a_second_application_changes_nothing(seen: list[Entry]) -> None:
    state = _apply(seen)
    assert all(merge(state, entry) == {} for entry in seen)


def test_the_later_write_wins_and_the_origin_decides_a_tie() -> None:
    cell = Cell("a/1", "s.k")
    old, new = Entry(Stamp(1, "z"), {cell: "1"}), Entry(Stamp(2, "a"), {cell: None})
    tie = Entry(Stamp(2, "b"), {cell: "3"})
    assert _apply([new, old])[cell].value is None
    assert _apply([tie, new, old])[cell].value == "3"


def test_a_value_under_a_newer_key_takes_the_place_of_the_same_one_and_of_no_later_one() -> None:
    cell = Cell("a/1", "s.k")
    old, later = Entry(Stamp(1, "o"), {cell: "!9:a"}), Entry(Stamp(3, "o"), {cell: "!9:b"})
    sealing = Entry(Stamp(4, "p"), {cell: "!10:a"}, {cell: Stamp(1, "o")}, frozenset({cell}))
    assert _apply([old, sealing])[cell] == Register("!10:a", Stamp(1, "o"))
    assert _apply([sealing, later, old])[cell] == Register("!9:b", Stamp(3, "o"))


def test_merging_needs_only_the_registers_that_are_written() -> None:
    cell, other = Cell("a/1", "s.k"), Cell("a/1", "s.l")
    entry = Entry(Stamp(1, "o"), {cell: "1"})
    assert merge({other: Register("2", Stamp(9, "o"))}, entry) == merge({}, entry)
