"""The SQLite file: registers, log, version vector and blobs, written in one transaction each time.

Invariant: a commit is in the file with its log row, registers, vector and blobs, or not at all; and every row
that is read is checked against its CRC, so that what a disk lost or altered is an error and never a
configuration.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from pointsman.store.change import Author
from pointsman.store.error import NotStored, StoreDamaged, StoreTooNew
from pointsman.store.register import Cell, Entry, Register, Stamp
from pointsman.store.shape import canonical, digest_of

LEVEL = 1
"""The schema level that this version writes; it can read every lower one."""

CHECKED_ENTRIES = 256
"""How many of the last log rows are checked when the file is opened; the others are when they are read."""

_APPLICATION = 0x504D5354  # "PMST": tells `file` and people what the file is
_START = b"\0" * 32

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE reg (
    object TEXT NOT NULL, property TEXT NOT NULL, hlc INTEGER NOT NULL, origin TEXT NOT NULL,
    revision INTEGER NOT NULL, crc INTEGER NOT NULL, value TEXT, PRIMARY KEY (object, property)
) WITHOUT ROWID;
CREATE TABLE log (
    revision INTEGER PRIMARY KEY, origin TEXT NOT NULL, seq INTEGER NOT NULL, hlc INTEGER NOT NULL,
    time REAL NOT NULL, author TEXT NOT NULL, address TEXT NOT NULL, surface TEXT NOT NULL,
    reason TEXT NOT NULL, chain BLOB NOT NULL, crc INTEGER NOT NULL, ops TEXT NOT NULL, UNIQUE (origin, seq)
);
CREATE TABLE change (
    object TEXT NOT NULL, revision INTEGER NOT NULL, crc INTEGER NOT NULL, records TEXT NOT NULL,
    PRIMARY KEY (object, revision)
) WITHOUT ROWID;
CREATE INDEX change_by_revision ON change (revision);
CREATE TABLE vv (origin TEXT PRIMARY KEY, seq INTEGER NOT NULL, floor INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
"""

# Queries are put together from constants only; S608 cannot see that.
_HEAD = "revision, origin, seq, hlc, time, author, address, surface, reason"


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


