"""The store under `kill -9`: what was acknowledged is there, and no transaction is there by half."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.store_writer import LEFT, RIGHT, settings
from tests.unit.store.resources import REGISTRY

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Put, Store, pack_batch

ROOT = Path(__file__).parents[2]
ROUNDS = 20
FRESH = 6
"""Rounds in a new directory, so that some kills meet a store that is being made."""
BATCHES = 250
RECEIVING_ROUNDS = 8
ADOPTING_ROUNDS = 12
DEADLINE_SECONDS = 60.0


class Nursery:
    """The process that forks writers, and the lines they print."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.store_writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._output = self._process.stdout.fileno()
        self._pending = b""
        os.set_blocking(self._output, False)

    def start(self, directory: Path, what: str = "write") -> int:
        """Starts a writer; gives its process id."""
        self._input.write(f"{what} {directory}\n".encode())
        self._input.flush()
        # The writer is already running: its first lines may come before the line that tells its id.
        self._early: list[str] = []
        while not (line := self._line(time.monotonic() + DEADLINE_SECONDS)).startswith("pid "):
            self._early.append(line)
        return int(line.removeprefix("pid "))

    def acknowledged(self, until: float) -> Iterator[int]:
        """Numbers of acknowledged transactions that come before the moment `until` or the writer's end."""
        for line in self._early:
            yield int(line)
        self._early = []
        while time.monotonic() < until and (line := self._line(until)) and line != "gone":
            yield int(line)

    def close(self) -> None:
        self._input.close()
        self._process.stdout.close() if self._process.stdout else None
        assert self._process.wait(DEADLINE_SECONDS) == 0

    def _line(self, until: float) -> str:
        while b"\n" not in self._pending:
            if not select.select([self._output], [], [], max(0.0, until - time.monotonic()))[0]:
                return ""
            self._pending += os.read(self._output, 65536)
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


async def test_no_acknowledged_write_is_lost_and_none_is_there_by_half(
    tmp_path: Path, nursery: Nursery
) -> None:
    acknowledged: dict[Path, int] = {}
    for round_number in range(ROUNDS):
        directory = tmp_path / (f"fresh{round_number}" if round_number < FRESH else "long")
        patience = random.uniform(0.0, 0.06 if round_number < FRESH else 0.3)
        writer = nursery.start(directory)
        last = acknowledged.get(directory, 0)
        if (
            round_number == ROUNDS - 1
        ):  # on a slow machine the kills before may all have met a writer that starts
            last = next(nursery.acknowledged(time.monotonic() + DEADLINE_SECONDS))
        last = max(nursery.acknowledged(time.monotonic() + patience), default=last)
        os.kill(writer, signal.SIGKILL)
        last = max(nursery.acknowledged(time.monotonic() + DEADLINE_SECONDS), default=last)
        store = await Store.open(directory, REGISTRY)
        try:
            # At most the one that was under way when the writer died may be there beyond those acknowledged.
            assert last <= store.revision <= last + 1
            if store.revision:
                number = store.revision
                assert dict(store.objects) == {
                    LEFT: settings(number, "left"),
                    RIGHT: settings(number, "right"),
                    ObjectId("rules", "r"): {"content": f"{number}\n".encode() * (number % 50 + 1)},
                }
                assert dict(await store.objects_at(number)) == dict(store.objects)
                assert len(await store.transactions(limit=number)) == number
            acknowledged[directory] = store.revision
        finally:
            await store.close()
    assert acknowledged[tmp_path / "long"] > 0


async def test_a_batch_that_was_taken_is_there_and_none_is_there_by_half(
    tmp_path: Path, nursery: Nursery
) -> None:
    source = await Store.open(tmp_path / "source", REGISTRY)
    target = await Store.open(tmp_path / "target", REGISTRY)
    states = {}
    try:
        await target.adopt(await source.whole(), keys=source.keys, replace=True)
        first = target.revision
        vector = target.vector
        for number in range(BATCHES * 3):
            changes = [Put(identity, settings(number, identity.name)) for identity in (LEFT, RIGHT)]
            content = Put(ObjectId("rules", "r"), {"content": f"{number}\n".encode()})
            await source.commit([*changes, content], Author("writer"))
            if number % 3 == 2:
                (tmp_path / f"batch{first + number - 2}").write_bytes(
                    pack_batch(await source.parcels_after(vector))
                )
                vector = source.vector
            states[first + number + 1] = dict(source.objects)
    finally:
        await source.close()
        await target.close()
    last = first
    for _ in range(RECEIVING_ROUNDS):
        writer = nursery.start(tmp_path / "target", "receive")
        patience = random.uniform(0.02, 0.08)
        last = max(nursery.acknowledged(time.monotonic() + patience), default=last)
        os.kill(writer, signal.SIGKILL)
        last = max(nursery.acknowledged(time.monotonic() + DEADLINE_SECONDS), default=last)
        store = await Store.open(tmp_path / "target", REGISTRY)
        try:
            assert store.revision in (last, last + 3)
            assert dict(store.objects) == states.get(store.revision, {})
            assert dict(await store.objects_at(store.revision)) == dict(store.objects)
        finally:
            await store.close()


async def test_a_state_is_adopted_with_its_keys_or_not_at_all(tmp_path: Path, nursery: Nursery) -> None:
    states = []
    for number in range(2):
        source = await Store.open(tmp_path / f"source{number}", REGISTRY)
        try:
            for left in range(20 + number):
                await source.commit([Put(LEFT, settings(left, f"of {number}"))], Author("writer"))
            (tmp_path / f"state{number}").write_bytes(await source.whole())
            (tmp_path / f"key{number}").write_bytes(source.keys[1])
            states.append(dict(source.objects))
        finally:
            await source.close()
    adopted = 0
    for round_number in range(ADOPTING_ROUNDS):
        writer = nursery.start(tmp_path / "target", "adopt")
        patience = DEADLINE_SECONDS if round_number == 0 else random.uniform(0.02, 0.2)
        adopted += next(nursery.acknowledged(time.monotonic() + patience), 0)
        os.kill(writer, signal.SIGKILL)
        for _ in nursery.acknowledged(time.monotonic() + DEADLINE_SECONDS):
            pass
        store = await Store.open(tmp_path / "target", REGISTRY)
        try:
            assert dict(store.objects) in states
            assert len(list((tmp_path / "target").glob("key*"))) == 1
            assert dict(await store.objects_at(store.revision)) == dict(store.objects)
        finally:
            await store.close()
    assert adopted
