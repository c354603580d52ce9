"""What a member alone has when it takes over the state of another: registers whose transactions its log no longer
holds, or which contradict those of the others because its machine was set back.

Invariant: nothing that was acknowledged is dropped for want of a log entry; what is older than the horizon is not
brought back, because the others may have forgotten that it was deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.store.clock import first_stamp_at
from pointsman.store.database import Database
from pointsman.store.entry_text import blob_named
from pointsman.store.register import Cell, Entry, Register, Stamp, generation_of
from pointsman.store.secret import KeyMissing, Keyring
from pointsman.store.upkeep import DAY_SECONDS, HORIZON_DAYS


@dataclass(frozen=True)
class Rescued:
    """What has to be written anew, and the files that it names."""

    entry: Entry
    blobs: Mapping[str, bytes]


def set_aside(database: Database) -> None:
    """Remembers registers and files, inside the transaction that replaces them."""
    database.sql.execute("CREATE TEMP TABLE our_reg AS SELECT * FROM reg")
    database.sql.execute("CREATE TEMP TABLE our_blob AS SELECT * FROM blob")


def rescue(database: Database, stamp: Stamp, now: float, ours: Keyring, keys: Keyring) -> Rescued | None:
    """The registers set aside that are newer than those that are there now, as an entry under `stamp`.

    `ours` opens the values, `keys` seals them.
    """
    horizon = first_stamp_at(max(0.0, now - HORIZON_DAYS * DAY_SECONDS))
    query = """
        SELECT a.object, a.property, a.value, a.hlc, a.origin, b.hlc, b.origin FROM our_reg AS a
        LEFT JOIN reg AS b ON a.object = b.object AND a.property = b.property
        WHERE a.hlc >= ? AND (b.hlc IS NULL OR (b.hlc, b.origin) < (a.hlc, a.origin))
    """
    writes: dict[Cell, str | None] = {}
    saw: dict[Cell, Stamp] = {}
    blobs: dict[str, bytes] = {}
    for key, name, value, hlc, origin, other, other_origin in database.sql.execute(
        query, (horizon,)
    ).fetchall():
        cell, register = Cell(key, name), Register(value, Stamp(hlc, origin))
        try:
            writes[cell] = _anew(cell, register, stamp, ours, keys)
        except KeyMissing:
            continue
        if other is not None:
            saw[cell] = Stamp(other, other_origin)
        if (digest := blob_named(cell, value)) is not None:
            found = database.sql.execute("SELECT data FROM our_blob WHERE sha256 = ?", (digest,)).fetchone()
            if found is not None:
                blobs[digest] = bytes(found[0])
    database.sql.execute("DROP TABLE our_reg")
    database.sql.execute("DROP TABLE our_blob")
    return Rescued(Entry(stamp, writes, saw), blobs) if writes else None


def _anew(cell: Cell, register: Register, stamp: Stamp, ours: Keyring, keys: Keyring) -> str | None:
    if register.value is None or not generation_of(register.value):
        return register.value
    return keys.seal(cell, stamp, ours.open(cell, register.stamp, register.value))
