"""A process that writes to a store without end and says what was acknowledged; `test_store_crash` kills it.

For each line of its input, what to do and a directory, it forks a writer (so that the imports are made once) and prints
the writer's process id; the writer prints a number for each step that was acknowledged: the revision that a commit made
or that a batch led to, or how many states were adopted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.unit.store.resources import REGISTRY

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Put, Store, unpack_batch

LEFT, RIGHT = ObjectId("sites", "left"), ObjectId("sites", "right")


def settings(number: int, side: str) -> dict[str, dict[str, object]]:
    """What both objects hold after transaction `number`."""
    nodes = [{"node": f"n{number % 7}", "weight": number}, {"node": "always"}]
    return {
        "basic": {"port": number, "note": side, "nodes": nodes},
        "safe": {"password": f"secret {number}"},
    }


async def _write(directory: Path) -> None:
    store = await Store.open(directory, REGISTRY)
    number = store.revision
    while True:
        number += 1
        changes = [Put(identity, settings(number, identity.name)) for identity in (LEFT, RIGHT)]
        content = f"{number}\n".encode() * (number % 50 + 1)
        made = await store.commit(
            [*changes, Put(ObjectId("rules", "r"), {"content": content})], Author("writer")
        )
        assert made is not None
        os.write(1, f"{made.revision}\n".encode())


async def _receive(directory: Path) -> None:
    store = await Store.open(directory, REGISTRY)
    while True:
        batch = unpack_batch((directory.parent / f"batch{store.revision}").read_bytes())
        await store.receive(batch.parcels, batch.blobs)
        os.write(1, f"{store.revision}\n".encode())


async def _adopt(directory: Path) -> None:
    store = await Store.open(directory, REGISTRY)
    states = [(directory.parent / f"state{number}").read_bytes() for number in range(2)]
    keys = [(directory.parent / f"key{number}").read_bytes() for number in range(2)]
    number = 0
    while True:
        number += 1
        await store.adopt(states[number % 2], keys={1: keys[number % 2]}, replace=True)
        os.write(1, f"{number}\n".encode())


STEPS = {"write": _write, "receive": _receive, "adopt": _adopt}


def main() -> None:
    """Forks a writer for each line of the input."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            what, _, directory = line.rstrip("\n").partition(" ")
            asyncio.run(STEPS[what](Path(directory)))
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
