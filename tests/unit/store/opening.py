"""What the store's tests share: a clock, an author, short names for identities, and opening for a while."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.unit.store.resources import REGISTRY

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Store

ADMIN = Author("admin", "10.0.0.1", "rest")


class TestClock:
    """A wall clock (Unix seconds) that moves when it is told to."""

    __test__ = False

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def rounds(usual: int) -> int:
    """How often a test with random input is done: POINTSMAN_FUZZ (a number, 1 where it is not set) times as usual."""
    return max(1, int(usual * float(os.environ.get("POINTSMAN_FUZZ", "1"))))


class RunningClock(TestClock):
    """One that is a millisecond later each time, so that what is done later is later on every member."""

    __test__ = False

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@asynccontextmanager
async def opened(directory: Path, clock: Callable[[], float] = time.time) -> AsyncIterator[Store]:
    """The store in `directory`, closed at the end."""
    store = await Store.open(directory, REGISTRY, clock=clock)
    try:
        yield store
    finally:
        await store.close()


def site(name: str) -> ObjectId:
    """A site's identity."""
    return ObjectId("sites", name)


def rule(name: str) -> ObjectId:
    """A rule's identity."""
    return ObjectId("rules", name)
