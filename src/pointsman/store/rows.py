"""The rows of the database's tables as values, with the hashes and check values that they carry.

Pure. Invariant: what `columns` and `register_row` give is what `head_of` and the check values expect.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pointsman.store.change import Author
from pointsman.store.register import Cell, Register, Stamp
from pointsman.store.shape import canonical

START = b"\0" * 32
"""What the chain of an origin begins with."""


@dataclass(frozen=True)
class Head:
    """A row of the log without what it wrote."""

    revision: int
    origin: str
    sequence: int
    hlc: int
    time: float
    author: Author
    reason: str


@dataclass(frozen=True)
class Stored:
    """The registers of one object, and the last revision that wrote any of them."""

    registers: Mapping[str, Register]
    revision: int


Written = tuple[Cell, Register, int]
"""A register with the number of the transaction that wrote it."""


@dataclass(frozen=True)
class End:
    """How far an origin's transactions are known: the last number, the first that is still in the log, and the chain
    hash of the last.
    """

    sequence: int
    floor: int
    chain: bytes


@dataclass(frozen=True)
class Row:
    """A transaction with all that it does to the tables.

    `won` are the registers that it changes, `records` its effect on each object as text, `blobs` the files it brings;
    `lost` are writes that it superseded, or that superseded it, without knowing, and `settled` those of them that it
    knew of.
    """

    head: Head
    chain: bytes
    ops: str
    won: Mapping[Cell, Register]
    records: Mapping[str, str]
    blobs: Mapping[str, bytes]
    lost: frozenset[tuple[Cell, Stamp]] = frozenset()
    settled: frozenset[tuple[Cell, Stamp]] = frozenset()


def columns(head: Head) -> tuple[int | float | str, ...]:
    """A head as it lies in the log."""
    author = head.author
    return (
        head.revision, head.origin, head.sequence, head.hlc, head.time,
        author.name, author.address, author.surface, head.reason,
    )  # fmt: skip


def register_row(cell: Cell, register: Register, revision: int) -> tuple[str | int | None, ...]:
    """A register as it lies in `reg` or `base`."""
    value = register.value
    return (*cell, *register.stamp, revision, crc(*cell, *register.stamp, revision, value), value)


def head_of(row: Iterable[int | float | str]) -> Head:
    """The head in such columns."""
    revision, origin, sequence, hlc, time, name, address, surface, reason = row
    author = Author(str(name), str(address), str(surface))
    return Head(int(revision), str(origin), int(sequence), int(hlc), float(time), author, str(reason))


def link(before: bytes, head: Head, ops: str) -> bytes:
    """The chain hash of an entry: over the one before it of the same origin and all that the origin said."""
    said = canonical(columns(head)[1:]).encode()
    return sha256(b"\0".join((before, said, ops.encode()))).digest()


def crc_of_log(head: Head, chain: bytes, ops: str) -> int:
    """The check value of a row of the log."""
    return zlib.crc32(chain, crc(*columns(head), ops))


def crc(*parts: int | float | str | None) -> int:
    """The check value of some columns."""
    # The separator occurs in no part; None and the empty text must differ.
    return zlib.crc32("\0".join(["\1" if part is None else str(part) for part in parts]).encode())
