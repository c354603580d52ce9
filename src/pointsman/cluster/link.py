"""One connection between two members: who is there, what is said, and that the other side still lives.

Invariant: nothing is read of a peer before TLS has proved who it is; a peer that says nothing for `SILENCE` seconds
loses the connection; what waits to be sent to a peer that takes nothing is bounded, and holds up nobody else. A message
of more than `ROOMY` bytes is read and dealt with in a room that there is one of for all links; who sends many messages
is read slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pointsman.cluster.frame import LONGEST, LOOSE, BadFrame, Decoder, Frame, Kind, Message, encode

PROTOCOL = 1
"""The newest version of the protocol, and the oldest, that is spoken here."""
SILENCE = 3.0
HELLO_SECONDS = 3.0
_CHUNK = 262_144
_LARGE = 131_072
"""Bytes of a message that is unpacked in a thread, so that others are served meanwhile."""
ROOMY = LOOSE
"""Bytes of a message, packed or not, up to which it needs no room: a batch has an eighth."""
_SURELY_SMALL = ROOMY // 1032
"""Bytes of a packed message that cannot become more than that: nothing is packed more densely."""
_ROOM_SECONDS = 600.0
"""For a message to come that is larger; who sends it waits no longer for it to be dealt with."""
_SLOW_SECONDS = 10.0
_SLOW_BYTES = 65_536
"""Bytes a second that one has to come with, after `_SLOW_SECONDS`."""
_PACE = 2_000
"""Small messages that are read in a second; a member that is edited without pause sends some hundred."""
_WEIGHT = {Kind.ASK: 10, Kind.VECTOR: 100}
"""As how many messages some count: a member asks seldom, and tells what it has seen three times a second."""
_FULL = 65_536
"""Bytes that wait to be sent, beyond which a pulse is left out."""
_MOST_QUESTIONS = 64
_WATCH = 0.5
_log = logging.getLogger("pointsman.cluster")


class LinkEnded(Exception):
    """The connection is over; the text says why."""


class Unanswered(Exception):
    """A question that another member did not answer; the text names it and says why."""


@dataclass(frozen=True)
class Hello:
    """How a member introduces itself: version and schema level of its product, digest of what it has seen."""

    member: str
    cluster: str
    version: str
    level: int
    digest: str

    def body(self) -> dict[str, Any]:
        """The message."""
        return {
            "min": PROTOCOL,
            "max": PROTOCOL,
            "member": self.member,
            "cluster": self.cluster,
            "version": self.version,
            "level": self.level,
            "digest": self.digest,
        }


class Handler:
    """What a link tells of. Each method may be replaced; none may raise."""

    def opened(self, link: Link, group: asyncio.TaskGroup) -> None:
        """Both sides have introduced themselves; tasks of `group` end with the link."""

    def closed(self, link: Link, why: str) -> None:
        """The link is over."""

    def told(self, link: Link, message: Message) -> Coroutine[Any, Any, None] | None:
        """A message came; what is returned runs beside the reading."""

    async def asked(self, link: Link, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """A question came; the answer."""
        raise NotImplementedError


class Room:
    """Where large messages are read, one at a time."""

    def __init__(self) -> None:
        self._free = asyncio.Lock()

    async def enter(self) -> Callable[[], None]:
        """Waits until nobody is in it; what leaves it, once, however often it is called."""
        await self._free.acquire()
        inside = True

        def leave() -> None:
            nonlocal inside
            if inside:
                inside = False
                self._free.release()

        return leave


class Link:
    """A connection whose other end is the member `peer`, proved by its certificate."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        peer: str,
        dialed: bool,
        room: Room,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.peer = peer
        self.dialed = dialed
        self.hello: Hello | None = None
        self.refusal: Mapping[str, Any] | None = None
        """What the other side said when it ended the connection."""
        self.address = str((writer.get_extra_info("peername") or ("",))[0])
        self.heard = clock()
        self._clock = clock
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._questions: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._asked = 0
        self._room = room
        self._leave: Callable[[], None] | None = None
        """Leaves the room; None while the link is not in it."""
        self._waits = False
        """Whether it waits for the room, or for its turn, so that silence is not the other side's."""
        self._ended = ""
        self._said_bye = False
        self._introduced = asyncio.Event()
        """Both sides know each other, or it came to nothing."""

    @property
    def parted(self) -> bool:
        """Whether one of the two sides ended the connection in order, and said so."""
        return self._said_bye or self.refusal is not None

    def send(self, kind: Kind, body: Mapping[str, Any]) -> None:
        """Sends a message; on a connection that is over, nothing."""
        self.send_bytes(encode(kind, body))

    def send_bytes(self, data: bytes) -> None:
        """Sends an encoded message."""
        if self._ended or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > LONGEST:
            self.end("it takes nothing of what is sent")
            return
        self._writer.write(data)

    def pulse(self, body: Mapping[str, Any]) -> None:
        """Sends a pulse, unless earlier messages still wait."""
        if self._writer.transport.get_write_buffer_size() < _FULL:
            self.send(Kind.PULSE, body)

    async def ask(self, question: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """The answer of the other side, which is asked once it is known. Raises `Unanswered`."""
        number = next(self._numbers)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._introduced.wait()
                if self._ended:
                    raise Unanswered(self._ended)
                self.send(Kind.ASK, {"n": number, "question": question})
                return await answer
        except TimeoutError:
            raise Unanswered(f"it did not answer within {seconds:g} s") from None
        finally:
            del self._questions[number]

    def end(self, why: str) -> None:
        """Ends the connection at once."""
        if not self._ended:
            self._ended = why
            self._writer.transport.abort()

    def bye(self, reason: str, **more: Any) -> None:
        """Says why, then ends the connection when that is sent."""
        self.send(Kind.BYE, {"reason": reason, **more})
        if not self._ended:
            self._ended = reason
            self._said_bye = True
            self._writer.close()

    async def run(self, own: Hello, handler: Handler) -> None:
        """Serves the link until it ends; never raises for what the other side does."""
        why = "the connection broke"
        opened = False
        try:
            self.send(Kind.HELLO, own.body())
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch())
                messages = self._messages()
                try:
                    self.hello = await self._greeted(own, messages)
                    self._decoder.longest = LONGEST
                    opened = True
                    self._introduced.set()
                    handler.opened(self, group)
                    await self._read(messages, handler, group)
                finally:
                    watch.cancel()
        except* LinkEnded as ended:
            why = str(ended.exceptions[0])
        except* BadFrame as bad:
            why = str(bad.exceptions[0])
            _let_go(bad)
        except* OSError as broken:
            error = broken.exceptions[0]
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or why
        except* Exception as fault:
            why = "what it sent met a fault of the program"
            _log.error("what another member sent met a fault of the program", exc_info=fault)
        finally:
            self._ended = self._ended or why
            self._decoder.drop()
            self._vacate()
            self._introduced.set()
            for answer in self._questions.values():
                if not answer.done():
                    answer.set_exception(Unanswered(f"the connection ended: {self._ended}"))
            with contextlib.suppress(AttributeError):  # a TLS transport of Python 3.11 that is closed already
                self._writer.transport.abort()
            if opened:
                handler.closed(self, self._ended)

    async def _greeted(self, own: Hello, messages: AsyncIterator[Message]) -> Hello:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                message = await anext(messages)
        except (TimeoutError, StopAsyncIteration):
            raise LinkEnded("it did not introduce itself") from None
        if message.kind == Kind.BYE:
            raise self._refused(message.body)
        match message.body:
            case {
                "min": int(low),
                "max": int(high),
                "member": str(member),
                "cluster": str(cluster),
                "version": str(version),
                "level": int(level),
                "digest": str(digest),
            } if message.kind == Kind.HELLO:
                if not low <= PROTOCOL <= high:
                    self.bye("protocol", text=f"protocol {PROTOCOL} is spoken here")
                    raise LinkEnded(f"it speaks protocol {low} to {high}, and {PROTOCOL} is spoken here")
                if member != self.peer or cluster != own.cluster:
                    raise LinkEnded("it introduces itself as somebody else than its certificate says")
                return Hello(member, cluster, version, level, digest)
        raise BadFrame("the first message is no introduction")

    def _refused(self, body: Mapping[str, Any]) -> LinkEnded:
        self.refusal = body
        return LinkEnded(f"it ended the connection: {str(body.get('reason', ''))[:200]}")

    async def _read(
        self, messages: AsyncIterator[Message], handler: Handler, group: asyncio.TaskGroup
    ) -> None:
        async for message in messages:
            leave, self._leave = self._leave, None
            try:
                work = self._take(message, handler, group)
                if work is not None:
                    # A task that is cancelled before it begins leaves it behind.
                    task = group.create_task(_awaited(work))
                    task.add_done_callback(partial(_close, work))
                    if leave is not None:
                        task.add_done_callback(partial(_left, leave))
                        leave = None
            finally:
                if leave is not None:
                    leave()
        raise LinkEnded("it closed the connection")

    def _take(
        self, message: Message, handler: Handler, group: asyncio.TaskGroup
    ) -> Coroutine[Any, Any, None] | None:
        """Deals with a message; what is given has to run beside the reading."""
        match message.kind:
            case Kind.ASK:
                if self._asked < _MOST_QUESTIONS:
                    self._asked += 1
                    group.create_task(self._answer(message.body, handler))
            case Kind.ANSWER:
                self._take_answer(message.body)
            case Kind.BYE:
                raise self._refused(message.body)
            case _:
                return handler.told(self, message)
        return None

    async def _messages(self) -> AsyncGenerator[Message]:
        since, left = self._clock(), _PACE
        entered = 0.0
        while data := await self._reader.read(_CHUNK):
            self.heard = self._clock()
            for frame in self._decoder.feed(data):
                yield await self._read_frame(frame)
                left -= _WEIGHT.get(frame.kind, 1)  # type: ignore[call-overload] # any number is looked up
                if left < 0:
                    await self._wait(asyncio.sleep(since + 1.0 - self._clock()))
                if self._clock() - since >= 1.0:
                    since, left = self._clock(), _PACE
            if self._decoder.announced <= ROOMY:
                continue
            if self._leave is None:
                await self._enter()
                entered = self._clock()
            inside = self._clock() - entered
            slow = self._decoder.held < (inside - _SLOW_SECONDS) * _SLOW_BYTES
            if slow or inside > _ROOM_SECONDS:
                raise LinkEnded("a large message came too slowly")

    async def _read_frame(self, frame: Frame) -> Message:
        if len(frame.text) < (_SURELY_SMALL if frame.packed else _LARGE):
            message = frame.read()
        else:
            message = await asyncio.to_thread(frame.read, ROOMY)
        if message is None:
            await self._enter()
            message = await asyncio.to_thread(frame.read)
        if message is None:
            raise BadFrame("a message is too long")
        return message

    async def _enter(self) -> None:
        if self._leave is None:
            await self._wait(self._come_in())

    async def _come_in(self) -> None:
        self._leave = await self._room.enter()

    def _vacate(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    async def _wait(self, what: Coroutine[Any, Any, None]) -> None:
        """Lets the other side wait, whose silence meanwhile means nothing."""
        self._waits = True
        try:
            await what
        finally:
            self._waits = False
            self.heard = self._clock()

    async def _answer(self, body: Mapping[str, Any], handler: Handler) -> None:
        try:
            number, question = body.get("n"), body.get("question")
            if isinstance(number, int) and isinstance(question, dict):
                # Who asks and reads no answers is asked to wait, rather than that they pile up here.
                await self._writer.drain()
                self.send(Kind.ANSWER, {"n": number, "answer": dict(await handler.asked(self, question))})
        except OSError:
            pass  # the connection broke, which is told where it is read
        finally:
            self._asked -= 1

    def _take_answer(self, body: Mapping[str, Any]) -> None:
        number, answer = body.get("n"), body.get("answer")
        waiting = self._questions.get(number) if isinstance(number, int) else None
        if waiting is not None and not waiting.done() and isinstance(answer, dict):
            waiting.set_result(answer)

    async def _watch(self) -> None:
        before = self._clock()
        while True:
            await asyncio.sleep(_WATCH)
            now = self._clock()
            if self._waits or now - before > _WATCH + 1.0:
                # It is this process that holds it up, or was held up; the peer gets its time once more.
                self.heard = now
            before = now
            if now - self.heard > SILENCE:
                raise LinkEnded(f"nothing was heard for {SILENCE:g} s")


def _let_go(error: BaseException) -> None:
    """Lets go of what the functions held that raised an error: a message may be large, and errors live in circles that
    are found late.
    """
    traceback.clear_frames(error.__traceback__)
    below = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*below, error.__context__):
        if other is not None:
            _let_go(other)


def _left(leave: Callable[[], None], _: asyncio.Task[None]) -> None:
    leave()


def _close(work: Coroutine[Any, Any, None], _: asyncio.Task[None]) -> None:
    work.close()


async def _awaited(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except (LinkEnded, BadFrame):
        raise
    except Exception:
        _log.exception("what another member sent could not be dealt with")
        raise LinkEnded("what it sent could not be dealt with here") from None
