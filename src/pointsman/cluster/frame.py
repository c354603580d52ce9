"""Messages between members as bytes: a length, a kind, and JSON, deflated where that is worth it.

Pure. Invariant: no message is held that is longer than the limit; bytes that make no sense raise `BadFrame`, and
nothing after them is looked at.

A frame is four bytes of length (big-endian, of what follows), one byte of kind, one byte of flags (1: deflated), and
the JSON text. A kind that this version does not know is handed on as a number, for the reader to pass over.
"""

from __future__ import annotations

import enum
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 512 * 1024 * 1024
"""Bytes of a message, packed or not: a whole configuration with its files fits."""
LONGEST_FIRST = 65_536
"""Bytes of the first message of a connection, before it is known what the other side speaks."""
LONGEST_SMALL = 8 * 1024 * 1024
"""Bytes of a message that carries neither configuration nor an answer."""
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


_LARGE = frozenset({Kind.PARCELS, Kind.WHOLE, Kind.ANSWER})


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
        text, flags = zlib.compress(text, _LEVEL), _DEFLATED
    if len(text) + 2 > LONGEST:
        raise BadFrame(f"a message has {len(text)} bytes, more than {LONGEST}")
    return _HEAD.pack(len(text) + 2, kind, flags) + text


class Decoder:
    """Finds messages in a stream of bytes."""

    def __init__(self, longest: int = LONGEST_FIRST) -> None:
        self.longest = longest
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are whole with `data`. Raises `BadFrame`."""
        self._held += data
        while len(self._held) >= _HEAD.size:
            length, kind, flags = _HEAD.unpack_from(self._held)
            longest = self.longest if kind in _LARGE else min(self.longest, LONGEST_SMALL)
            if not 2 <= length <= longest:
                raise BadFrame(f"a message of {length} bytes is announced")
            if len(self._held) < length + 4:
                return
            text = bytes(self._held[_HEAD.size : length + 4])
            del self._held[: length + 4]
            yield Frame(kind, flags, text, longest)


@dataclass(frozen=True)
class Frame:
    """One message as it came, not unpacked yet; `longest` is what it may have when it is."""

    kind: int
    flags: int
    text: bytes
    longest: int

    def read(self) -> Message:
        """The message. Raises `BadFrame`."""
        text = self.text
        try:
            if self.flags & _DEFLATED:
                unpacker = zlib.decompressobj()
                text = unpacker.decompress(text, self.longest)
                if unpacker.unconsumed_tail or not unpacker.eof:
                    raise BadFrame("a message is torn, or too long when unpacked")
            body = json.loads(text)
        except (zlib.error, ValueError, RecursionError) as error:
            raise BadFrame("a message is not readable") from error
        if not isinstance(body, dict):
            raise BadFrame("a message is not an object")
        return Message(self.kind, body)
