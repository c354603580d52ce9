"""Whether somebody on the network answers at an address, by ICMP echo.

Invariant: a doubt is not an answer: without permission to send echoes, or within a second of silence, nobody is said to
be there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Failed, Undecided
from pointsman.monitors.ping import Pinger

SECONDS = 1
_AT_ONCE = 32


class Echo:
    """Asks addresses."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def answers(self, address: str) -> bool:
        """Whether an echo comes back from `address` within a second."""
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return False
        check = Check("", "", "", "ping", address, 0, delay=SECONDS, timeout=SECONDS, failures=1)
        async with self._turn:
            with contextlib.closing(Pinger()) as pinger, contextlib.suppress(Failed, Undecided, OSError):
                return (await pinger.check_ping(check)).up is True
        return False
