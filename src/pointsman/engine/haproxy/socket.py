"""Conversations with HAProxy's runtime and master sockets.

Invariant: an answer always belongs to its question. A conversation that was interrupted in the middle is
closed, because what comes next on it could be the answer to something else.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PROMPT = b"\n> "
# While a payload is sent, HAProxy (2.8.25) answers each of its lines with a second prompt.
_PAYLOAD_PROMPTS = re.compile(rb"\A(?:\+ )+")


class EngineUnreachable(Exception):
    """A socket of the engine does not answer; the message says which and why."""


class Conversation:
    """One connection to a worker's runtime socket, in prompt mode, kept open.

    As long as it is open it keeps a worker alive that has been replaced: its last counters can still be read.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name
        self._turn = asyncio.Lock()
        self.closed = False

    @classmethod
    async def open(cls, path: Path) -> Conversation:
        """Connects. Raises EngineUnreachable."""
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
        except (OSError, TimeoutError) as error:
            raise EngineUnreachable(f"{path.name}: {error or 'no answer'}") from error
        conversation = cls(reader, writer, path.name)
        await conversation.ask("prompt")  # until it has been answered, a second line would end the connection
        # The idle timeout is 10 s by default, and 24 days at most (milliseconds in 31 bits).
        await conversation.ask("set timeout cli 20d")
        return conversation

    async def ask(self, command: str, *, seconds: float = 10.0) -> str:
        """The answer to one command, without the blank lines around it. Raises EngineUnreachable."""
        return (await self.ask_all((command,), seconds=seconds))[0]

    async def ask_all(self, commands: Sequence[str], *, seconds: float = 10.0) -> tuple[str, ...]:
        """The answers to commands sent together, in order. Raises EngineUnreachable.

        A command with a payload is "command <<\\nline\\nline\\n"; the payload must not hold an empty line.
        """
        if not commands:
            return ()
        async with self._turn:
            if self.closed:
                raise EngineUnreachable(f"{self._name}: the conversation was closed")
            try:
                async with asyncio.timeout(seconds):
                    self._writer.write("".join(f"{command}\n" for command in commands).encode())
                    return await self._read(len(commands))
            except (OSError, TimeoutError) as error:
                self.close()
                raise EngineUnreachable(f"{self._name}: {error or 'no answer in time'}") from error
            except BaseException:
                self.close()
                raise

    async def _read(self, count: int) -> tuple[str, ...]:
        received = bytearray()
        searched = found = 0
        while found < count:
            part = await self._reader.read(1 << 18)
            if not part:
                raise ConnectionResetError("the engine closed the connection")
            received += part
            found += received.count(_PROMPT, max(0, searched - len(_PROMPT) + 1))
            searched = len(received)
        answers = bytes(received).split(_PROMPT)[:count]
        return tuple(_PAYLOAD_PROMPTS.sub(b"", each).decode(errors="replace").strip("\n") for each in answers)

    def close(self) -> None:
        """Ends the conversation; the engine may then end a worker that has been replaced."""
        if not self.closed:
            self.closed = True
            self._writer.close()


async def answers(path: Path, seconds: float) -> bool:
    """Whether a worker answers on a connection of its own within that time, whatever it says."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(b"show version\n")
                return bool(await reader.read(1))
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def ask_master(path: Path, command: str, *, seconds: float = 30.0) -> str:
    """The answer of the master to one command. Raises EngineUnreachable."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
            try:
                writer.write(f"{command}\n".encode())
                # Without the end of input the master (2.8.25) keeps the connection open after its answer.
                writer.write_eof()
                return (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise EngineUnreachable(f"{path.name}: {error or 'no answer'}") from error


async def ask_for_reload(master: Callable[[], Path], patience: float) -> str:
    """What the master says to `reload`, or why none answered in `patience` seconds; `master` tells its socket.

    If it ends on the way, the next one loads the new generation. The master's socket comes up a little later than the
    worker's after a start, and one that is just executing itself anew may drop a connection (2.8.25); a question that
    changes nothing shows that it listens.
    """
    since = time.monotonic()
    while True:
        try:
            if await ask_master(master(), "show proc", seconds=1.0):
                return await ask_master(master(), "reload")
        except EngineUnreachable as error:
            if time.monotonic() - since > patience:
                return str(error)
        await asyncio.sleep(0.01)
