"""An open store in a directory of its own, under a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.store.opening import TestClock
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
