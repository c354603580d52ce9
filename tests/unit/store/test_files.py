"""The files: who may read them, what is in them, and what happens when they are not whole."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.store.opening import ADMIN, opened, site
from tests.unit.store.resources import REGISTRY

from pointsman.schema.problem import ObjectId
from pointsman.store import NotStored, Put, Store, StoreDamaged, StoreInUse, StoreTooNew

SECRETS = ("pa55word-of-a", "c0de-of-a", "t0ken-of-a", "-----PRIVATE-----")


async def _filled(directory: Path) -> None:
    async with opened(directory) as store:
        for number in range(3):
            await store.commit(
                [
                    Put(
                        site("a"),
                        {
                            "basic": {"port": number, "note": "plain-note"},
                            "safe": {
                                "password": f"{SECRETS[0]}{number}",
                                "codes": [SECRETS[1]],
                                "nodes": [{"node": "n", "token": f"{SECRETS[2]}{number}"}],
                            },
                        },
                    ),
                    Put(
                        ObjectId("ssl/server_keys", "c"),
                        {"basic": {"public": f"P{number}", "private": SECRETS[3]}},
                    ),
                ],
                ADMIN,
            )


async def test_no_secret_is_in_any_file_in_clear(tmp_path: Path) -> None:
    directory = tmp_path / "s"
    async with opened(directory):
        pass
    store = await Store.open(directory, REGISTRY)
    try:
        for number in range(2):
            settings = {"basic": {"note": "plain-note"}, "safe": {"password": f"{SECRETS[0]}{number}"}}
            await store.commit([Put(site("b"), settings)], ADMIN)
        names = {path.name for path in directory.iterdir()}
        assert {"store.db", "store.db-wal", "store.db-shm", "key", "lock"} == names
        held = b"".join(path.read_bytes() for path in directory.iterdir())
        assert b"plain-note" in held
        assert SECRETS[0].encode() not in held
    finally:
        await store.close()
    await _filled(directory)
    held = b"".join(path.read_bytes() for path in directory.iterdir())
    assert b"plain-note" in held
    for secret in SECRETS:
        assert secret.encode() not in held


async def test_only_the_owner_can_read_anything(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = await Store.open(tmp_path / "s", REGISTRY)
        await store.commit([Put(site("a"), {})], ADMIN)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
        assert set(modes.values()) == {0o600}, modes
        await store.close()
    finally:
        os.umask(old)


async def test_a_second_opening_is_refused_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path / "s"):
        with pytest.raises(StoreInUse, match=rf"in use by process {os.getpid()}; stop it first"):
            await Store.open(tmp_path / "s", REGISTRY)
    async with opened(tmp_path / "s"):
        pass


async def test_a_program_started_meanwhile_does_not_hold_the_lock(tmp_path: Path) -> None:
    async with opened(tmp_path / "s"):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=subprocess.PIPE, close_fds=False
        )
    try:
        async with opened(tmp_path / "s"):
            pass
    finally:
        await child.communicate(b"\n")


async def test_a_ciphertext_opens_only_in_its_own_place(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        rows = dict(
            sql.execute("SELECT property, value FROM reg WHERE value LIKE '!%' AND object LIKE 'sites/%'")
        )
        sql.execute("UPDATE reg SET value = ? WHERE property = 'safe.password'", (rows["safe.codes"],))
        _mend(sql)
    sql.close()
    with pytest.raises(StoreDamaged, match=r"'safe\.password' of sites/\w+ cannot be opened"):
        await Store.open(tmp_path / "s", REGISTRY)


def _mend(sql: sqlite3.Connection) -> None:
    """Makes the checksums fit again, as somebody who tampers would."""
    from pointsman.store.rows import crc

    columns = "object, property, hlc, origin, revision, value"
    for row in sql.execute(f"SELECT {columns} FROM reg").fetchall():
        sql.execute("UPDATE reg SET crc = ? WHERE object = ? AND property = ?", (crc(*row), *row[:2]))


def _sql(*statements: str) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        with sqlite3.connect(directory / "store.db") as sql:
            for statement in statements:
                sql.execute(statement)
        sql.close()

    return damage


def _overwrite(name: str, at: float, length: int) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        file = directory / name
        content = bytearray(file.read_bytes())
        start = int(len(content) * at)
        content[start : start + length] = b"\xa5" * length
        file.write_bytes(content)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: (d / "store.db").unlink(), "store.db: the database is missing, but its key is there"),
        (lambda d: (d / "store.db").write_bytes(b""), "store.db: "),
        (lambda d: (d / "key").unlink(), "key: the key of the database is missing"),
        (lambda d: (d / "key").write_bytes(b"short"), "key: the key has 5 bytes instead of 32"),
        (lambda d: (d / "key").write_bytes(b"x" * 32), "key: this is not the key"),
        (lambda d: os.truncate(d / "store.db", 8192), "store.db: "),
        (_overwrite("store.db", 0.0, 64), "store.db: it cannot be read (file is not a database)"),
        (_sql("DROP TABLE reg"), "store.db: it cannot be read (no such table: reg)"),
        (_sql("DELETE FROM meta WHERE key = 'origin'"), "facts of the installation are missing"),
        (
            _sql("UPDATE reg SET value = '81' WHERE property = 'basic.port'"),
            "the register 'basic.port' of sites/",
        ),
        (_sql("UPDATE reg SET value = NULL WHERE property = ''"), "the register '' of "),
        (_sql("UPDATE log SET author = 'eve' WHERE revision = 2"), "entry 2 of the log is torn or altered"),
        (
            _sql("UPDATE log SET ops = replace(ops, 'plain', 'other') WHERE revision = 1"),
            "entry 1 of the log",
        ),
        (_sql("DELETE FROM log WHERE revision = 3"), "the log does not end where"),
        (_sql("DELETE FROM log WHERE revision = 2"), "the log has 2 entries and ends with number 3"),
    ],
)
async def test_what_is_not_whole_is_named_with_its_remedy(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    await _filled(tmp_path / "s")
    damage(tmp_path / "s")
    with pytest.raises(StoreDamaged) as refused:
        await Store.open(tmp_path / "s", REGISTRY)
    assert words in str(refused.value)
    assert "restore" in str(refused.value)
    assert str(tmp_path / "s") in str(refused.value)
    # The refusal let go of the directory.
    with pytest.raises(StoreDamaged):
        await Store.open(tmp_path / "s", REGISTRY)


async def test_no_altered_page_gives_another_configuration(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    async with opened(tmp_path / "s") as store:
        whole = dict(store.objects)
    refused = 0
    for step in range(40):
        copy = tmp_path / f"copy{step}"
        shutil.copytree(tmp_path / "s", copy)
        _overwrite("store.db", step / 40, 16)(copy)
        try:
            async with opened(copy) as store:
                assert dict(store.objects) == whole
        except StoreDamaged:
            refused += 1
    assert refused


async def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    _sql("UPDATE meta SET value = '99' WHERE key = 'level'")(tmp_path / "s")
    with pytest.raises(StoreTooNew, match=r"schema level 99.*run the newer version"):
        await Store.open(tmp_path / "s", REGISTRY)


@pytest.mark.parametrize("left", [("store.db.new",), ("store.db.new", "key"), ("store.db.new", "key.new")])
async def test_a_first_start_that_was_cut_off_is_made_again(tmp_path: Path, left: tuple[str, ...]) -> None:
    directory = tmp_path / "s"
    directory.mkdir()
    for name in left:
        (directory / name).write_bytes(b"k" * 32 if name == "key" else b"")
    async with opened(directory) as store:
        assert store.revision == 0
    assert sorted(path.name for path in directory.iterdir()) == ["key", "lock", "store.db"]


async def test_types_that_this_version_does_not_know_are_kept(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    fewer = {path: kind for path, kind in REGISTRY.items() if path != "ssl/server_keys"}
    store = await Store.open(tmp_path / "s", fewer)
    assert set(store.objects) == {site("a")}
    await store.commit([Put(site("a"), {})], ADMIN)
    await store.close()
    async with opened(tmp_path / "s") as again:
        assert again.objects[ObjectId("ssl/server_keys", "c")]["basic"]["private"] == SECRETS[3]


def _as_level_1(directory: Path) -> None:
    """Makes the file what the version before replication wrote."""
    with sqlite3.connect(directory / "store.db") as sql:
        ((_, check, _),) = json.loads(sql.execute("SELECT value FROM meta WHERE key = 'keys'").fetchone()[0])
        sql.execute("DELETE FROM meta WHERE key NOT IN ('level', 'origin')")
        sql.execute("UPDATE meta SET value = '1' WHERE key = 'level'")
        sql.execute("INSERT INTO meta VALUES ('key_check', ?)", (check,))
        sql.execute("ALTER TABLE vv DROP COLUMN chain")
        sql.execute("UPDATE vv SET floor = seq")
        sql.execute("DROP TABLE base")
        sql.execute("DROP TABLE lost")
    sql.close()


async def test_a_file_of_the_version_before_is_raised_and_goes_on(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    async with opened(tmp_path / "s") as store:
        objects, history = dict(store.objects), await store.transactions()
    _as_level_1(tmp_path / "s")
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        sql.execute("CREATE TRIGGER fault BEFORE DELETE ON meta BEGIN SELECT RAISE(ABORT, 'cut off'); END")
    sql.close()
    with pytest.raises(NotStored, match="cut off"):
        await Store.open(tmp_path / "s", REGISTRY)
    _sql("DROP TRIGGER fault")(tmp_path / "s")
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        assert sql.execute("SELECT value FROM meta WHERE key = 'level'").fetchone() == ("1",)
    sql.close()
    for revision in (4, 5):
        async with opened(tmp_path / "s") as store:
            assert dict(store.objects) == objects
            assert (await store.transactions())[-3:] == history
            made = await store.commit([Put(site("b"), {"basic": {"port": revision}})], ADMIN)
            assert made is not None
            assert (made.revision, made.sequence) == (revision, revision)
            objects = dict(store.objects)
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        assert sql.execute("SELECT value FROM meta WHERE key = 'level'").fetchone() == ("2",)
    sql.close()


async def test_entries_are_chained(tmp_path: Path) -> None:
    await _filled(tmp_path / "s")
    with sqlite3.connect(tmp_path / "s" / "store.db") as sql:
        chains = [chain for (chain,) in sql.execute("SELECT chain FROM log ORDER BY seq")]
    sql.close()
    assert len({*chains}) == 3
    assert {len(chain) for chain in chains} == {32}
