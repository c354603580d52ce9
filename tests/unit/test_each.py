"""What stands for thousands of tests must itself be able to fail."""

from __future__ import annotations

import pytest
from tests.each import each


def test_every_case_is_tried_and_every_failure_is_named() -> None:
    tried = []

    @each([(1, "one"), (2, "two"), (3, "three")], lambda number, word: word)
    def is_even(number: int, word: str) -> None:
        tried.append(number)
        assert number % 2 == 0, f"{number} is odd"

    with pytest.raises(AssertionError) as caught:
        is_even()
    assert tried == [1, 2, 3]
    assert all(word in str(caught.value) for word in ("2 of 3", "one: 1 is odd", "three: 3 is odd"))
    assert "two" not in str(caught.value)


def test_an_error_is_a_failure() -> None:
    @each([("a",)], lambda word: word)
    def fails(word: str) -> None:
        raise KeyError(word)

    with pytest.raises(AssertionError, match="1 of 1"):
        fails()


def test_no_case_at_all_is_a_failure() -> None:
    nothing: list[tuple[str]] = []

    @each(nothing, lambda word: word)
    def never(word: str) -> None:
        raise AssertionError(word)

    with pytest.raises(AssertionError, match="no cases"):
        never()
