"""Keeps the stores of the members alike: what a member writes is pushed to all at once, what was missed is fetched.

Invariant: to one member at most one batch is under way, bounded in bytes, and the next is computed from what it has
acknowledged; what was missed is fetched from one member at a time, however many have it. So a burst is sent once. What
was received is acknowledged when it is on the disk, never before.

Each second the digests of what was seen are compared. Where they differ twice the two tell each other what they have
seen (`vector`), and who lacks something asks one of those who have it (`vector` with `want`) for all of it.

Two different transactions with one number tell of a machine that was set back to an earlier state while it ran. Who
finds that asks the other side for its whole state (`whole` beside `want`) and merges it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pointsman.cluster.frame import BadFrame, Kind, Message, encode
from pointsman.cluster.link import Link, LinkEnded
from pointsman.identity.authority import NotAcceptable
from pointsman.store import Batch, NotStored, OriginForked, Parcel, Received, StoreError

BATCH_BYTES = 1 << 20
TAKEN_SECONDS = 120.0
_TELL_SECONDS = 0.3
"""How often at most one member tells another what it has seen."""
_PATIENCE_SECONDS = 10.0
"""How long a member that was asked may send nothing before another one is asked."""
_MEND_SECONDS = 2.0
"""Between two whole states that are asked for because transactions contradict each other."""
_RETRY_SECONDS = 1.0
_RETRIES = 60
"""How often what cannot be stored is tried again before it is left to the next comparison, as the sender waits."""
MOST_ORIGINS = 100_000
"""Of a vector: 64 members that are started every day for four years."""
_LONGEST_ORIGIN = 255
_MEMO = 4
_WHOLES_AT_ONCE = 2
_log = logging.getLogger("pointsman.cluster")


@dataclass(frozen=True)
class _Encoded:
    """A batch as it is sent, and of what it was made only how far it `reaches`: of each origin the last sequence.

    The transactions themselves are many times as large, and it is remembered for long.
    """

    data: bytes
    reaches: Mapping[str, int]
    complete: bool
    below_floor: bool


class Replica(Protocol):
    """What replication needs of the store; see `pointsman.store.Store`."""

    @property
    def origin(self) -> str:
        """The present name of this installation as an author of transactions."""

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

    async def hear(self, vector: Mapping[str, int]) -> None:
        """Takes note of what another member has seen."""

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
        on_forked: Callable[[str], None] = lambda member: None,
    ) -> None:
        """`adopt` merges a whole state that comes with wrapped data keys, `keys_for` wraps those for a member.

        `relay` says whether members pass on what others wrote; `on_forked` is told the member whose transactions
        contradict those that are here, when its state is asked for.
        """
        self._store = store
        self._adopt = adopt
        self._keys_for = keys_for
        self._relay = relay
        self._on_forked = on_forked
        self._mend_after = 0.0
        self.fault = ""
        """Why nothing of what others send can be stored now, for example a full disk; "" when it can."""
        self._lines: dict[Link, _Line] = {}
        self._batches: OrderedDict[tuple[Any, ...], _Encoded] = OrderedDict()
        self._reading = asyncio.Lock()
        self._source: _Line | None = None
        self._patience = 0.0
        self._wholes = asyncio.Semaphore(_WHOLES_AT_ONCE)

    def open(self, link: Link, group: asyncio.TaskGroup) -> None:
        """Begins to serve a link whose two sides know each other, by a task of the group that ends with it."""
        assert link.hello is not None
        line = self._lines[link] = _Line(link)
        group.create_task(self._pump(line))
        if link.hello.digest == self._store.digest:
            line.seen = dict(self._store.vector)
        else:
            self._tell(line)

    def close(self, link: Link) -> None:
        """Stops serving a link."""
        line = self._lines.pop(link, None)
        for other in self._lines.values():
            if other.link.peer == link.peer:
                # Of two connections one is told what is new, and what it was told may have been lost with it.
                other.wake.set()
        if line is not None and line is self._source:
            self._source = None
            self._fetch()

    def on_transaction(self, *, remote: bool) -> None:
        """Something new is on the disk here: whoever lacks it gets it, now."""
        if not remote or self._relay():
            # Two may be connected twice for a moment; once is enough, by a connection that knows what the other has.
            chosen: dict[str, _Line] = {}
            for link, line in self._lines.items():
                if link.peer not in chosen or line.seen is not None:
                    chosen[link.peer] = line
            for line in chosen.values():
                line.wake.set()

    def on_digest(self, link: Link, digest: str) -> None:
        """The other side has seen what `digest` stands for."""
        line = self._lines.get(link)
        if line is None:
            return
        if digest == self._store.digest:
            line.seen = dict(self._store.vector)
            line.differed = False
        elif line.differed:
            line.differed = False
            self._tell(line)
        else:
            # What differs now is under way, as a rule; only what differs twice was missed.
            line.differed = True
        if self._source is not None and asyncio.get_running_loop().time() > self._patience:
            self._source = None
        self._fetch()

    def told(self, link: Link, message: Message) -> Any:
        """Deals with a message about the store; an awaitable when that takes time."""
        line = self._lines.get(link)
        if line is None:
            return None
        match message.kind:
            case Kind.VECTOR:
                return self._take_vector(line, message.body)
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

    # Comparing and fetching

    def _tell(self, line: _Line) -> None:
        """Tells the other side what was seen here."""
        now = asyncio.get_running_loop().time()
        if now - line.told > _TELL_SECONDS:
            line.told = now
            body = {"vector": dict(self._store.vector), "want": False, "digest": self._store.digest}
            line.link.send(Kind.VECTOR, body)

    def _take_vector(self, line: _Line, body: Mapping[str, Any]) -> Coroutine[Any, Any, None] | None:
        vector, ours = body.get("vector"), self._store.vector
        if not isinstance(vector, dict) or not all(map(_is_number, vector.values())):
            raise BadFrame("a vector is not readable")
        if len(vector) > MOST_ORIGINS or max(map(len, vector), default=0) > _LONGEST_ORIGIN:
            raise BadFrame("a vector names more than there can be")
        if body.get("want") is True:
            line.seen, line.wants = dict(vector), True
            line.whole = body.get("whole") is True
        else:
            if line.seen is None:
                line.seen = {}
            line.advance(vector)
            line.offers = dict(vector)
            if vector != ours:
                # Also who has more must know what is here, or it cannot push what comes next.
                self._tell(line)
            # Both find the same numbers with different contents; one of them is enough to mend it.
            if vector == ours and self._store.digest < str(body.get("digest", "")):
                self._mend(line)
            self._fetch()
        line.wake.set()
        own = self._store.origin
        more = vector.get(own, 0) > ours.get(own, 0)
        return self._hear(line, vector) if more and not line.hearing else None

    async def _hear(self, line: _Line, vector: Mapping[str, int]) -> None:
        """This machine was set back: it must not write under its present origin any more."""
        line.hearing = True
        try:
            await self._store.hear(vector)
        finally:
            line.hearing = False

    def _fetch(self) -> None:
        """Asks one of those who have what is lacking here, unless one was asked already."""
        if self._source is not None:
            return
        vector = self._store.vector
        sources = [line for line in self._lines.values() if not _covers(vector, line.offers)]
        if sources:
            line = random.choice(sources)  # noqa: S311 # spreads the load, protects nothing
            self._source = line
            self._patience = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
            line.link.send(Kind.VECTOR, {"vector": dict(vector), "want": True})

    def _mend(self, line: _Line) -> None:
        """Asks the other side for its whole state, as its transactions contradict those that are here."""
        now = asyncio.get_running_loop().time()
        if now < self._mend_after:
            return
        # Should both sides do so at once they would only change places; the next time they will not.
        self._mend_after = now + _MEND_SECONDS * (1 + random.random())  # noqa: S311 # spreads, protects nothing
        self._source, self._patience = line, now + _PATIENCE_SECONDS
        self._on_forked(line.link.peer)
        body = {"vector": dict(self._store.vector), "want": True, "whole": True}
        line.link.send(Kind.VECTOR, body)

    # Sending

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
            except (StoreError, NotAcceptable, BadFrame) as error:
                _log.error("what another member lacks cannot be sent: %s", error)
                line.link.end("the configuration cannot be read here")
                return

    async def _send(self, line: _Line, seen: Mapping[str, int]) -> bool:
        """Sends one batch and waits until it is taken; whether there may be more to send."""
        told, wanted = seen, line.wants
        # What is sent must be for what is known now, whatever is heard while it is read: others share it (`_batch`).
        seen = dict(seen)
        if line.whole:
            line.whole = line.wants = False
            await self._send_whole(line)
            return True
        if not wanted and not self._relay():
            # The others' they get from those who wrote it, at the same time.
            origin = self._store.origin
            seen = {**self._store.vector, origin: seen.get(origin, 0)}
        if _covers(seen, self._store.vector) and not line.wants:
            return False
        batch = await self._batch(seen, last=wanted)
        if batch.below_floor:
            await self._send_whole(line)
            line.wants = False
            return True
        if batch.reaches or line.wants:
            await self._deliver(line, batch.data)
        if line.seen is told:  # else the other side has said meanwhile what it has, and that may be less
            line.advance(batch.reaches)
            # A wish that came while this was under way was not for this, which may not be all.
            if batch.complete and wanted:
                line.wants = False
        return bool(batch.reaches)

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

    async def _batch(self, seen: Mapping[str, int], *, last: bool) -> _Encoded:
        """What a member lacks, encoded; members that lack the same share the work. `last`: it says whether that is
        all. Nobody may change `seen` meanwhile, or one member would be sent what another one lacks.
        """
        async with self._reading:
            key = (self._store.digest, last, *sorted(seen.items()))
            if key not in self._batches:
                batch = await self._store.parcels_after(seen, limit_bytes=BATCH_BYTES)
                size = sum(len(parcel.ops) for parcel in batch.parcels) + sum(map(len, batch.blobs.values()))
                small = size < BATCH_BYTES // 8
                data = _encoded(batch, last) if small else await asyncio.to_thread(_encoded, batch, last)
                reaches = {parcel.origin: parcel.sequence for parcel in batch.parcels}
                self._batches[key] = _Encoded(data, reaches, batch.complete, batch.below_floor)
                while len(self._batches) > _MEMO:
                    self._batches.popitem(last=False)
            return self._batches[key]

    # Receiving

    async def _stored(self, parcels: Sequence[Parcel], blobs: Mapping[str, bytes]) -> Received:
        """Stores what came, with patience: a full disk is no reason to part from the others."""
        for left in reversed(range(_RETRIES)):
            try:
                received = await self._store.receive(parcels, blobs)
            except NotStored as error:
                if not self.fault:
                    _log.error("what other members send cannot be stored: %s", error)
                self.fault = error.cause
                if left:
                    await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.fault = ""
                return received
        # It is not acknowledged as seen: the next comparison of digests shows that it is lacking.
        return Received((), False)

    async def _receive(self, line: _Line, message: Message) -> None:
        lacking: dict[str, int] = {}
        forked = False
        self._hear_of_source(line)
        try:
            if message.kind == Kind.WHOLE:
                await self._adopt(*decode_whole(message.body))
            else:
                parcels, blobs = decode_parcels(message.body)
                ends = {parcel.origin: parcel.sequence for parcel in parcels}
                if (await self._stored(parcels, blobs)).missing:
                    lacking = ends
                elif line.seen is not None:
                    line.advance(ends)
        except OriginForked as error:
            _log.warning("what another member sent is not taken: %s", error)
            forked = True
        except (StoreError, NotAcceptable) as error:
            _log.error("what another member sent is not taken: %s", error)
            raise LinkEnded(str(error)) from None
        finally:
            line.receiving = False
        self._hear_of_source(line)
        line.link.send(Kind.TAKEN, {})
        if forked:
            self._mend(line)
            return
        if message.kind == Kind.WHOLE or message.body.get("last") is True:
            line.offers = {}
            if line is self._source:
                self._source = None
        # What could not be taken, as it builds on what is lacking here, is still to be had there.
        line.offers |= lacking
        self._fetch()

    def _hear_of_source(self, line: _Line) -> None:
        """The one that was asked for what is lacking here sends it: nobody else need be asked."""
        if line is self._source:
            self._patience = asyncio.get_running_loop().time() + _PATIENCE_SECONDS


class _Line:
    """One link as replication sees it.

    `seen` is what the other side has, None while that is not known; `offers` what it has told of and was not fetched
    from it yet; `wants` that it asked for all that it lacks, `whole` for everything.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.seen: dict[str, int] | None = None
        self.offers: dict[str, int] = {}
        self.wants = self.whole = False
        self.wake = asyncio.Event()
        self.taken: asyncio.Future[None] | None = None
        self.told = 0.0
        self.differed = False
        self.receiving = self.hearing = False

    def advance(self, vector: Mapping[str, int]) -> None:
        assert self.seen is not None
        for origin, number in vector.items():
            self.seen[origin] = max(number, self.seen.get(origin, 0))


def _covers(vector: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return all(vector.get(origin, 0) >= number for origin, number in other.items())


def _is_number(value: object) -> bool:
    """Whether it can be the number of a transaction."""
    return type(value) is int and 0 <= value < 1 << 62


def _encoded(batch: Batch, last: bool) -> bytes:
    blobs = {digest: base64.b64encode(data).decode("ascii") for digest, data in batch.blobs.items()}
    parcels = [parcel.to_list() for parcel in batch.parcels]
    return encode(Kind.PARCELS, {"parcels": parcels, "blobs": blobs, "last": last and batch.complete})


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
