"""GET /metrics: the figures of this traffic manager for Prometheus, in its text format.

Invariant: readings that come close together are one, so that whoever may ask can cost no more than one a second.
"""

from __future__ import annotations

import asyncio
import time

from pointsman.control.control import Control
from pointsman.web.answer import Answer

FRESH_SECONDS = 1.0


class MetricsHandler:
    """Answers requests for /metrics."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._reading = asyncio.Lock()
        self._read_at = 0.0
        self._last = Answer(503)

    async def answer(self) -> Answer:
        """The metrics as they are, at most a second old."""
        async with self._reading:
            if time.monotonic() - self._read_at > FRESH_SECONDS:
                self._last = await self._read()
                self._read_at = time.monotonic()
            return self._last

    async def _read(self) -> Answer:
        # Imported when first needed: the library takes 50 ms of a start, and many instances are never asked.
        from pointsman.control.metrics import CONTENT_TYPE, Collected

        collected = Collected(self._control)
        # Making text of it takes longer than reading it, and needs nothing that changes meanwhile.
        return Answer(200, await asyncio.to_thread(collected.text), CONTENT_TYPE)
