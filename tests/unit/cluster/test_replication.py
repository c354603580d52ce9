"""What one member tells the others of its store, message by message: to whom, and what is done when a link ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from tools.machine import AUTHOR, until

from pointsman.cluster.frame import Decoder, Kind, Message, encode
from pointsman.cluster.link import Hello, Link
from pointsman.cluster.replication import Replicator, decode_parcels
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Batch, Parcel, Put, Received, Store


class GatedStore:
    """A real store of which nothing is read while the gate is shut."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.gate = asyncio.Event()
        self.gate.set()
        self.readers = 0

    @property
    def origin(self) -> str:
        return self.store.origin

    @property
    def vector(self) -> Mapping[str, int]:
        return self.store.vector

    @property
    def digest(self) -> str:
        return self.store.digest

    async def parcels_after(self, vector: Mapping[str, int], *, limit_bytes: int = 1 << 20) -> Batch:
        self.readers += 1
        await self.gate.wait()
        return await self.store.parcels_after(vector, limit_bytes=limit_bytes)

    async def receive(self, parcels: Sequence[Parcel], blobs: Mapping[str, bytes]) -> Received:
        return await self.store.receive(parcels, blobs)

    async def hear(self, vector: Mapping[str, int]) -> None:
        await self.store.hear(vector)

    async def whole(self) -> bytes:
        return await self.store.whole()


class Wire:
    """The other end of a link: what was sent to it, and what it sends."""

    def __init__(self, peer: str, digest: str = "") -> None:
        self.peer = peer
        self.hello = Hello(peer, "cluster", "1.0.0", 1, digest)
        self.sent: list[Message] = []
        self._decoder = Decoder(1 << 24)

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        self.send_bytes(encode(kind, body))

    def send_bytes(self, data: bytes) -> None:
        self.sent += [message for frame in self._decoder.feed(data) if (message := frame.read()) is not None]

    def end(self, why: str) -> None:
        raise AssertionError(why)

    def wishes(self) -> list[Message]:
        """How often it was asked for what it has."""
        return [m for m in self.sent if m.kind == Kind.VECTOR and m.body["want"]]

    def parcels(self) -> set[tuple[str, int]]:
        """The transactions that were sent to it."""
        batches = [decode_parcels(m.body)[0] for m in self.sent if m.kind == Kind.PARCELS]
        return {(parcel.origin, parcel.sequence) for batch in batches for parcel in batch}


class Side:
    """A member that relays, with a store, and its wires."""

    def __init__(self, store: Store, group: asyncio.TaskGroup) -> None:
        self.store = GatedStore(store)
        self.group = group
        self.replicator = Replicator(
            self.store,
            adopt=_never,
            keys_for=lambda member: {},
            relay=lambda: True,
        )

    def open(self, wire: Wire) -> Link:
        link = cast(Link, wire)
        self.replicator.open(link, self.group)
        return link

    def says(self, link: Link, kind: Kind, **body: Any) -> None:
        """Somebody sends a message."""
        work = self.replicator.told(link, Message(kind, body))
        if work is not None:
            self.group.create_task(_awaited(work))

    async def put(self, name: str) -> None:
        """An edit."""
        await self.store.store.commit([Put(ObjectId("pools", name), {})], AUTHOR)
        self.replicator.on_transaction(remote=False)


async def _awaited(work: Any) -> None:
    await work


async def _never(whole: bytes, keys: Mapping[int, str]) -> None:
    raise AssertionError("nobody asked for a whole state")


@contextlib.asynccontextmanager
async def side(directory: Path) -> AsyncIterator[Side]:
    """A member whose links end with the block."""
    store = await Store.open(directory / "store", STORED)
    ended = asyncio.Event()

    async def serve(made: asyncio.Future[Side]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                made.set_result(Side(store, group))
                await ended.wait()
                raise asyncio.CancelledError

    made: asyncio.Future[Side] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(made))
    try:
        yield await made
    finally:
        ended.set()
        await serving
        await store.close()