class Database:
    """One connection. It is used by one thread at a time."""

    def __init__(self, file: Path, *, writable: bool) -> None:
        """Opens an existing file; raises `StoreDamaged`."""
        self.file = file
        mode = "rw" if writable else "ro"
        with self._reading():
            self._sql = sqlite3.connect(
                f"{file.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
        try:
            with self._reading():
                self._sql.execute("PRAGMA trusted_schema = OFF")
                if writable:
                    self._sql.execute("PRAGMA journal_mode = WAL")
                    self._sql.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self._sql.close()
            raise

    @classmethod
    def create(cls, file: Path, origin: str, key_check: str) -> None:
        """Fills an empty file with the tables and one installation's facts."""
        database = cls(file, writable=True)
        try:
            sql = database._sql
            sql.executescript(f"BEGIN;{_SCHEMA}PRAGMA application_id = {_APPLICATION};COMMIT;")
            facts = [("level", str(LEVEL)), ("origin", origin), ("key_check", key_check)]
            sql.executemany("INSERT INTO meta VALUES (?, ?)", facts)
            # Ends write-ahead logging, so that the file is whole by itself and may be renamed.
            sql.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            raise NotStored(file, str(error)) from error
        finally:
            database.close()

    def close(self) -> None:
        """Closes the connection; the last one to close moves the write-ahead log into the file."""
        self._sql.close()

    def facts(self) -> Mapping[str, str]:
        """What `create` noted: "level", "origin", "key_check"; raises `StoreTooNew`."""
        with self._reading():
            facts = dict(self._sql.execute("SELECT key, value FROM meta"))
        if not {"level", "origin", "key_check"} <= facts.keys() or not facts["level"].isdigit():
            raise StoreDamaged(self.file, "the facts of the installation are missing")
        if int(facts["level"]) > LEVEL:
            raise StoreTooNew(self.file, int(facts["level"]), LEVEL)
        return facts

    def check(self) -> None:
        """Looks at the structure of the file and the last entries of the log; raises `StoreDamaged`."""
        with self._reading():
            (verdict,) = self._sql.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreDamaged(self.file, f"the structure is broken ({verdict})")
            (rows, last) = self._sql.execute("SELECT count(*), max(revision) FROM log").fetchone()
            if rows and rows != last:
                raise StoreDamaged(self.file, f"the log has {rows} entries and ends with number {last}")
            ends = dict(self._sql.execute("SELECT origin, max(seq) FROM log GROUP BY origin"))
            if ends != dict(self._sql.execute("SELECT origin, seq FROM vv")):
                raise StoreDamaged(self.file, "the log does not end where the version vector says")
            for _ in self._checked_log("revision > ?", (last or 0) - CHECKED_ENTRIES):
                pass

    def position(self, origin: str) -> tuple[int, int, int]:
        """The number of the last transaction, the highest stamp, an origin's last sequence number."""
        with self._reading():
            revision, hlc = self._sql.execute("SELECT max(revision), max(hlc) FROM log").fetchone()
            row = self._sql.execute("SELECT seq FROM vv WHERE origin = ?", (origin,)).fetchone()
        return revision or 0, hlc or 0, row[0] if row else 0

    def everything(self) -> Iterator[tuple[str, Stored]]:
        """All registers, object by object."""
        with self._reading():
            rows = self._sql.execute(
                "SELECT object, property, hlc, origin, revision, crc, value FROM reg ORDER BY object"
            )
            for key, group in groupby(rows, itemgetter(0)):
                yield key, self._stored(key, group)

    def object(self, key: str) -> Stored:
        """The registers of one object; none where it was never written."""
        with self._reading():
            return self._stored(
                key,
                self._sql.execute(
                    "SELECT object, property, hlc, origin, revision, crc, value FROM reg WHERE object = ?",
                    (key,),
                ),
            )

    def blob(self, digest: str) -> bytes:
        """The content of a blob."""
        with self._reading():
            row = self._sql.execute("SELECT data FROM blob WHERE sha256 = ?", (digest,)).fetchone()
        if row is None or digest_of(row[0]) != digest:
            raise StoreDamaged(
                self.file, f"the content of the file with SHA-256 {digest} is missing or altered"
            )
        return bytes(row[0])

    def write(
        self,
        head: Head,
        entry: Entry,
        won: Mapping[Cell, Register],
        records: Mapping[str, str],
        blobs: Mapping[str, bytes],
    ) -> None:
        """Commits one transaction to the disk; raises `NotStored`, and then nothing of it is there.

        `won` are the registers that the entry changes, `records` the effect on each object as text.
        """
        ops = canonical([[*cell, value] for cell, value in entry.writes.items()])
        sql = self._sql
        try:
            sql.execute("BEGIN IMMEDIATE")
            chain = _link(self._chain_before(head), head, ops)
            row = (*_columns(head), chain, _crc_of_log(head, chain, ops), ops)
            sql.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?)", blobs.items())
            sql.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            sql.executemany(
                "INSERT INTO change VALUES (?, ?, ?, ?)",
                [(key, head.revision, _crc(key, head.revision, text), text) for key, text in records.items()],
            )
            sql.executemany(
                "INSERT OR REPLACE INTO reg VALUES (?, ?, ?, ?, ?, ?, ?)",
                [_register_row(cell, register, head.revision) for cell, register in won.items()],
            )
            sql.execute(
                "INSERT INTO vv VALUES (?, ?, ?) ON CONFLICT (origin) DO UPDATE SET seq = excluded.seq",
                (head.origin, head.sequence, head.sequence),
            )
            sql.execute("COMMIT")
        except BaseException as error:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise NotStored(self.file, str(error)) from error
            raise

    def heads(self, before: int | None, limit: int, key: str | None = None) -> list[Head]:
        """Rows of the log with numbers below `before`, newest first; of one object when `key` is given."""
        bound = 2**63 - 1 if before is None else before
        with self._reading():
            if key is None:
                query = f"SELECT {_HEAD} FROM log WHERE revision < ? ORDER BY revision DESC LIMIT ?"  # noqa: S608 # constant columns; values are bound
                rows = self._sql.execute(query, (bound, limit))
            else:
                query = (
                    f"SELECT {_HEAD} FROM change JOIN log USING (revision) "  # noqa: S608 # as above
                    "WHERE object = ? AND revision < ? ORDER BY revision DESC LIMIT ?"
                )
                rows = self._sql.execute(query, (key, bound, limit))
            return [_head(row) for row in rows]

    def records(self, revision: int, key: str | None = None) -> Iterator[str]:
        """The effect of a transaction as text: on each object in the order of their keys, or on one."""
        query = "SELECT object, records, crc FROM change WHERE revision = ?"
        bounds: tuple[int | str, ...] = (revision,) if key is None else (revision, key)
        with self._reading():
            rows = self._sql.execute(
                f"{query} ORDER BY object" if key is None else f"{query} AND object = ?", bounds
            ).fetchall()
        for owner, text, crc in rows:
            if crc != _crc(owner, revision, text):
                raise StoreDamaged(self.file, f"the history of {owner} at revision {revision} is altered")
            yield text

    def revision_of(self, cell: Cell) -> int | None:
        """The number of the transaction that last wrote a register."""
        with self._reading():
            row = self._sql.execute(
                "SELECT revision FROM reg WHERE object = ? AND property = ?", cell
            ).fetchone()
        return row[0] if row else None

    def entries(self, *, revision: int | None = None, hlc: int | None = None) -> Iterator[tuple[Head, Entry]]:
        """The log up to a number, or all entries with stamps up to `hlc`, oldest first."""
        where, bound = ("revision <= ?", revision) if hlc is None else ("hlc <= ?", hlc)
        with self._reading():
            for head, ops in self._checked_log(where, 0 if bound is None else bound):
                writes = {Cell(key, name): value for key, name, value in json.loads(ops)}
                yield head, Entry(Stamp(head.hlc, head.origin), writes)

    def _checked_log(self, where: str, bound: int) -> Iterator[tuple[Head, str]]:
        query = f"SELECT {_HEAD}, chain, crc, ops FROM log WHERE {where} ORDER BY revision"  # noqa: S608 # `where` is one of two constants
        chains: dict[str, bytes] = {}
        for *columns, chain, crc, ops in self._sql.execute(query, (bound,)):
            head = _head(columns)
            before = chains.get(head.origin, _START if head.sequence == 1 else None)
            linked = before is None or chain == _link(before, head, ops)
            if crc != _crc_of_log(head, chain, ops) or not linked:
                raise StoreDamaged(self.file, f"entry {head.revision} of the log is torn or altered")
            chains[head.origin] = chain
            yield head, ops

    def _chain_before(self, head: Head) -> bytes:
        row = self._sql.execute(
            "SELECT chain FROM log WHERE origin = ? AND seq = ?", (head.origin, head.sequence - 1)
        ).fetchone()
        return row[0] if row else _START

    def _stored(self, key: str, rows: Iterable[tuple[str, str, int, str, int, int, str | None]]) -> Stored:
        registers: dict[str, Register] = {}
        newest = 0
        for _, name, hlc, origin, revision, crc, value in rows:
            if crc != _crc(key, name, hlc, origin, revision, value):
                raise StoreDamaged(self.file, f"the register {name!r} of {key} is torn or altered")
            registers[name] = Register(value, Stamp(hlc, origin))
            newest = max(newest, revision)
        return Stored(registers, newest)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreDamaged(self.file, f"it cannot be read ({error})") from error


