"""The SQLite file: registers, log, version vector and blobs, written in one transaction each time.

Invariant: a commit is in the file with its log row, registers, vector and blobs, or not at all; and every row
that is read is checked against its CRC, so that what a disk lost or altered is an error and never a
configuration.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from pointsman.store import tables
from pointsman.store.entry_text import decode
from pointsman.store.error import NotStored, StoreDamaged, StoreTooNew
from pointsman.store.register import Cell, Entry, Register, Stamp
from pointsman.store.rows import (
    ANY_TRANSACTION,
    START,
    End,
    Head,
    Only,
    Row,
    Stored,
    Written,
    columns,
    crc,
    crc_of_log,
    crc_of_register,
    head_of,
    link,
    register_row,
)
from pointsman.store.shape import digest_of

CHECKED_ENTRIES = 256
"""How many of the last log rows are checked when the file is opened; the others are when they are read."""

# Queries are put together from constants only; S608 cannot see that.
_HEAD = "revision, origin, seq, hlc, time, author, address, surface, reason"
_REGISTERS = "SELECT object, property, hlc, origin, revision, crc, value FROM"
_Row = tuple[str, str, int, str, int, int, str | None]
_NEVER = Stamp(0, "")


class Database:
    """One connection. It is used by one thread at a time."""

    def __init__(self, file: Path, *, writable: bool) -> None:
        """Opens an existing file; raises `StoreDamaged`."""
        self.file = file
        self._writable = writable
        mode = "rw" if writable else "ro"
        with self.reading():
            self.sql = sqlite3.connect(
                f"{file.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
        try:
            with self.reading():
                self.sql.execute("PRAGMA trusted_schema = OFF")
                if writable:
                    self.sql.execute("PRAGMA journal_mode = WAL")
                    self.sql.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self.sql.close()
            raise

    @classmethod
    def create(cls, file: Path, origin: str, key_check: str) -> None:
        """Fills an empty file with the tables and one installation's facts."""
        database = cls(file, writable=True)
        try:
            tables.create(database.sql, origin, key_check)
            # Ends write-ahead logging, so that the file is whole by itself and may be renamed.
            database.sql.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise NotStored(file, str(error)) from error
        finally:
            database.close()

    def close(self) -> None:
        """Closes the connection; the last one to close moves the write-ahead log into the file."""
        self.sql.close()

    def facts(self) -> Mapping[str, str]:
        """What is known of the installation: "level", "origin", "keys", ...; raises `StoreTooNew`.

        A file of an earlier version is raised to this one's level first, where it may be written.
        """
        facts = self._facts()
        if int(facts["level"]) < tables.LEVEL and self._writable:
            try:
                tables.upgrade(self.sql, int(facts["level"]))
            except sqlite3.Error as error:
                raise NotStored(self.file, str(error)) from error
            facts = self._facts()
        return facts

    def _facts(self) -> dict[str, str]:
        with self.reading():
            facts = dict(self.sql.execute("SELECT key, value FROM meta"))
        if not {"level", "origin"} <= facts.keys() or not facts["level"].isdigit():
            raise StoreDamaged(self.file, "the facts of the installation are missing")
        if int(facts["level"]) > tables.LEVEL:
            raise StoreTooNew(self.file, int(facts["level"]), tables.LEVEL)
        return facts

    def check(self) -> None:
        """Looks at the structure of the file and the last entries of the log; raises `StoreDamaged`."""
        with self.reading():
            (verdict,) = self.sql.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreDamaged(self.file, f"the structure is broken ({verdict})")
        self.check_log(CHECKED_ENTRIES)

    def check_log(self, entries: int) -> None:
        """Looks whether the log is without gaps, ends where the vector says, and its last `entries` are whole."""
        with self.reading():
            query = "SELECT count(*), coalesce(min(revision), 1), coalesce(max(revision), 0) FROM log"
            rows, first, last = self.sql.execute(query).fetchone()
            held = {
                origin: tuple(ends)
                for origin, *ends in self.sql.execute(
                    "SELECT origin, min(seq), max(seq), count(*) FROM log GROUP BY origin"
                )
            }
        if rows != last - first + 1:
            raise StoreDamaged(self.file, f"the log has {rows} entries and ends with number {last}")
        ends = self.ends()
        wanted = {
            origin: (end.floor, end.sequence, end.sequence - end.floor + 1)
            for origin, end in ends.items()
            if end.floor <= end.sequence
        }
        if held != wanted or (ends and not rows):
            raise StoreDamaged(self.file, "the log does not end where the version vector says")
        chains: dict[str, bytes] = {}
        with self.reading():
            for head, chain, _ in self._checked_log("revision > ?", last - entries):
                chains[head.origin] = chain
        if any(ends[origin].chain != chain for origin, chain in chains.items()):
            raise StoreDamaged(self.file, "the log does not end with what the version vector says")

    def ends(self) -> dict[str, End]:
        """How far each origin is known."""
        with self.reading():
            rows = self.sql.execute("SELECT origin, seq, floor, chain FROM vv").fetchall()
        return {origin: End(seq, floor, bytes(chain)) for origin, seq, floor, chain in rows}

    def position(self) -> tuple[int, int]:
        """The number of the last transaction, and the highest stamp."""
        with self.reading():
            revision, hlc = self.sql.execute("SELECT max(revision), max(hlc) FROM log").fetchone()
        return revision or 0, max(hlc or 0, int(self._facts().get("base_hlc", 0)))

    def first(self) -> int:
        """The number of the first transaction that is still in the log; 1 when there was none yet."""
        with self.reading():
            (revision,) = self.sql.execute("SELECT min(revision) FROM log").fetchone()
        return revision or 1

    def everything(self, *, base: bool = False) -> Iterator[tuple[str, Stored]]:
        """All registers, object by object: those of now, or with `base` those from before the log begins."""
        with self.reading():
            query = f"{_REGISTERS} {'base' if base else 'reg'} ORDER BY object, property"
            for key, rows in groupby(self.sql.execute(query), itemgetter(0)):
                yield key, self._stored(rows)

    def registers(self, table: str) -> Iterator[tuple[str, list[Written]]]:
        """The registers of `reg` or `base`, object by object."""
        with self.reading():
            rows = self.sql.execute(f"{_REGISTERS} {table} ORDER BY object, property")
            for key, group in groupby(rows, itemgetter(0)):
                yield key, [self._register(row) for row in group]

    def object(self, key: str, *, base: bool = False) -> Stored:
        """The registers of one object; none where it was never written."""
        table = "base" if base else "reg"
        with self.reading():
            return self._stored(self.sql.execute(f"{_REGISTERS} {table} WHERE object = ?", (key,)))

    def blob(self, digest: str) -> bytes:
        """The content of a blob."""
        with self.reading():
            row = self.sql.execute("SELECT data FROM blob WHERE sha256 = ?", (digest,)).fetchone()
        if row is None or digest_of(row[0]) != digest:
            raise StoreDamaged(
                self.file, f"the content of the file with SHA-256 {digest} is missing or altered"
            )
        return bytes(row[0])

    def has_blob(self, digest: str) -> bool:
        """Whether there is a blob of that name."""
        with self.reading():
            row = self.sql.execute("SELECT 1 FROM blob WHERE sha256 = ?", (digest,)).fetchone()
        return row is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside reaches the disk at its end, or nothing does: then it raises `NotStored`, or what
        was raised inside.
        """
        sql = self.sql
        try:
            sql.execute("BEGIN IMMEDIATE")
            yield
            sql.execute("COMMIT")
        except BaseException as error:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise NotStored(self.file, str(error)) from error
            raise

    def write(self, rows: Iterable[Row], facts: Mapping[str, str]) -> None:
        """Writes transactions, and facts of the installation, inside `transaction`."""
        sql = self.sql
        for row in rows:
            head = row.head
            self.put_blobs(row.blobs)
            self.put_log(head, row.chain, row.ops)
            self.put_changes(head.revision, row.records)
            self.put_registers("reg", ((c, r, head.revision) for c, r in row.won.items()))
            self.put_lost(row.lost)
            sql.executemany(
                "DELETE FROM lost WHERE object = ? AND property = ? AND hlc = ? AND origin = ?",
                [(*cell, *stamp) for cell, stamp in row.settled],
            )
            sql.execute(
                "INSERT INTO vv VALUES (?, ?, ?, ?) "
                "ON CONFLICT (origin) DO UPDATE SET seq = excluded.seq, chain = excluded.chain",
                (head.origin, head.sequence, head.sequence, row.chain),
            )
        sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())

    def put_log(self, head: Head, chain: bytes, ops: str) -> None:
        """Writes a row of the log; like all the following inside `transaction`."""
        self.sql.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*columns(head), chain, crc_of_log(head, chain, ops), ops),
        )
        self.sql.execute("UPDATE meta SET value = value + ? WHERE key = 'log_bytes'", (len(ops),))

    def put_changes(self, revision: int, records: Mapping[str, str]) -> None:
        """Writes the effect of a transaction on objects."""
        self.sql.executemany(
            "INSERT INTO change VALUES (?, ?, ?, ?)",
            [(key, revision, crc(key, revision, text), text) for key, text in records.items()],
        )

    def put_registers(self, table: str, registers: Iterable[Written]) -> None:
        """Writes registers into `reg` or `base`."""
        self.sql.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 # one of two constants
            (register_row(*register) for register in registers),
        )

    def put_lost(self, lost: Iterable[tuple[Cell, Stamp]]) -> None:
        """Notes writes that lost."""
        self.sql.executemany(
            "INSERT OR IGNORE INTO lost VALUES (?, ?, ?, ?)", [(*cell, *stamp) for cell, stamp in lost]
        )

    def put_blobs(self, blobs: Mapping[str, bytes]) -> None:
        """Keeps files by their SHA-256."""
        self.sql.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?)", blobs.items())

    def put_end(self, origin: str, end: End) -> None:
        """Writes how far an origin is known."""
        self.sql.execute(
            "INSERT OR REPLACE INTO vv VALUES (?, ?, ?, ?)", (origin, end.sequence, end.floor, end.chain)
        )

    def clear(self) -> None:
        """Removes the configuration and its history; the facts of the installation stay."""
        for table in tables.CONTENTS:
            self.sql.execute(f"DELETE FROM {table}")  # noqa: S608 # a constant
        self.sql.execute("UPDATE meta SET value = 0 WHERE key = 'log_bytes'")

    def heads(
        self, before: int | None, limit: int, key: str | None = None, only: Only = ANY_TRANSACTION
    ) -> list[Head]:
        """Rows of the log with numbers below `before`, newest first; of one object when `key` is given."""
        bound = 2**63 - 1 if before is None else before
        where, values = only.terms()
        bounds: list[str | float | int] = [*values, bound, limit]
        table = "log"
        if key is not None:
            table, where = "change JOIN log USING (revision)", f"object = ? AND {where}"
            bounds.insert(0, key)
        query = (
            f"SELECT {_HEAD} FROM {table} "  # noqa: S608 # constant columns and terms; values are bound
            f"WHERE {where} AND revision < ? ORDER BY revision DESC LIMIT ?"
        )
        with self.reading():
            return [head_of(row) for row in self.sql.execute(query, bounds)]

    def records(self, revision: int, key: str | None = None) -> Iterator[str]:
        """The effect of a transaction as text: on each object in the order of their keys, or on one."""
        query = "SELECT object, records, crc FROM change WHERE revision = ?"
        bounds: tuple[int | str, ...] = (revision,) if key is None else (revision, key)
        with self.reading():
            rows = self.sql.execute(
                f"{query} ORDER BY object" if key is None else f"{query} AND object = ?", bounds
            ).fetchall()
        for owner, text, held in rows:
            if held != crc(owner, revision, text):
                raise StoreDamaged(self.file, f"the history of {owner} at revision {revision} is altered")
            yield text

    def first_records(self, revision: int, most: int) -> tuple[list[str], int]:
        """The effect of a transaction on the first objects, in the order of their keys, and on how many it had one."""
        with self.reading():
            rows = self.sql.execute(
                "SELECT object, records, crc FROM change WHERE revision = ? LIMIT ?", (revision, most)
            ).fetchall()
            (count,) = self.sql.execute(
                "SELECT count(*) FROM change WHERE revision = ?", (revision,)
            ).fetchone()
        for owner, text, held in rows:
            if held != crc(owner, revision, text):
                raise StoreDamaged(self.file, f"the history of {owner} at revision {revision} is altered")
        return [text for _, text, _ in sorted(rows)], count

    def revision_of(self, cell: Cell) -> int | None:
        """The number of the transaction that last wrote a register."""
        with self.reading():
            row = self.sql.execute(
                "SELECT revision FROM reg WHERE object = ? AND property = ?", cell
            ).fetchone()
        return row[0] if row else None

    def entries(self, revision: int) -> Iterator[tuple[Head, Entry]]:
        """The log up to a number, oldest first."""
        with self.reading():
            for head, _, ops in self._checked_log("revision <= ?", revision):
                yield head, self._entry(head, ops)

    def rows_from(self, revision: int) -> Iterator[tuple[Head, bytes, str]]:
        """The log from a number on, oldest first: head, chain hash, and the text of what was written."""
        with self.reading():
            yield from self._checked_log("revision >= ?", revision)

    def revision_after(self, origin: str, sequence: int) -> int | None:
        """The number here of the transaction of an origin after its `sequence`; None where the log has it no more."""
        with self.reading():
            query = "SELECT revision FROM log WHERE origin = ? AND seq = ?"
            row = self.sql.execute(query, (origin, sequence + 1)).fetchone()
        return row[0] if row else None

    def head_at(self, stamp: Stamp) -> Head | None:
        """The transaction of a stamp; None where the log has it no more. (The stamps of an origin rise.)"""
        query = f"SELECT {_HEAD} FROM log WHERE origin = ? AND seq = ?"  # noqa: S608 # constant columns
        with self.reading():
            bounds = "SELECT min(seq), max(seq) FROM log WHERE origin = ?"
            low, high = self.sql.execute(bounds, (stamp.origin,)).fetchone()
            while low is not None and low <= high:
                middle = (low + high) // 2
                head = head_of(self.sql.execute(query, (stamp.origin, middle)).fetchone())
                if head.hlc == stamp.hlc:
                    return head
                low, high = (middle + 1, high) if head.hlc < stamp.hlc else (low, middle - 1)
        return None

    def writes_of(self, head: Head) -> Mapping[Cell, str | None]:
        """What a transaction of the log writes."""
        with self.reading():
            (ops,) = self.sql.execute("SELECT ops FROM log WHERE revision = ?", (head.revision,)).fetchone()
        return self._entry(head, ops).writes

    def lost(self, limit: int) -> list[tuple[Cell, Stamp]]:
        """The newest writes that lost to others whose writers did not know of them."""
        query = "SELECT object, property, hlc, origin FROM lost ORDER BY hlc DESC, origin, object, property LIMIT ?"
        with self.reading():
            rows = self.sql.execute(query, (limit,)).fetchall()
        return [(Cell(key, name), Stamp(hlc, origin)) for key, name, hlc, origin in rows]

    def chain_of(self, origin: str, sequence: int) -> bytes | None:
        """The chain hash of a transaction, None where the log has it no more."""
        with self.reading():
            query = "SELECT chain FROM log WHERE origin = ? AND seq = ?"
            row = self.sql.execute(query, (origin, sequence)).fetchone()
        return bytes(row[0]) if row else None

    @contextmanager
    def moment(self) -> Iterator[None]:
        """What is read inside is all of one moment."""
        with self.reading():
            self.sql.execute("BEGIN")
        try:
            yield
        finally:
            self.sql.execute("ROLLBACK")

    def _entry(self, head: Head, ops: str) -> Entry:
        try:
            return decode(Stamp(head.hlc, head.origin), ops)
        except ValueError as error:
            raise StoreDamaged(self.file, f"entry {head.revision} of the log: {error}") from None

    def _checked_log(self, where: str, bound: int) -> Iterator[tuple[Head, bytes, str]]:
        query = f"SELECT {_HEAD}, chain, crc, ops FROM log WHERE {where} ORDER BY revision"  # noqa: S608 # `where` is one of three constants
        chains: dict[str, bytes] = {}
        for *found, chain, held, ops in self.sql.execute(query, (bound,)):
            head = head_of(found)
            before = chains.get(head.origin, START if head.sequence == 1 else None)
            linked = before is None or chain == link(before, head, ops)
            if held != crc_of_log(head, chain, ops) or not linked:
                raise StoreDamaged(self.file, f"entry {head.revision} of the log is torn or altered")
            chains[head.origin] = chain
            yield head, chain, ops

    def _register(self, row: _Row) -> Written:
        key, name, hlc, origin, revision, held, value = row
        if held != crc_of_register(key, name, hlc, origin, revision, value):
            raise self._altered(key, name)
        return Cell(key, name), Register(value, Stamp(hlc, origin)), revision

    def _stored(self, rows: Iterable[_Row]) -> Stored:
        """What the rows of one object hold; written for the hundred thousands that are read at a start."""
        registers: dict[str, Register] = {}
        last = 0
        stamp = _NEVER
        for key, name, hlc, origin, revision, held, value in rows:
            if held != crc_of_register(key, name, hlc, origin, revision, value):
                raise self._altered(key, name)
            if stamp.hlc != hlc or stamp.origin != origin:
                stamp = Stamp(hlc, origin)
            registers[name] = Register(value, stamp)
            last = max(last, revision)
        return Stored(registers, last)

    def _altered(self, key: str, name: str) -> StoreDamaged:
        return StoreDamaged(self.file, f"the register {name!r} of {key} is torn or altered")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Faults of what is read inside are `StoreDamaged`."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where an altered schema is not text
            raise StoreDamaged(self.file, f"it cannot be read ({error})") from error
