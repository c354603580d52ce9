"""What the store's tests share: a clock, an author, short names for identities, and opening for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
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


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Store]:
    """The store in `directory`, closed at the end."""
    store = await Store.open(directory, REGISTRY)
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
