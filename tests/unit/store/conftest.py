"""Open stores in directories of their own: one under a clock that the test moves, and a pair of members."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.unit.store.exchanging import join
from tests.unit.store.opening import TestClock, opened
from tests.unit.store.resources import REGISTRY

from pointsman.store import Store


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def store(tmp_path: Path, clock: TestClock) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "store", REGISTRY, clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two members that have the same."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(opened(tmp_path / "one"))
        two = await stack.enter_async_context(opened(tmp_path / "two"))
        await join(one, two)
        yield one, two
