"""The rows of the database's tables as values, with the hashes and check values that they carry.

Pure. Invariant: what `columns` and `register_row` give is what `head_of` and the check values expect.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pointsman.store.change import Author
from pointsman.store.json_text import canonical
from pointsman.store.register import Cell, Register, Stamp

START = b"\0" * 32
"""What the chain of an origin begins with."""
NOTHING = "\1"
"""What stands for None where a check value is made."""


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


@dataclass(frozen=True, slots=True)
class Stored:
    """The registers of one object, and the last revision that wrote any of them."""

    registers: Mapping[str, Register]
    revision: int


@dataclass(frozen=True)
class Only:
    """Which transactions are wanted: of an author, through a surface, not through some, between two Unix times, with a
    text somewhere in the reason or in what changed.
    """

    author: str = ""
    surface: str = ""
    not_surfaces: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    text: str = ""

    def terms(self) -> tuple[str, list[str | float]]:
        """The condition on a row of the log, with its values."""
        found: list[tuple[str, tuple[str | float, ...]]] = []
        if self.author:
            found.append(("author = ?", (self.author,)))
        if self.surface:
            found.append(("surface = ?", (self.surface,)))
        if self.not_surfaces:
            found.append((f"surface NOT IN ({','.join('?' * len(self.not_surfaces))})", self.not_surfaces))
        if self.since is not None:
            found.append(("time >= ?", (self.since,)))
        if self.until is not None:
            found.append(("time <= ?", (self.until,)))
        if self.text:
            changed = "revision IN (SELECT revision FROM change WHERE records LIKE ? ESCAPE '\\')"
            # Records are JSON, in which quotes and backslashes are escaped once more.
            patterns = (containing(self.text), containing(canonical(self.text)[1:-1]))
            found.append((f"(reason LIKE ? ESCAPE '\\' OR {changed})", patterns))
        return " AND ".join(term for term, _ in found) or "1", [v for _, some in found for v in some]


ANY_TRANSACTION = Only()


def containing(text: str) -> str:
    """The SQL pattern of what holds a text; its escape is the backslash."""
    return "%" + "".join(f"\\{c}" if c in "\\%_" else c for c in text) + "%"


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
    return (*cell, *register.stamp, revision, crc_of_register(*cell, *register.stamp, revision, value), value)


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


def crc_of_register(key: str, name: str, hlc: int, origin: str, revision: int, value: str | None) -> int:
    """The `crc` of a register, without the detour over a list: it is made of every one at a start."""
    text = f"{key}\0{name}\0{hlc}\0{origin}\0{revision}\0{NOTHING if value is None else value}"
    return zlib.crc32(text.encode())


def crc(*parts: int | float | str | None) -> int:
    """The check value of some columns."""
    # The separator occurs in no part; None and the empty text must differ.
    return zlib.crc32("\0".join([NOTHING if part is None else str(part) for part in parts]).encode())
