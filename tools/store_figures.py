"""Measures the store of a cluster of three in one process, and prints one line per figure: 10,000 pools.

`python -m tools.store_figures`, or as a part of `make measure`. Invariant: figures are printed, never asserted; all of
it happens in a temporary directory.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Author, Put, Store

OBJECTS = 10_000
EDITS = 100
_AUTHOR = Author("measure")


def pool(number: int) -> dict[str, Any]:
    """The settings of a pool that has about 13 registers."""
    nodes = [{"node": f"10.{number >> 8 & 255}.{number & 255}.{at}:80", "weight": at} for at in range(1, 6)]
    return {
        "basic": {"nodes_table": nodes, "note": f"pool {number}", "max_idle_connections_pernode": 7},
        "connection": {"max_reply_time": 9, "max_connect_time": 3},
        "load_balancing": {"algorithm": "least_connections"},
    }


class _Taken:
    """Time since it was made, on the clock and on the processor."""

    def __init__(self) -> None:
        self._begun = time.monotonic(), time.process_time()

    def __call__(self) -> str:
        clock, processor = time.monotonic() - self._begun[0], time.process_time() - self._begun[1]
        return f"{clock:.1f} s ({processor:.1f} s of CPU)"


def _memory() -> float:
    """Megabytes that this process holds at this moment."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


async def measure_store(show: Callable[[str, str], None], objects: int = OBJECTS) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        start = _memory()
        one = await Store.open(home / "1", STORED)
        taken = _Taken()
        changes = [Put(ObjectId("pools", f"p{number}"), pool(number)) for number in range(objects)]
        for at in range(0, objects, 1000):
            await one.commit(changes[at : at + 1000], _AUTHOR)
        del changes
        show(f"store: {objects} pools committed in ten transactions", taken())
        show("  memory of one store", f"{_memory() - start:.0f} MB")
        size = sum(path.stat().st_size for path in (home / "1").iterdir())
        show("  on the disk", f"{size / 1e6:.0f} MB")
        taken = _Taken()
        whole = await one.whole()
        show("  a join: pack", taken())
        two = await Store.open(home / "2", STORED)
        taken = _Taken()
        await two.adopt(whole, keys=one.keys, replace=True)
        show("  a join: adopt", taken())
        show("  the state that travels", f"{len(whole) / 1e6:.1f} MB")
        del whole
        show("  memory of two stores, after that", f"{_memory() - start:.0f} MB")
        await two.close()
        taken = _Taken()
        two = await Store.open(home / "2", STORED)
        show("  opened anew", taken())
        three = await Store.open(home / "3", STORED)
        taken = _Taken()
        rounds = 0
        await one.hear({})
        while True:
            batch = await one.parcels_after(three.vector)
            await three.receive(batch.parcels, batch.blobs)
            rounds += 1
            if batch.complete:
                break
        show(f"  the same as transactions, {rounds} batches", taken())
        await _edits(show, one, (two, three))
        for store in (one, two, three):
            await store.close()


async def _edits(show: Callable[[str, str], None], one: Store, others: tuple[Store, ...]) -> None:
    """How long an edit takes, and until the others have it."""
    commits, seen = [], []
    for number in range(EDITS):
        begun = time.monotonic()
        await one.commit(
            [Put(ObjectId("pools", f"p{number}"), {"basic": {"note": f"edit {number}"}})], _AUTHOR
        )
        committed = time.monotonic()
        for other in others:
            batch = await one.parcels_after(other.vector)
            await other.receive(batch.parcels, batch.blobs)
        commits.append(committed - begun)
        seen.append(time.monotonic() - committed)
    show("  an edit among them: acknowledged after", _spread(commits))
    show("  visible in two other stores after that", _spread(seen))


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    worst = ordered[int(len(ordered) * 0.99) - 1]
    return f"median {statistics.median(ordered) * 1000:.1f} ms, 99 % {worst * 1000:.1f} ms"


if __name__ == "__main__":
    asyncio.run(
        measure_store(
            lambda what, figure: print(f"{what:<58} {figure}", flush=True), *map(int, sys.argv[1:2])
        )
    )
