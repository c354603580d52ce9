"""Transactions as they travel between the members of a cluster, and what is checked of one before it is believed.

Invariant: what passes `checked` can be written, hashed and read like a transaction of our own; a parcel is never
altered, so every member holds and hands on the same text.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pointsman.store.change import Author
from pointsman.store.entry_text import MOST_CHARACTERS, STAMP_LIMIT, decode, loads
from pointsman.store.error import ParcelRefused
from pointsman.store.history import Transaction
from pointsman.store.json_text import canonical
from pointsman.store.register import Entry, Stamp
from pointsman.store.shape import digest_of

CHAIN_BYTES = 32
_MOST_TEXT = 1 << 20
"""Characters of a name, an address or a reason."""
_MOST_BATCH = 1 << 30
"""Bytes of a batch when it is unpacked."""


@dataclass(frozen=True)
class Parcel:
    """One transaction: the log row without the number that it has here. `ops` is what it writes, `chain` the hash over
    it and those before it of the same origin.
    """

    origin: str
    sequence: int
    hlc: int
    time: float
    author: Author
    reason: str
    chain: bytes
    ops: str

    def to_list(self) -> list[Any]:
        """As JSON values."""
        author = self.author
        return [
            self.origin, self.sequence, self.hlc, self.time,
            author.name, author.address, author.surface, self.reason, self.chain.hex(), self.ops,
        ]  # fmt: skip

    @classmethod
    def from_list(cls, value: Any) -> Parcel:
        """Out of JSON values; raises `ParcelRefused`."""
        match value:
            case [
                str(origin), int(sequence), int(hlc), int() | float() as time,
                str(name), str(address), str(surface), str(reason), str(chain), str(ops),
            ]:  # fmt: skip
                pass
            case [str(origin), *_]:
                raise ParcelRefused(origin[:64], "it has not the parts that a transaction has")
            case _:
                raise ParcelRefused("(unknown)", "it has not the parts that a transaction has")
        try:
            chained = bytes.fromhex(chain)
        except ValueError:
            raise ParcelRefused(origin[:64], "its hash is not one") from None
        return cls(origin, sequence, hlc, float(time), Author(name, address, surface), reason, chained, ops)


@dataclass(frozen=True)
class Batch:
    """What a member lacks, in an order in which causes come before effects.

    `blobs` are the files that the parcels name, by SHA-256; `complete` says that nothing is left beyond them;
    `below_floor` that the log no longer reaches back far enough, so that a whole state is needed: then it is empty.
    """

    parcels: tuple[Parcel, ...] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    complete: bool = True
    below_floor: bool = False


@dataclass(frozen=True)
class Received:
    """What was new of what came, in order. `missing`: something before the rest of it has not come yet."""

    transactions: tuple[Transaction, ...]
    missing: bool


def checked(parcel: Parcel) -> Entry:
    """What a parcel writes; raises `ParcelRefused`."""
    origin = parcel.origin
    texts = (parcel.author.name, parcel.author.address, parcel.author.surface, parcel.reason)
    if not 0 < len(origin) <= 64 or not origin.isascii() or not origin.isalnum():
        raise ParcelRefused(repr(origin[:64]), "that is not the name of an origin")
    if any(len(text) > _MOST_TEXT for text in texts) or len(parcel.ops) > MOST_CHARACTERS:
        raise ParcelRefused(origin, "it is too large")
    if not 0 < parcel.sequence < STAMP_LIMIT or not 0 < parcel.hlc < STAMP_LIMIT:
        raise ParcelRefused(origin, "its number or its stamp is out of range")
    if not math.isfinite(parcel.time) or len(parcel.chain) != CHAIN_BYTES:
        raise ParcelRefused(origin, "its time or its hash is not one")
    try:
        canonical(texts).encode()
        entry = decode(Stamp(parcel.hlc, origin), parcel.ops)
    except (ValueError, TypeError) as error:
        raise ParcelRefused(origin, str(error)) from None
    if any(seen >= entry.stamp for seen in entry.saw.values()):
        raise ParcelRefused(origin, "it overwrote what is later than itself")
    return entry


def check_blobs(blobs: Mapping[str, bytes], parcels: Sequence[Parcel]) -> None:
    """Raises `ParcelRefused` when a file is not what its name says."""
    for digest, content in blobs.items():
        if digest_of(content) != digest:
            origin = parcels[0].origin if parcels else "(unknown)"
            raise ParcelRefused(origin, f"a file came with it whose SHA-256 is not {digest[:64]}")


def pack_batch(batch: Batch) -> bytes:
    """A batch as compressed bytes."""
    head = {"complete": batch.complete, "below_floor": batch.below_floor}
    lines = [canonical(head), *(canonical(parcel.to_list()) for parcel in batch.parcels)]
    text = "\n".join(lines).encode()
    sizes = [len(text), *(len(content) for content in batch.blobs.values())]
    index = canonical([sizes, [*batch.blobs]]).encode()
    return zlib.compress(b"\n".join((index, text)) + b"".join(batch.blobs.values()), 1)


def unpack_batch(packed: bytes) -> Batch:
    """The batch in such bytes; raises `ParcelRefused`."""
    try:
        stream = zlib.decompressobj()
        plain = stream.decompress(packed, _MOST_BATCH)
        if not stream.eof:
            raise ValueError("it is cut off or too large")
        index, _, rest = plain.partition(b"\n")
        (length, *sizes), digests = json.loads(index)
        head, *lines = map(loads, rest[:length].decode().split("\n"))
        blobs: dict[str, bytes] = {}
        at = length
        for digest, size in zip(digests, sizes, strict=True):
            blobs[str(digest)] = rest[at : at + size]
            at += size
        complete, below = bool(head["complete"]), bool(head["below_floor"])
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise ParcelRefused("(unknown)", f"the batch cannot be unpacked ({error})") from None
    return Batch(tuple(map(Parcel.from_list, lines)), blobs, complete, below)
