"""Gives memory back to the machine after a large step: a document of thousands of objects, a join.

What such a step needs for a moment the C library keeps for the next one, which may be months away. Invariant: nothing
is done while the process still grows, and nothing where the C library knows no such call.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

PERIOD = 2.0
LARGE = 16 << 20
"""By how many bytes the process must have grown since the last time."""


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Has the C library return what it does not use; takes a few ms for each 100 MB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
    if trim is not None:
        trim(0)


async def keep_small(
    size: Callable[[], int] = resident, give: Callable[[], None] = give_back, period: float = PERIOD
) -> None:
    """Runs until cancelled; gives back once after each time that the process grew."""
    settled = before = size()
    while True:
        await asyncio.sleep(period)
        now = size()
        if now > settled + LARGE and now < before + LARGE // 8:
            await asyncio.to_thread(give)
            settled = now = size()
        settled, before = min(settled, now), now
