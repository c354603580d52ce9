"""Fixtures for tests with the real HAProxy: a running launcher with an engine, and origins."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from tests.engine.management import Instance, managed
from tests.engine.members import Cluster
from tests.engine.rig import Rig, started
from tools.traffic import Origin


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="pm-")).resolve()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def rig(home: Path) -> AsyncIterator[Rig]:
    """A launcher and an engine that has applied nothing yet."""
    async with started(Rig(home)) as running:
        yield running


@pytest.fixture
async def origins() -> AsyncIterator[tuple[Origin, Origin, Origin]]:
    """Three HTTP origins called a, b and c."""
    made = (await Origin("a").start(), await Origin("b").start(), await Origin("c").start())
    yield made
    for origin in made:
        await origin.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds configuration, log and journal of the rig to the report of a test that failed."""
    report = yield
    rig = getattr(item, "funcargs", {}).get("rig")
    if report.failed and isinstance(rig, Rig):
        report.sections.append(("the rig", rig.report()))
    return report


@pytest.fixture
async def cluster(home: Path) -> AsyncIterator[Cluster]:
    """Two members that have applied nothing yet."""
    with tempfile.TemporaryDirectory(prefix="pm-") as other:
        found = Cluster((home, Path(other).resolve()))
        async with contextlib.AsyncExitStack() as stack:
            for rig in (found.a, found.b):
                await stack.enter_async_context(started(rig))
            yield found


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    """A control plane with its store and REST, and no engine."""
    async with managed(tmp_path) as running:
        yield running
