"""Keeps the stores of two linked members alike: pushes what is new at once, and finds by digests what was missed.

Invariant: to one member at most one batch is under way, bounded in bytes, and the next is computed from what it has
acknowledged; so a burst is sent once, however often the two compare. What was received is acknowledged when it is on
the disk, never before.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from pointsman.cluster.frame import BadFrame, Kind, Message, encode
from pointsman.cluster.link import Link, LinkEnded
from pointsman.identity.authority import NotAcceptable
from pointsman.store import Batch, Parcel, Received, StoreError

BATCH_BYTES = 1 << 20
TAKEN_SECONDS = 120.0
_COMPARE_SECONDS = 0.3
"""How often at most one member sends another what it has seen."""
_MEMO = 4
_WHOLES_AT_ONCE = 2
_log = logging.getLogger("pointsman.cluster")


class Replica(Protocol):
    """What replication needs of the store; see `pointsman.store.Store`."""

    @property
    def vector(self) -> Mapping[str, int]:
        """The last sequence number seen of each origin."""

    @property
    def digest(self) -> str:
        """Equal for equal vectors."""

    async def parcels_after(self, vector: Mapping[str, int], *, limit_bytes: int = BATCH_BYTES) -> Batch:
        """What a member that has seen `vector` lacks."""

    async def receive(self, parcels: Sequence[Parcel], blobs: Mapping[str, bytes]) -> Received:
        """Merges what another member sent."""

    async def whole(self) -> bytes:
        """Everything."""


class Replicator:
    """Serves all links of one member."""

    def __init__(
        self,
        store: Replica,
        *,
        adopt: Callable[[bytes, Mapping[int, str]], Awaitable[None]],
        keys_for: Callable[[str], Mapping[int, str]],
        relay: Callable[[], bool] = lambda: False,
    ) -> None:
        """`adopt` merges a whole state that comes with wrapped data keys, `keys_for` wraps those for a member.

        `relay` says whether members pass on what others wrote.
        """
        self._store = store
        self._adopt = adopt
        self._keys_for = keys_for
        self._relay = relay
        self._lines: dict[Link, _Line] = {}
        self._batches: OrderedDict[tuple[Any, ...], tuple[Batch, bytes]] = OrderedDict()
        self._reading = asyncio.Lock()
        self._wholes = asyncio.Semaphore(_WHOLES_AT_ONCE)

    def open(self, link: Link, group: asyncio.TaskGroup) -> None:
        """Begins to serve a link whose two sides know each other, by a task of the group that ends with it."""
        assert link.hello is not None
        line = self._lines[link] = _Line(link)
        group.create_task(self._pump(line))
        if link.hello.digest == self._store.digest:
            line.seen = dict(self._store.vector)
        else:
            self._compare(line)

    def close(self, link: Link) -> None:
        """Stops serving a link."""
        self._lines.pop(link, None)

    def on_transaction(self, *, remote: bool) -> None:
        """Something new is on the disk here: whoever lacks it gets it, now."""
        if not remote or self._relay():
            for line in self._lines.values():
                line.wake.set()

    def on_digest(self, link: Link, digest: str) -> None:
        """The other side has seen what `digest` stands for."""
        line = self._lines.get(link)
        if line is None:
            return
        if digest == self._store.digest:
            line.seen = dict(self._store.vector)
        else:
            self._compare(line)

    def told(self, link: Link, message: Message) -> Any:
        """Deals with a message about the store; an awaitable when that takes time."""
        line = self._lines.get(link)
        if line is None:
            return None
        match message.kind:
            case Kind.VECTOR:
                self._take_vector(line, message.body)
            case Kind.TAKEN:
                if line.taken is not None and not line.taken.done():
                    line.taken.set_result(None)
            case Kind.PARCELS | Kind.WHOLE:
                if line.receiving:
                    raise BadFrame("a second batch came before the first was acknowledged")
                line.receiving = True
                return self._receive(line, message)
        return None

    def has_all(self, link: Link) -> bool:
        """Whether the other side is known to have seen all that was seen here."""
        line = self._lines.get(link)
        return line is not None and line.seen is not None and _covers(line.seen, self._store.vector)

    def _take_vector(self, line: _Line, body: Mapping[str, Any]) -> None:
        vector = body.get("vector")
        if not isinstance(vector, dict) or not all(type(number) is int for number in vector.values()):
            raise BadFrame("a vector is not readable")
        if line.seen is None or body.get("again") is True:
            line.seen = dict(vector)
        else:
            line.advance(vector)
        line.wake.set()
        if not _covers(self._store.vector, vector):
            self._compare(line)

    def _compare(self, line: _Line, *, again: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        if again or now - line.compared > _COMPARE_SECONDS:
            line.compared = now
            line.link.send(Kind.VECTOR, {"vector": dict(self._store.vector), "again": again})

    async def _pump(self, line: _Line) -> None:
        while True:
            await line.wake.wait()
            line.wake.clear()
            try:
                while line.seen is not None and await self._send(line, line.seen):
                    pass
            except TimeoutError:
                line.link.end("it did not take what was sent")
                return
            except Exception:
                _log.exception("sending to another member failed")
                line.link.end("the configuration cannot be read here")
                return

    async def _send(self, line: _Line, seen: Mapping[str, int]) -> bool:
        """Sends one batch and waits until it is taken; whether there was anything to send."""
        if _covers(seen, self._store.vector):
            return False
        batch, data = await self._batch(seen)
        if batch.below_floor:
            await self._send_whole(line)
            return True
        if not batch.parcels:
            return False
        await self._deliver(line, data)
        line.advance({parcel.origin: parcel.sequence for parcel in batch.parcels})
        return True

    async def _deliver(self, line: _Line, data: bytes) -> None:
        line.taken = asyncio.get_running_loop().create_future()
        line.link.send_bytes(data)
        async with asyncio.timeout(TAKEN_SECONDS):
            await line.taken

    async def _send_whole(self, line: _Line) -> None:
        async with self._wholes:
            vector = dict(self._store.vector)
            whole = await self._store.whole()
            keys = {str(generation): text for generation, text in self._keys_for(line.link.peer).items()}
            body = {"whole": base64.b64encode(whole).decode("ascii"), "keys": keys}
            await self._deliver(line, await asyncio.to_thread(encode, Kind.WHOLE, body))
        line.advance(vector)

    async def _batch(self, seen: Mapping[str, int]) -> tuple[Batch, bytes]:
        """What a member lacks, encoded; members that lack the same share the work."""
        async with self._reading:
            key = (self._store.digest, *sorted(seen.items()))
            if key not in self._batches:
                batch = await self._store.parcels_after(seen, limit_bytes=BATCH_BYTES)
                size = sum(len(parcel.ops) for parcel in batch.parcels) + sum(map(len, batch.blobs.values()))
                small = size < BATCH_BYTES // 8
                data = _encoded(batch) if small else await asyncio.to_thread(_encoded, batch)
                self._batches[key] = (batch, data)
                while len(self._batches) > _MEMO:
                    self._batches.popitem(last=False)
            return self._batches[key]

    async def _receive(self, line: _Line, message: Message) -> None:
        again = False
        try:
            if message.kind == Kind.WHOLE:
                await self._adopt(*decode_whole(message.body))
            else:
                parcels, blobs = decode_parcels(message.body)
                received = await self._store.receive(parcels, blobs)
                again = received.missing
                if not again and line.seen is not None:
                    line.advance({parcel.origin: parcel.sequence for parcel in parcels})
        except (StoreError, NotAcceptable) as error:
            _log.error("what another member sent is not taken: %s", error)
            raise LinkEnded(str(error)) from None
        finally:
            line.receiving = False
        line.link.send(Kind.TAKEN, {})
        if again:
            self._compare(line, again=True)


class _Line:
    """One link as replication sees it; `seen` is what the other side has, None while that is not known."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.seen: dict[str, int] | None = None
        self.wake = asyncio.Event()
        self.taken: asyncio.Future[None] | None = None
        self.compared = 0.0
        self.receiving = False

    def advance(self, vector: Mapping[str, int]) -> None:
        assert self.seen is not None
        for origin, number in vector.items():
            self.seen[origin] = max(number, self.seen.get(origin, 0))


def _covers(vector: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(vector.get(origin, 0) >= number for origin, number in other.items())


def _encoded(batch: Batch) -> bytes:
    blobs = {digest: base64.b64encode(data).decode("ascii") for digest, data in batch.blobs.items()}
    return encode(Kind.PARCELS, {"parcels": [parcel.to_list() for parcel in batch.parcels], "blobs": blobs})


def decode_parcels(body: Mapping[str, Any]) -> tuple[tuple[Parcel, ...], dict[str, bytes]]:
    """The transactions and files of a message. Raises `BadFrame`, `ParcelRefused`."""
    try:
        parcels = tuple(map(Parcel.from_list, body["parcels"]))
        return parcels, {str(digest): base64.b64decode(data) for digest, data in body["blobs"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFrame("transactions are not readable") from error


def decode_whole(body: Mapping[str, Any]) -> tuple[bytes, dict[int, str]]:
    """A whole state and the wrapped data keys of a message. Raises `BadFrame`."""
    try:
        keys = {int(generation): str(text) for generation, text in body["keys"].items()}
        return base64.b64decode(body["whole"]), keys
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFrame("a whole state is not readable") from error
