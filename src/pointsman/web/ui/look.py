"""One look at the data plane a second, however many browsers watch.

Invariant: what is given is never older than `FRESH_SECONDS`, nor than the configuration, when asked freshly; the light
in a page's header may be older, and is renewed behind the page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from pointsman.control.control import Control
from pointsman.control.diagnosis import Diagnosis
from pointsman.control.status import Status
from pointsman.web.ui.overview import Overview, overview

FRESH_SECONDS = 1.0
_LIGHT_SECONDS = 3.0
_RANK_SECONDS = 10.0


class Look:
    """The status of the traffic manager, shared by all pages."""

    def __init__(self, control: Control, diagnosis: Diagnosis) -> None:
        self._control = control
        self._diagnosis = diagnosis
        self._looking = asyncio.Lock()
        self._seen: tuple[float, Overview] | None = None
        self._status: Status | None = None
        self._ranked: tuple[float, Mapping[str, float], Mapping[str, float]] = (float("-inf"), {}, {})

    async def fresh(self) -> Overview:
        """The state of now."""
        async with self._looking:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] > FRESH_SECONDS or self._overtaken:
                before = self._seen
                status = await self._control.status()
                elapsed = now - before[0] if before else 0.0
                troubles = self._diagnosis.troubles(status)
                busy = self._busy(now)
                self._seen = (now, overview(status, time.time(), self._status, elapsed, troubles, busy))
                self._status = status
            return self._seen[1]

    @property
    def _overtaken(self) -> bool:
        """Whether the configuration changed since the last look: who changed it wants to see that."""
        status = self._status
        control = self._control
        return status is not None and (status.revision, status.in_force) != (
            control.snapshot.revision,
            control.in_force,
        )

    async def light(self) -> Overview:
        """The last look, however old, without waiting for another where there is one at all."""
        return await self.fresh() if self._seen is None else self._seen[1]

    @property
    def last(self) -> Overview | None:
        """The last look, however old; None before the first one."""
        return self._seen[1] if self._seen is not None else None

    async def renew(self) -> None:
        """Looks again where the last look is too old for a light; for after a page was sent."""
        if self._seen is None or time.monotonic() - self._seen[0] > _LIGHT_SECONDS:
            await self.fresh()

    def _busy(self, now: float) -> Mapping[str, float]:
        """How many requests each service had lately, looked at now and then."""
        at, totals, busy = self._ranked
        if now - at > _RANK_SECONDS:
            history = self._control.live.history
            counted = {} if history is None else history.requests("virtual_servers")
            busy = {name: max(0.0, total - totals.get(name, 0.0)) for name, total in counted.items()}
            self._ranked = (now, counted, busy)
        return busy
