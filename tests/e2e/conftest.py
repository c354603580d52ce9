"""Fixtures for end-to-end tests: a running instance, and origins to put behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tools.instance import Instance
from tools.traffic import Origin


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A traffic manager with nothing configured."""
    with Instance(tmp_path / "home") as running:
        yield running


@pytest.fixture
async def origins() -> AsyncIterator[tuple[Origin, Origin, Origin]]:
    """Three HTTP origins called a, b and c."""
    made = (await Origin("a").start(), await Origin("b").start(), await Origin("c").start())
    yield made
    for origin in made:
        await origin.stop()
