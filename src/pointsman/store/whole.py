"""The whole state of a store as bytes: how a member that joins, or comes back after long, gets everything.

Compressed lines of JSON: first what the state is, then registers, the registers before the log begins, the log, its
effects, superseded writes and files; last the SHA-256 of all before. Keys travel another way.

Invariant: `unpack` writes inside a transaction of the database and raises `StateRefused` for anything that is not
whole, so the caller's transaction ends with the other state or with none of it.
"""

from __future__ import annotations

import base64
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from pointsman.store.database import Database
from pointsman.store.entry_text import STAMP_LIMIT, blob_named, decode, loads
from pointsman.store.error import ParcelRefused, StateRefused, StoreDamaged
from pointsman.store.history import from_text
from pointsman.store.json_text import canonical
from pointsman.store.parcel import Batch, Parcel, checked
from pointsman.store.register import Cell, Register, Stamp
from pointsman.store.replay import folded
from pointsman.store.rows import End, Head, Written
from pointsman.store.shape import digest_of

FORMAT = 1
TAIL_CHARACTERS = 16 << 20
"""How much of the log goes with a state."""

_MOST_BYTES = 1 << 31
"""Of a state when it is unpacked."""
_CHUNK = 1 << 16
"""Bytes that are unpacked at a time; they become at most a thousand times as many."""
_ROWS = 1000


