"""A member with a good certificate that turns silent, slow or greedy: nobody else is held up, and it is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cluster.test_faults import Hostile, hostile
from tests.unit.cluster.test_members import alive, joined, machines
from tools.machine import Machine, until

from pointsman.cluster.frame import LONGEST, Decoder, Kind, encode
from pointsman.cluster.link import ROOMY

ANSWER = os.urandom(10_000).hex()
MOST_HELD = 4 << 20
"""Bytes that may wait to be sent to one member: a batch, and the answers to what it may ask at once."""


def pulse(number: int) -> bytes:
    body = {"beat": round(time.time() * 1000) + number, "run": "r", "state": {}, "digest": "0" * 64}
    return encode(Kind.PULSE, body)


async def says_nothing(bad: Hostile) -> None:
    """Holds the connection, and neither reads nor writes."""
    bad.writer.transport.pause_reading()  # type: ignore[attr-defined] # one that reads as well


async def takes_nothing(bad: Hostile) -> None:
    """Says that it is well, and reads nothing of what it is sent."""
    await says_nothing(bad)
    for number in range(1_000_000):
        await bad.send(pulse(number))
        await asyncio.sleep(0.3)


async def acknowledges_nothing(bad: Hostile) -> None:
    """Reads everything, and never says that it is stored."""
    for number in range(1_000_000):
        await bad.send(pulse(number))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await bad.reader.read(65_536)


async def drips(bad: Hostile) -> None:
    """Sends sound messages, a byte at a time."""
    for number in range(1_000_000):
        for byte in pulse(number):
            await bad.send(bytes((byte,)))
            await asyncio.sleep(0.05)


async def asks_without_end(bad: Hostile) -> None:
    """Asks for long answers, and reads none."""
    await says_nothing(bad)
    for number in range(2_000):
        await bad.send(encode(Kind.ASK, {"n": number, "question": {"about": ANSWER}}))
        if number % 20 == 0:
            await bad.send(pulse(number))
    await takes_nothing(bad)


async def garbage(bad: Hostile) -> None:
    """Is known, and sends what is no message."""
    await bad.send(pulse(0) + os.urandom(65_536))


def held(member: Machine) -> int:
    """The most bytes that wait at a member to be sent to another one."""
    mesh = member.cluster._mesh
    links = [link for links in mesh._links.values() for link in links] if mesh is not None else []
    return max((link._writer.transport.get_write_buffer_size() for link in links), default=0)


@contextlib.asynccontextmanager
async def turned(
    member: Machine, targets: list[Machine], *ways: Callable[[Hostile], Coroutine[Any, Any, None]]
) -> AsyncIterator[None]:
    """Connections to each of the targets, with the certificate of a member, that behave in these ways."""
    async with contextlib.AsyncExitStack() as stack:
        made = [(await stack.enter_async_context(hostile(member, t)), way) for t in targets for way in ways]
        tasks = [asyncio.create_task(way(bad)) for bad, way in made]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@pytest.mark.parametrize(
    "ways",
    [(says_nothing, drips, garbage), (takes_nothing, acknowledges_nothing), (asks_without_end,)],
    ids=["silent", "stuck", "greedy"],
)
async def test_member_that_hangs_holds_up_nobody(
    tmp_path: Path, ways: tuple[Callable[[Hostile], Coroutine[Any, Any, None]], ...]
) -> None:
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await c.stop()
        await until("c is missed", lambda: alive(a) == alive(b) == 1)
        most = 0
        async with turned(c, [a, b], *ways):
            if garbage not in ways:
                await until("c seems to be back", lambda: alive(a) == alive(b) == 2, 30)
            for number in range(20):
                writer, reader = (a, b) if number % 2 else (b, a)
                await writer.put(f"p{number}", os.urandom(2_000).hex())
                await until("the other has it", partial(reader.has, f"p{number}"), 30)
                most = max(most, held(a), held(b))
            assert most < MOST_HELD
            assert [m.state for m in a.cluster.view().members if m.name == "b"] == ["alive"]
        await until("it is named", lambda: alive(a) == alive(b) == 1, 30)
        await c.start()
        await until("it is back", lambda: alive(a) == alive(b) == alive(c) == 2, 30)
        await until("it has all", lambda: all(c.has(f"p{number}") for number in range(20)), 30)


def coming(member: Machine) -> list[int]:
    """The bytes of messages that are not whole yet, of each connection of a member."""
    mesh = member.cluster._mesh
    links = [link for links in mesh._links.values() for link in links] if mesh is not None else []
    return [link._decoder.held for link in links]


async def test_large_messages_are_read_one_at_a_time(tmp_path: Path) -> None:
    """Whoever has a certificate can send as much as a whole configuration, but one such message is held at a time."""
    large = struct.pack(">IBB", LONGEST, Kind.PARCELS, 0) + b"x" * (2 * ROOMY)
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await c.stop()
        await until("c is missed", lambda: alive(a) == alive(b) == 1)
        async with contextlib.AsyncExitStack() as stack:
            made = [await stack.enter_async_context(hostile(c, a)) for _ in range(3)]
            sends = [asyncio.create_task(bad.send(large)) for bad in made]
            await until("one is read", lambda: max(coming(a)) > 2 * ROOMY, 30)
            for number in range(5):
                await b.put(f"p{number}")
                await until("the other has it", partial(a.has, f"p{number}"), 30)
                assert sorted(coming(a))[-2] <= ROOMY
            assert sum(held > ROOMY for held in coming(a)) == 1
            for send in sends:
                send.cancel()
            await asyncio.wait(sends)
        await c.start()
        await until("it is back", lambda: all(c.has(f"p{number}") for number in range(5)), 30)
        # The room is free again: what c sends now needs it.
        await c.put("large", os.urandom(ROOMY).hex())
        await until("the others have it", lambda: a.has("large") and b.has("large"), 60)


async def test_large_message_that_comes_too_slowly_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.cluster.link._SLOW_SECONDS", 0.0)
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        await b.stop()
        async with hostile(b, a) as bad:
            await bad.send(struct.pack(">IBB", LONGEST, Kind.WHOLE, 0))
            for _ in range(100):
                await bad.send(b"x")
                if bad.reader.at_eof() or bad.writer.transport.is_closing():
                    break
                await asyncio.sleep(0.1)
            assert await bad.ended()
        await b.start()
        await a.put("after")
        await until("it goes on", lambda: b.has("after"), 30)


async def test_member_with_many_connections_keeps_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.cluster.link.SILENCE", 60.0)
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        await b.stop()
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(7):
                bad = await stack.enter_async_context(hostile(b, a))
                decoder, heard = Decoder(), 0
                while heard < 2:  # its introduction, and its first pulse, which says that it took ours
                    heard += len(list(decoder.feed(await bad.reader.read(65_536))))
                await until("no more are kept", lambda: len(coming(a)) <= 4)
        await b.start()
        await until("it is back", lambda: alive(a) == alive(b) == 1, 30)


async def test_flood_of_messages_holds_up_nobody(tmp_path: Path) -> None:
    """Vectors with many origins, pulses that tell of strangers, and nothing at all, as fast as they can be sent."""
    vector = {os.urandom(8).hex(): 1 for _ in range(5_000)}
    others = {os.urandom(8).hex(): {"beat": 1, "state": {}} for _ in range(1_000)}
    told = {"beat": round(time.time() * 1000), "run": "r", "state": {}, "digest": "", "others": others}
    floods = (
        encode(Kind.VECTOR, {"vector": vector, "want": True}),
        encode(Kind.PULSE, told),
        encode(Kind.TAKEN, {}) * 10_000,
    )

    async def flood(data: bytes, bad: Hostile) -> None:
        while not bad.writer.transport.is_closing():
            await bad.send(data)
            await asyncio.sleep(0)

    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await c.stop()
        async with turned(c, [a], *(partial(flood, data) for data in floods)):
            for number in range(20):
                await b.put(f"p{number}")
                await until("the other has it", partial(a.has, f"p{number}"), 30)
        assert len(a.cluster._board._heard) <= 3, "strangers are not remembered"
        await c.start()
        await until("it is back", lambda: all(c.has(f"p{number}") for number in range(20)), 30)
