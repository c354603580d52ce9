"""Whether this machine's front-end network works: pings to addresses that should answer, its gateway above all.

Invariant: it works until nothing has answered for the whole timeout; where nothing can be asked, it works.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Collection

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Failed, Undecided
from pointsman.monitors.ping import Pinger

GATEWAY = "%gateway%"


class FrontEnd:
    """Pings `wanted` addresses at an interval. `working` tells how it stands, `silent` who did not answer last."""

    def __init__(self, gateways: Callable[[], Collection[str]]) -> None:
        """`gateways` tells what `%gateway%` stands for now."""
        self._gateways = gateways
        self._pinger = Pinger()
        self._wanted: tuple[str, ...] = ()
        self._interval = 0.5
        self._timeout = 5.0
        self._answered_at = time.monotonic()
        self.working = True
        self.silent: tuple[str, ...] = ()
        self.requests = 0
        self.responses = 0

    def set(self, wanted: Collection[str], interval: float, timeout: float) -> None:
        """Which addresses to ask, how often and how long to wait for any of them (seconds)."""
        if tuple(wanted) != self._wanted:
            self._answered_at = time.monotonic()
        self._wanted, self._interval, self._timeout = tuple(wanted), interval, timeout

    async def run(self) -> None:
        """Asks until cancelled."""
        try:
            while True:
                started = time.monotonic()
                await self._round()
                await asyncio.sleep(max(0.0, started + self._interval - time.monotonic()))
        finally:
            self._pinger.close()

    async def _round(self) -> None:
        targets = self._targets()
        patience = min(self._timeout, max(self._interval, 1.0))
        answers = await asyncio.gather(*(self._ask(address, patience) for address in targets))
        if not targets or any(answer is not False for answer in answers):
            self._answered_at = time.monotonic()
        self.silent = tuple(
            address for address, answer in zip(targets, answers, strict=True) if answer is False
        )
        self.working = time.monotonic() - self._answered_at < self._timeout

    def _targets(self) -> list[str]:
        found: dict[str, None] = {}
        for name in self._wanted:
            found.update(dict.fromkeys(self._gateways() if name == GATEWAY else (name,)))
        return [address for address in found if _is_address(address)]

    async def _ask(self, address: str, patience: float) -> bool | None:
        """Whether an address answers; None when it cannot be asked."""
        check = Check("", "", "", "ping", address, 0, delay=1, timeout=60, failures=1)
        self.requests += 1
        try:
            async with asyncio.timeout(patience):
                await self._pinger.check_ping(check)
        except Undecided:
            return None
        except (Failed, OSError, TimeoutError):
            return False
        self.responses += 1
        return True


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