def _columns(head: Head) -> tuple[int | float | str, ...]:
    author = head.author
    return (
        head.revision, head.origin, head.sequence, head.hlc, head.time,
        author.name, author.address, author.surface, head.reason,
    )  # fmt: skip


def _register_row(cell: Cell, register: Register, revision: int) -> tuple[str | int | None, ...]:
    value = register.value
    return (*cell, *register.stamp, revision, _crc(*cell, *register.stamp, revision, value), value)


def _head(row: Iterable[int | float | str]) -> Head:
    revision, origin, sequence, hlc, time, name, address, surface, reason = row
    author = Author(str(name), str(address), str(surface))
    return Head(int(revision), str(origin), int(sequence), int(hlc), float(time), author, str(reason))


def _link(before: bytes, head: Head, ops: str) -> bytes:
    """The chain hash of an entry: over the one before it of the same origin and all that the origin said."""
    said = canonical(_columns(head)[1:]).encode()
    return sha256(b"\0".join((before, said, ops.encode()))).digest()


def _crc_of_log(head: Head, chain: bytes, ops: str) -> int:
    return zlib.crc32(chain, _crc(*_columns(head), ops))


def _crc(*parts: int | float | str | None) -> int:
    # The separator occurs in no part; None and the empty text must differ.
    return zlib.crc32("\0".join(["\1" if part is None else str(part) for part in parts]).encode())
