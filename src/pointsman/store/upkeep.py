"""How the log stays bounded: its oldest entries become the state that the rest of it follows on, and what was deleted
long ago is forgotten.

Invariant: for every moment that the log still reaches, `base` and the entries after it give the same configuration as
before; the log keeps its last entry, and neither the registers in force nor any vector change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from pointsman.store.clock import first_stamp_at
from pointsman.store.database import Database
from pointsman.store.entry_text import blob_named, decode
from pointsman.store.json_text import canonical
from pointsman.store.register import Cell, Entry, Register, Stamp, merge
from pointsman.store.rows import End, Head
from pointsman.store.shape import CONTENT, EXISTENCE

DAY_SECONDS = 86_400.0
LOG_DAYS = 400.0
"""How long an entry stays in the log."""
LOG_CHARACTERS = 256 << 20
"""How large the log may become: characters of what its entries wrote."""
HORIZON_DAYS = 180.0
"""How long a deleted object is remembered: who was away for longer takes over a whole state, and cannot bring back what
was deleted meanwhile.
"""
PIECE_CHARACTERS = 4 << 20
"""How much is trimmed in one go, because commits wait meanwhile."""
_LEFT = 0.9
"""The share of the permitted size that is left when the log has become too large."""


@dataclass(frozen=True)
class Bounds:
    """What is permitted: characters, and the stamp before which entries go."""

    characters: int
    before: int


def bounds_at(now: float, characters: int) -> Bounds:
    """The bounds at a Unix time."""
    return Bounds(characters, first_stamp_at(max(0.0, now - LOG_DAYS * DAY_SECONDS)))


def overdue(database: Database, bounds: Bounds) -> bool:
    """Whether there is something to trim."""
    with database.reading():
        oldest = database.sql.execute("SELECT revision, hlc FROM log ORDER BY revision LIMIT 1").fetchone()
        (newest,) = database.sql.execute("SELECT max(revision) FROM log").fetchone()
    if oldest is None or oldest[0] == newest:
        return False
    return _size(database) > bounds.characters or oldest[1] < bounds.before


def trim(database: Database, bounds: Bounds, ends: Mapping[str, End]) -> dict[str, End]:
    """Takes the oldest entries out of the log, about `PIECE_CHARACTERS` of them; gives the ends then.

    Raises `NotStored`, and then nothing has changed.
    """
    after = dict(ends)
    with database.transaction():
        going, size = _going(database, bounds)
        if not going:
            return after
        base: dict[Cell, Register] = {}
        known: set[str] = set()
        for head, entry in going:
            after[head.origin] = replace(after[head.origin], floor=head.sequence + 1)
            for key in {cell.object for cell in entry.writes} - known:
                known.add(key)
                for name, register in database.object(key, base=True).registers.items():
                    base[Cell(key, name)] = register
            base |= merge(base, entry)
        database.put_registers("base", ((cell, register, 0) for cell, register in base.items()))
        for origin, end in after.items():
            if end != ends[origin]:
                database.put_end(origin, end)
        last = going[-1][0].revision
        database.sql.execute("DELETE FROM log WHERE revision <= ?", (last,))
        database.sql.execute("DELETE FROM change WHERE revision <= ?", (last,))
        trimmed = {head.origin: head.hlc for head, _ in going}
        database.sql.executemany("DELETE FROM lost WHERE origin = ? AND hlc <= ?", trimmed.items())
        newest = max(int(database.facts()["base_hlc"]), *trimmed.values())
        facts = {"base_hlc": str(newest), "log_bytes": str(max(0, _size(database) - size))}
        database.write((), facts)
        _drop_files(database, _files(going))
    return after


def _size(database: Database) -> int:
    return int(database.facts()["log_bytes"])


def _going(database: Database, bounds: Bounds) -> tuple[list[tuple[Head, Entry]], int]:
    """The entries that go, and their size."""
    size = _size(database)
    excess = size - int(bounds.characters * _LEFT) if size > bounds.characters else 0
    going: list[tuple[Head, Entry]] = []
    taken = 0
    newest, _ = database.position()
    for head, _, ops in database.rows_from(database.first()):
        if head.revision == newest or taken >= PIECE_CHARACTERS:
            break
        if taken >= excess and head.hlc >= bounds.before:
            break
        going.append((head, decode(Stamp(head.hlc, head.origin), ops)))
        taken += len(ops)
    return going, taken


def forget(database: Database, now: float, used: Collection[str]) -> tuple[str, ...]:
    """Forgets the deleted objects that are older than the horizon and to which nothing in `used` refers; gives their
    keys. Raises `NotStored`, and then nothing has changed.
    """
    horizon = first_stamp_at(max(0.0, now - HORIZON_DAYS * DAY_SECONDS))
    query = "SELECT object FROM reg WHERE property = ? AND value IS NULL AND hlc < ?"
    with database.reading():
        rows = database.sql.execute(query, (EXISTENCE, horizon)).fetchall()
    gone: list[str] = []
    files: set[str] = set()
    for (key,) in rows:
        registers = database.object(key).registers
        if key in used or any(register.stamp.hlc >= horizon for register in registers.values()):
            continue
        gone.append(key)
        content = registers.get(CONTENT)
        if content is not None and (digest := blob_named(Cell(key, CONTENT), content.value)):
            files.add(digest)
    if gone:
        with database.transaction():
            database.sql.executemany("DELETE FROM reg WHERE object = ?", [(key,) for key in gone])
            _drop_files(database, files)
    return tuple(gone)


def _files(going: Iterable[tuple[Head, Entry]]) -> set[str]:
    named = (blob_named(cell, value) for _, entry in going for cell, value in entry.writes.items())
    return {digest for digest in named if digest is not None}


def _drop_files(database: Database, digests: Iterable[str]) -> None:
    """Removes those files that nothing names any more."""
    for digest in digests:
        value = canonical(digest)
        asked = (CONTENT, value, CONTENT, value, digest)
        held = database.sql.execute(
            "SELECT EXISTS (SELECT 1 FROM reg WHERE property = ? AND value = ?)"
            " OR EXISTS (SELECT 1 FROM base WHERE property = ? AND value = ?)"
            " OR EXISTS (SELECT 1 FROM log WHERE instr(ops, ?))",
            asked,
        ).fetchone()
        if not held[0]:
            database.sql.execute("DELETE FROM blob WHERE sha256 = ?", (digest,))
