"""One connection between two members: who is there, what is said, and that the other side still lives.

Invariant: nothing is read of a peer before TLS has proved who it is; a peer that says nothing for `SILENCE` seconds
loses the connection; what waits to be sent to a peer that takes nothing is bounded, and holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.cluster.frame import LONGEST, BadFrame, Decoder, Kind, Message, encode

PROTOCOL = 1
"""The newest version of the protocol, and the oldest, that is spoken here."""
SILENCE = 3.0
HELLO_SECONDS = 3.0
_CHUNK = 262_144
_LARGE = 131_072
"""Bytes of a message that is unpacked in a thread, so that others are served meanwhile."""
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

    def told(self, link: Link, message: Message) -> Awaitable[None] | None:
        """A message came; what is returned is awaited beside the reading."""

    async def asked(self, link: Link, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """A question came; the answer."""
        raise NotImplementedError


class Link:
    """A connection whose other end is the member `peer`, proved by its certificate."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        peer: str,
        dialed: bool,
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
        self._ended = ""

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
        """The answer of the other side. Raises `Unanswered`."""
        number = next(self._numbers)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        try:
            if self._ended:
                raise Unanswered(self._ended)
            self.send(Kind.ASK, {"n": number, "question": question})
            async with asyncio.timeout(seconds):
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
                    handler.opened(self, group)
                    await self._read(messages, handler, group)
                finally:
                    watch.cancel()
        except* LinkEnded as ended:
            why = str(ended.exceptions[0])
        except* BadFrame as bad:
            why = str(bad.exceptions[0])
        except* OSError as broken:
            error = broken.exceptions[0]
            why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or why
        except* Exception as fault:
            why = "what it sent met a fault of the program"
            _log.error("what another member sent met a fault of the program", exc_info=fault)
        finally:
            self._ended = self._ended or why
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
                    work = handler.told(self, message)
                    if work is not None:
                        group.create_task(_awaited(work))
        raise LinkEnded("it closed the connection")

    async def _messages(self) -> AsyncGenerator[Message]:
        while data := await self._reader.read(_CHUNK):
            self.heard = self._clock()
            for frame in self._decoder.feed(data):
                yield frame.read() if len(frame.text) < _LARGE else await asyncio.to_thread(frame.read)

    async def _answer(self, body: Mapping[str, Any], handler: Handler) -> None:
        try:
            number, question = body.get("n"), body.get("question")
            if isinstance(number, int) and isinstance(question, dict):
                self.send(Kind.ANSWER, {"n": number, "answer": dict(await handler.asked(self, question))})
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
            if now - before > _WATCH + 1.0:
                # It is this process that was held up; the peer gets its time once more.
                self.heard = now
            before = now
            if now - self.heard > SILENCE:
                raise LinkEnded(f"nothing was heard for {SILENCE:g} s")


async def _awaited(work: Awaitable[None]) -> None:
    try:
        await work
    except (LinkEnded, BadFrame):
        raise
    except Exception:
        _log.exception("what another member sent could not be dealt with")
        raise LinkEnded("what it sent could not be dealt with here") from None
