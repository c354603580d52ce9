"""Messages between members as bytes: a length, a kind, and JSON, deflated where that is worth it.

Pure. Invariant: no message is held that is longer than the limit, nor unpacked into more than the reader has room for;
bytes that make no sense raise `BadFrame`, and nothing after them is looked at.

A frame is four bytes of length (big-endian, of what follows), one byte of kind, one byte of flags (1: deflated), and
the JSON text. A kind that this version does not know is handed on as a number, for the reader to pass over.
"""

from __future__ import annotations

import enum
import itertools
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 256 * 1024 * 1024
"""Bytes of a message, packed or not: a whole configuration with 190 MB of files fits."""
DENSEST = 50
"""How many times as long a message may become when it is unpacked, beyond `LOOSE` bytes: transactions become 10 to 30
times as long, and a few bytes that become very many are sent to use memory up.
"""
LOOSE = 8 * 1024 * 1024
LONGEST_FIRST = 65_536
"""Bytes of the first message of a connection, before it is known what the other side speaks."""
LONGEST_SMALL = 8 * 1024 * 1024
"""Bytes of a message that carries neither configuration nor an answer."""
LONGEST_PULSE = 1024 * 1024
"""Bytes of what a member tells of itself and of others, which is remembered."""
MOST_PARTS = 1_000_000
"""Texts, lists and values of a message: a batch has 100,000, and each takes up to 100 bytes more when it is read."""
_PART = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)
_HEAD = struct.Struct(">IBB")
_DEFLATED = 1
_WORTH_PACKING = 1024
_LEVEL = 1


class Kind(enum.IntEnum):
    """What a message is; numbers are never used again for something else."""

    HELLO = 1
    """The first in each direction: versions of the protocol, who speaks."""
    PULSE = 2
    """Once a second: the digest of what was seen, and how the members fare."""
    VECTOR = 3
    """What the sender has seen, by origin; what it lacks is sent to it."""
    PARCELS = 4
    """Transactions, with the files that they name."""
    TAKEN = 5
    """The last parcels are on the disk."""
    WHOLE = 6
    """A whole state, for who was absent too long."""
    ASK = 7
    """A question, numbered by the asker."""
    ANSWER = 8
    """The answer to a question."""
    BYE = 9
    """Why the sender ends the connection."""


_LONGEST: Mapping[int, int] = {
    Kind.PARCELS: LONGEST,
    Kind.WHOLE: LONGEST,
    Kind.ANSWER: LONGEST,
    Kind.PULSE: LONGEST_PULSE,
}


class BadFrame(Exception):
    """Bytes that are no message."""


@dataclass(frozen=True)
class Message:
    """One message; `kind` is a `Kind`, or another number from a version that knows more."""

    kind: int
    body: Mapping[str, Any]


def encode(kind: Kind, body: Mapping[str, Any]) -> bytes:
    """The bytes of a message. Raises `BadFrame` when they would be too many."""
    text = json.dumps(body, separators=(",", ":")).encode("ascii")
    flags = 0
    if len(text) >= _WORTH_PACKING:
        packed = zlib.compress(text, _LEVEL)
        if len(text) <= max(LOOSE, DENSEST * len(packed)):
            text, flags = packed, _DEFLATED
    if len(text) + 2 > LONGEST:
        raise BadFrame(f"a message has {len(text)} bytes, more than {LONGEST}")
    return _HEAD.pack(len(text) + 2, kind, flags) + text


class Decoder:
    """Finds messages in a stream of bytes."""

    def __init__(self, longest: int = LONGEST_FIRST) -> None:
        self.longest = longest
        self._held = bytearray()

    @property
    def announced(self) -> int:
        """Bytes of the message that is under way and not whole yet; 0 when there is none or its head is not."""
        if len(self._held) < _HEAD.size:
            return 0
        length: int = _HEAD.unpack_from(self._held)[0]
        return length

    @property
    def held(self) -> int:
        """Bytes of it that have come."""
        return len(self._held)

    def drop(self) -> None:
        """Forgets what has come of it."""
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are whole with `data`. Raises `BadFrame`."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            length, kind, flags = _HEAD.unpack_from(self._held)
            longest = min(self.longest, _LONGEST.get(kind, LONGEST_SMALL))
            if not 2 <= length <= longest:
                raise BadFrame(f"a message of {length} bytes is announced")
            if len(self._held) < length + 4:
                return
            if len(self._held) == length + 4:
                # Handed on as it is, as it may be so large that a copy counts.
                text, self._held = self._held, bytearray()
                del text[: _HEAD.size]
            else:
                text = self._held[_HEAD.size : length + 4]
                del self._held[: length + 4]
            yield Frame(kind, flags, text, longest)


@dataclass(frozen=True)
class Frame:
    """One message as it came, not unpacked yet; `longest` is what it may have when it is."""

    kind: int
    flags: int
    text: bytearray
    longest: int

    @property
    def packed(self) -> bool:
        """Whether it has to be unpacked."""
        return bool(self.flags & _DEFLATED)

    def read(self, most: int = LONGEST) -> Message | None:
        """The message; None when it has more bytes than `most`, packed or not, but may have them. Raises `BadFrame`."""
        text: bytes | bytearray = self.text
        if self.packed:
            longest = min(self.longest, max(LOOSE, DENSEST * len(text)))
            text = self._unpacked(min(most, longest) + 1)
            if len(text) > longest:
                raise BadFrame("a message is too long when unpacked")
        if len(text) > most:
            return None
        if len(text) > MOST_PARTS and _parts(text) > MOST_PARTS:
            raise BadFrame(f"a message has more than {MOST_PARTS} parts")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadFrame("a message is not readable") from error
        if not isinstance(body, dict):
            raise BadFrame("a message is not an object")
        return Message(self.kind, body)

    def _unpacked(self, most: int) -> bytes:
        """What it is when it is unpacked, no more than `most` bytes of it."""
        unpacker = zlib.decompressobj()
        try:
            text = unpacker.decompress(self.text, most)
        except zlib.error as error:
            raise BadFrame("a message is not readable") from error
        if len(text) < most and not unpacker.eof:
            raise BadFrame("a message is torn")
        return text


def _parts(text: bytes | bytearray) -> int:
    """How many texts, lists and values there are in JSON, as far as `MOST_PARTS` and one more."""
    return sum(1 for _ in itertools.islice(_PART.finditer(text), MOST_PARTS + 1))
