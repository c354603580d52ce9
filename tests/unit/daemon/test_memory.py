"""Memory goes back after a large step, and only then."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.daemon.memory import LARGE, give_back, keep_small, resident

MB = 1 << 20


async def _given_at(sizes: list[int]) -> list[int]:
    """The places in `sizes`, one for each look, after which memory is given back."""
    looks = 0
    given: list[int] = []
    ended = asyncio.Event()

    def size() -> int:
        nonlocal looks
        if looks == len(sizes):
            ended.set()
            return sizes[-1]
        looks += 1
        return sizes[looks - 1]

    task = asyncio.create_task(keep_small(size, lambda: given.append(looks - 1), 0.0))
    await asyncio.wait_for(ended.wait(), 10)
    task.cancel()
    return given


@pytest.mark.parametrize(
    ("sizes", "places"),
    [
        ([100 * MB, 110 * MB, 110 * MB, 110 * MB], []),
        ([100 * MB, 200 * MB, 300 * MB, 300 * MB, 120 * MB, 120 * MB], [3]),
        ([100 * MB, 200 * MB, 200 * MB, 190 * MB, 190 * MB, 190 * MB], [2]),
        ([300 * MB, 100 * MB, 150 * MB, 150 * MB, 110 * MB], [3]),
    ],
)
async def test_memory_is_given_back_once_a_step_is_over(sizes: list[int], places: list[int]) -> None:
    assert LARGE < 50 * MB
    assert await _given_at(sizes) == places


def test_this_process_can_give_back() -> None:
    give_back()
    assert resident() > MB
