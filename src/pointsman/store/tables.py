"""The tables of the SQLite file, how they are made, and how those of an earlier version become them.

Invariant: a file is at one level or at the next, never between: each step is one SQL transaction, which also raises the
level, so an earlier version refuses the file from then on.
"""

from __future__ import annotations

import json
import sqlite3

LEVEL = 2
"""The level that this version writes; it can read every lower one."""

APPLICATION = 0x504D5354  # "PMST": tells `file` and people what the file is
KEY_FILE = "key"
"""The file of the first key of a store."""

_ADDED_AT_2 = """
CREATE TABLE base (
    object TEXT NOT NULL, property TEXT NOT NULL, hlc INTEGER NOT NULL, origin TEXT NOT NULL,
    revision INTEGER NOT NULL, crc INTEGER NOT NULL, value TEXT, PRIMARY KEY (object, property)
) WITHOUT ROWID;
CREATE TABLE lost (
    object TEXT NOT NULL, property TEXT NOT NULL, hlc INTEGER NOT NULL, origin TEXT NOT NULL,
    PRIMARY KEY (object, property, hlc, origin)
) WITHOUT ROWID;
"""

SCHEMA = f"""
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
CREATE TABLE vv (
    origin TEXT PRIMARY KEY, seq INTEGER NOT NULL, floor INTEGER NOT NULL, chain BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
CREATE TABLE blob (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
{_ADDED_AT_2}"""

CONTENTS = ("reg", "log", "change", "vv", "blob", "base", "lost")
"""The tables that hold the configuration, as opposed to facts of the installation."""

_CHAINED_AT_2 = """
ALTER TABLE vv ADD COLUMN chain BLOB NOT NULL DEFAULT x'';
UPDATE vv SET floor = 1,
    chain = (SELECT chain FROM log WHERE log.origin = vv.origin AND log.seq = vv.seq);
"""


def create(sql: sqlite3.Connection, origin: str, key_check: str) -> None:
    """Fills an empty file with the tables and one installation's facts."""
    sql.executescript(f"BEGIN;{SCHEMA}PRAGMA application_id = {APPLICATION};COMMIT;")
    facts = [
        ("level", str(LEVEL)),
        ("origin", origin),
        ("keys", json.dumps([[1, key_check, KEY_FILE]])),
        ("log_bytes", "0"),
        ("base_hlc", "0"),
    ]
    sql.executemany("INSERT INTO meta VALUES (?, ?)", facts)


def upgrade(sql: sqlite3.Connection, level: int) -> None:
    """Raises a file from a lower level to this one's, all of it or nothing."""
    if level >= LEVEL:
        return
    sql.execute("BEGIN IMMEDIATE")
    try:
        for statement in filter(str.strip, (_CHAINED_AT_2 + _ADDED_AT_2).split(";")):
            sql.execute(statement)
        (check,) = sql.execute("SELECT value FROM meta WHERE key = 'key_check'").fetchone()
        (size,) = sql.execute("SELECT coalesce(sum(length(ops)), 0) FROM log").fetchone()
        facts = {
            "level": str(LEVEL),
            "keys": json.dumps([[1, check, KEY_FILE]]),
            "log_bytes": str(size),
            "base_hlc": "0",
        }
        sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.items())
        sql.execute("DELETE FROM meta WHERE key = 'key_check'")
        sql.execute("COMMIT")
    except BaseException:
        sql.execute("ROLLBACK")
        raise
