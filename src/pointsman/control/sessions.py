"""How many sessions nodes have that drain: those of pools whose engine remembers who belongs where.

Invariant: however many look, the engine is asked at most once in `FRESH_SECONDS`, and for a bounded number of entries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from pointsman.schema.stream import Sessions

FRESH_SECONDS = 10.0
MOST = 5_000
"""Entries of tables that are read at a time; larger tables are not counted."""


class Engine(Protocol):
    """What is needed of an engine."""

    async def sessions(self, pools: Collection[str], most: int) -> Mapping[str, Sessions]:
        """The sessions of those pools that have a table, of `most` entries at most."""


class SessionsNow:
    """Looks, and keeps what was seen for a while."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._turn = asyncio.Lock()
        self._at = -FRESH_SECONDS
        self._seen: Mapping[str, Sessions] = {}

    async def of(self, pools: Collection[str]) -> Mapping[str, Sessions]:
        """The sessions of pools that have a table. A pool that begins to be asked for appears with the next look."""
        async with self._turn:
            if pools and self._clock() - self._at >= FRESH_SECONDS:
                self._seen = await self._engine.sessions(frozenset(pools), MOST)
                self._at = self._clock()
            return self._seen