class Whole:
    """The state in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def parcels(self, after: int = 0) -> Iterator[tuple[Parcel, Mapping[str, bytes]]]:
        """The transactions of the log with numbers above `after`, each with the files that it names."""
        for head, chain, ops in self._database.rows_from(after + 1):
            parcel = _parcel(head, chain, ops)
            yield parcel, self.files(parcel)

    def files(self, parcel: Parcel) -> dict[str, bytes]:
        """The files that a transaction names."""
        if '"content"' not in parcel.ops:
            return {}
        writes = decode(Stamp(parcel.hlc, parcel.origin), parcel.ops).writes
        found = (blob_named(cell, value) for cell, value in writes.items())
        return {digest: self._database.blob(digest) for digest in found if digest is not None}

    def pack(self) -> tuple[int, bytes]:
        """The number of the last transaction, and the state, compressed."""
        packer = zlib.compressobj(3)
        hasher = sha256()
        out: list[bytes] = []
        with self._database.moment():
            revision, _ = self._database.position()
            for lines in _batches(canonical(record) + "\n" for record in self._records(revision)):
                text = "".join(lines).encode()
                hasher.update(text)
                out.append(packer.compress(text))
        out.append(packer.compress(canonical(["end", hasher.hexdigest()]).encode() + b"\n"))
        return revision, b"".join((*out, packer.flush()))

    def _records(self, revision: int) -> Iterator[list[Any]]:
        database = self._database
        first = self._tail(revision)
        query = "SELECT origin, min(seq) FROM log WHERE revision >= ? GROUP BY origin"
        floors = dict(database.sql.execute(query, (first,)))
        ends = {
            origin: [end.sequence, floors.get(origin, end.sequence + 1), end.chain.hex()]
            for origin, end in database.ends().items()
        }
        (early,) = database.sql.execute("SELECT max(hlc) FROM log WHERE revision < ?", (first,)).fetchone()
        base_hlc = max(early or 0, int(database.facts()["base_hlc"]))
        yield ["state", FORMAT, revision, base_hlc, ends]
        for key, group in database.registers("reg"):
            yield ["reg", key, *map(_part, group)]
        if first > database.first():
            for key, stored in folded(database.everything(base=True), database.entries(first - 1)).items():
                yield ["base", key, *(_part((Cell(key, n), r, 0)) for n, r in stored.registers.items())]
        else:
            for key, group in database.registers("base"):
                yield ["base", key, *map(_part, group)]
        for head, chain, ops in database.rows_from(first):
            yield ["log", head.revision, *_parcel(head, chain, ops).to_list()]
        for number, key, text in database.sql.execute(
            "SELECT revision, object, records FROM change WHERE revision >= ? ORDER BY revision", (first,)
        ):
            yield ["change", number, key, text]
        for row in database.sql.execute("SELECT object, property, hlc, origin FROM lost"):
            yield ["lost", *row]
        for digest, content in database.sql.execute("SELECT sha256, data FROM blob"):
            yield ["file", digest, base64.b64encode(content).decode("ascii")]

    def _tail(self, revision: int) -> int:
        """The number of the first transaction that goes along: as many as fit, at least the last one."""
        size = 0
        first = revision
        rows = self._database.sql.execute("SELECT revision, length(ops) FROM log ORDER BY revision DESC")
        for number, length in rows:
            size += length
            if size > TAIL_CHARACTERS:
                break
            first = number
        rows.close()
        return first

    def unpack(self, packed: bytes, *, after: int) -> None:
        """Puts a state in the place of what the database holds; its transactions get numbers above `after`.

        Raises `StateRefused`. To be called inside a transaction of the database.
        """
        try:
            self._fill(_unpacked(packed), after)
            self._database.check_log(1 << 62)
        except (ParcelRefused, StoreDamaged) as error:
            raise StateRefused(str(error)) from None
        except (sqlite3.IntegrityError, ValueError, TypeError, KeyError, zlib.error, OverflowError) as error:
            raise StateRefused(str(error) or type(error).__name__) from None

    def _fill(self, lines: Iterator[Any], after: int) -> None:
        database = self._database
        match next(lines, None):
            case ["state", 1, int(revision), int(base_hlc), dict(ends)]:
                pass
            case ["state", int(other), *_]:
                raise ValueError(f"it is of format {other}, which this version does not know")
            case _:
                raise ValueError("it does not begin like one")
        shift = max(0, after + 1 - revision)
        database.clear()
        for origin, (sequence, floor, chain) in ends.items():
            database.put_end(str(origin), End(int(sequence), int(floor), bytes.fromhex(chain)))
        database.write((), {"base_hlc": str(min(base_hlc, STAMP_LIMIT))})
        for line in lines:
            match line:
                case ["reg" | "base" as table, str(key), *registers]:
                    database.put_registers(table, (_register(key, part, shift) for part in registers))
                case ["log", int(number), *parts]:
                    parcel = Parcel.from_list(parts)
                    checked(parcel)
                    database.put_log(_head(parcel, number + shift), parcel.chain, parcel.ops)
                case ["change", int(number), str(key), str(text)]:
                    from_text(text)
                    database.put_changes(number + shift, {key: text})
                case ["lost", str(key), str(name), int(hlc), str(origin)]:
                    database.put_lost([(Cell(key, name), Stamp(hlc, origin))])
                case ["file", str(digest), str(content)]:
                    blob = base64.b64decode(content, validate=True)
                    if digest_of(blob) != digest:
                        raise ValueError(f"the file with SHA-256 {digest} is altered")
                    database.put_blobs({digest: blob})
                case _:
                    raise ValueError("it holds what is not part of one")


def vector_of(packed: bytes) -> dict[str, int]:
    """How far a state knows each origin; raises `StateRefused`."""
    try:
        _, _, _, _, ends = next(_unpacked(packed))
        return {str(origin): int(end[0]) for origin, end in ends.items()}
    except (StopIteration, ValueError, TypeError, AttributeError, IndexError, zlib.error) as error:
        raise StateRefused(str(error) or "it does not begin like one") from None


def batch_after(database: Database, vector: Mapping[str, int], limit_bytes: int) -> Batch:
    """What somebody lacks who has seen `vector`, in the order in which it came here; see `Store.parcels_after`."""
    with database.moment():
        starts: list[int] = []
        for origin, end in database.ends().items():
            seen = vector.get(origin, 0)
            if seen < end.sequence:
                revision = database.revision_after(origin, seen)
                if revision is None:
                    return Batch(below_floor=True)
                starts.append(revision)
        if not starts:
            return Batch()
        found: list[Parcel] = []
        blobs: dict[str, bytes] = {}
        size = 0
        whole = Whole(database)
        for parcel, files in whole.parcels(min(starts) - 1):
            if parcel.sequence <= vector.get(parcel.origin, 0):
                continue
            new = {digest: content for digest, content in files.items() if digest not in blobs}
            size += len(parcel.ops) + sum(map(len, new.values()))
            if found and size > limit_bytes:
                return Batch(tuple(found), blobs, complete=False)
            found.append(parcel)
            blobs |= new
        return Batch(tuple(found), blobs)


def _parcel(head: Head, chain: bytes, ops: str) -> Parcel:
    return Parcel(head.origin, head.sequence, head.hlc, head.time, head.author, head.reason, chain, ops)


def _head(parcel: Parcel, revision: int) -> Head:
    return Head(
        revision, parcel.origin, parcel.sequence, parcel.hlc, parcel.time, parcel.author, parcel.reason
    )


def _part(written: Written) -> list[Any]:
    cell, register, revision = written
    return [cell.property, *register.stamp, revision, register.value]


def _register(key: str, part: Any, shift: int) -> Written:
    match part:
        case [str(name), int(hlc), str(origin), int(revision), str() | None as value] if (
            0 <= hlc < STAMP_LIMIT and 0 <= revision < STAMP_LIMIT
        ):
            return Cell(key, name), Register(value, Stamp(hlc, origin)), revision + shift
    raise ValueError(f"a register of {key} is not one")


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= _ROWS:
            yield batch
            batch = []
    yield batch


def _unpacked(packed: bytes) -> Iterator[Any]:
    """The lines of a state but for the last, which is compared with them."""
    stream = zlib.decompressobj()
    hasher = sha256()
    parts: list[bytes] = []
    size = 0
    last: bytes | None = None
    for at in range(0, len(packed), _CHUNK):
        plain = stream.decompress(packed[at : at + _CHUNK])
        size += len(plain)
        if size > _MOST_BYTES:
            raise ValueError("it is too large")
        if b"\n" not in plain:
            parts.append(plain)
            continue
        *lines, rest = b"".join((*parts, plain)).split(b"\n")
        parts = [rest]
        for line in lines:
            if last is not None:
                hasher.update(last + b"\n")
                yield loads(last.decode())
            last = line
    whole = stream.eof and not any(parts) and last is not None
    if not whole or loads((last or b"").decode()) != ["end", hasher.hexdigest()]:
        raise ValueError("it is cut off or altered")