async def test_what_one_member_gets_meanwhile_is_still_sent_to_another_one(tmp_path: Path) -> None:
    """Members that lack the same are sent one batch; what one of them is told to have while that batch is read changes
    nothing for the others.
    """
    async with side(tmp_path) as here:
        await here.put("app")
        store, before = (
            here.store,
            {**here.store.vector, here.store.origin: here.store.vector[here.store.origin] - 1},
        )
        quick, slow = Wire("quick"), Wire("slow")
        link = here.open(quick)
        store.gate.clear()
        here.says(link, Kind.VECTOR, vector=before, want=False, digest="")
        await until("it is read", lambda: store.readers == 1)
        here.says(link, Kind.VECTOR, vector=dict(store.vector), want=False, digest=store.digest)
        store.gate.set()
        await until("it was read", lambda: here.replicator.has_all(link))
        link = here.open(slow)
        here.says(link, Kind.VECTOR, vector=before, want=True)
        await until("it is answered", lambda: any(m.kind == Kind.PARCELS for m in slow.sent))
        assert slow.parcels() == {(store.origin, store.vector[store.origin])}


@pytest.mark.parametrize("lost", [0, 1])
async def test_what_was_lost_with_one_of_two_links_goes_by_the_other(tmp_path: Path, lost: int) -> None:
    """Two members that made connections to one another at the same time lose nothing when one of the two is closed."""
    async with side(tmp_path) as here:
        await here.put("before")
        wires = Wire("peer"), Wire("peer")
        links = [here.open(wire) for wire in wires]
        for link in links:
            here.says(link, Kind.VECTOR, vector=dict(here.store.vector), want=False, digest=here.store.digest)
        await here.put("app")
        await until("it is sent by one", lambda: any(wire.parcels() for wire in wires))
        assert not all(wire.parcels() for wire in wires)
        here.replicator.close(links[lost])
        await until("it is sent by the other", wires[1 - lost].parcels)


async def test_batch_that_could_not_be_taken_is_asked_for_again(tmp_path: Path) -> None:
    """Who sends what builds on something that is lacking here is told so, also while somebody else was asked."""
    author = await Store.open(tmp_path / "author", STORED)
    async with side(tmp_path / "here") as here:
        for name in ("one", "two"):
            await author.commit([Put(ObjectId("pools", name), {})], AUTHOR)
        parcels = (await author.parcels_after({})).parcels
        asked, other = Wire("asked"), Wire("other")
        links = {wire.peer: here.open(wire) for wire in (asked, other)}
        here.says(links["asked"], Kind.VECTOR, vector={author.origin: 1}, want=False, digest="")
        await until("one is asked", asked.wishes)
        body = {"blobs": {}, "last": False}
        here.says(links["other"], Kind.PARCELS, parcels=[parcels[-1].to_list()], **body)
        await until("it is acknowledged", lambda: any(m.kind == Kind.TAKEN for m in other.sent))
        here.says(links["asked"], Kind.PARCELS, parcels=[], blobs={}, last=True)
        await until("the other is asked", other.wishes)
        here.says(links["other"], Kind.PARCELS, parcels=[p.to_list() for p in parcels], blobs={}, last=True)
        await until("all is here", lambda: here.store.vector.get(author.origin) == len(parcels))
    await author.close()


async def test_one_that_sends_nothing_is_not_waited_for_because_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others push lends no time to the one that was asked."""
    monkeypatch.setattr("pointsman.cluster.replication._PATIENCE_SECONDS", 0.3)
    async with side(tmp_path) as here:
        mute, lively = Wire("mute"), Wire("lively")
        links = {wire.peer: here.open(wire) for wire in (mute, lively)}
        here.says(links["mute"], Kind.VECTOR, vector={"f" * 32: 1}, want=False, digest="")
        await until("it is asked", mute.wishes)
        here.says(links["lively"], Kind.VECTOR, vector={"f" * 32: 1}, want=False, digest="")

        pushed = 0

        def beat() -> bool:
            nonlocal pushed
            if pushed == sum(message.kind == Kind.TAKEN for message in lively.sent):
                pushed += 1
                here.says(links["lively"], Kind.PARCELS, parcels=[], blobs={}, last=False)
            here.replicator.on_digest(links["lively"], "another")
            return bool(lively.wishes()) or len(mute.wishes()) > 1

        await until("somebody is asked anew", beat, 10)
