"""Generations of the data key: rotation loses no edit, and a key that is late only delays what it seals."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.unit.store.exchanging import agree, exchange, join
from tests.unit.store.opening import ADMIN, opened, site

from pointsman.store import KeyRefused, Put, Store, StoreDamaged

SECRET = {"safe": {"password": "p1", "codes": ["c"], "nodes": [{"node": "n", "token": "t"}]}}
OTHER = {"safe": {"password": "p2", "codes": ["c"], "nodes": [{"node": "n", "token": "t"}]}}


def generations(directory: Path) -> set[str]:
    """The generations that seal the registers in a database."""
    with sqlite3.connect(directory / "store.db") as sql:
        found = sql.execute("SELECT substr(value, 2, instr(value, ':') - 2) FROM reg WHERE value LIKE '!%'")
        held = {generation for (generation,) in found}
    sql.close()
    return held


async def test_a_new_key_seals_everything_and_changes_no_value(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await one.commit([Put(site("a"), SECRET)], ADMIN)
        await join(one, two)
        before = (await one.transactions())[0].changes
        generation, secret = Store.make_key()
        for store in (one, two):
            await store.add_key(generation, secret)
            await store.add_key(generation, secret)
        made = await one.reseal(ADMIN, "a member was removed")
        assert made is not None
        assert made.changes == ()
        assert await one.reseal(ADMIN) is None
        await agree(one, two)
        assert one.objects[site("a")] == SECRET
        await two.commit([Put(site("a"), OTHER)], ADMIN)
        await agree(one, two)
        ours, theirs = (await one.transactions())[0].changes, (await two.transactions())[0].changes
        assert ours == theirs  # fingerprints are the same everywhere
        fingerprint = next(r.after for r in before if r.path == ("safe", "password"))
        assert [r.before for r in ours if r.path == ("safe", "password")] == [fingerprint]
        assert dict(await one.objects_at(1)) == {site("a"): SECRET}
    for name in ("1", "2"):
        assert generations(tmp_path / name) == {str(generation)}
        assert len(list((tmp_path / name).glob("key*"))) == 2
        async with opened(tmp_path / name) as again:
            assert again.objects[site("a")] == OTHER


async def test_an_edit_made_before_the_rotation_was_heard_of_is_not_lost(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await one.commit([Put(site("a"), SECRET)], ADMIN)
        await join(one, two)
        generation, secret = Store.make_key()
        await one.add_key(generation, secret)
        await two.commit([Put(site("a"), OTHER)], ADMIN)
        await one.reseal(ADMIN)
        await exchange(two, one)
        await exchange(one, two)
        assert one.objects[site("a")] == OTHER
        await two.add_key(generation, secret)
        await agree(one, two)
        assert two.objects[site("a")] == OTHER
        await one.reseal(ADMIN)
        await agree(one, two)


async def test_what_a_missing_key_seals_is_unreadable_until_the_key_comes(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await one.commit([Put(site("a"), {"basic": {"port": 1}, **SECRET})], ADMIN)
        await one.commit([Put(site("c"), {"basic": {"port": 4}})], ADMIN)
        await join(one, two)
        generation, secret = Store.make_key()
        await one.add_key(generation, secret)
        await one.reseal(ADMIN)
        await one.commit([Put(site("b"), {"basic": {"port": 2}, **SECRET})], ADMIN)
        await exchange(one, two)
        assert two.objects[site("b")]["basic"] == {"port": 2}
        assert "safe" not in two.objects[site("a")]
        # An edit that does not know the secret leaves it alone.
        await two.commit([Put(site("b"), {"basic": {"port": 3}})], ADMIN)
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        assert "safe" not in two.objects[site("a")]
        reloads: list[int] = []
        two.subscribe(lambda *_: None, lambda: reloads.append(two.revision))
        readable = two.objects[site("c")]
        await two.add_key(generation, secret)
        assert two.objects[site("c")] is readable
        assert reloads == [two.revision]
        assert two.objects[site("a")] == {"basic": {"port": 1}, **SECRET}
        assert two.objects[site("b")] == {"basic": {"port": 3}, **SECRET}
        await agree(one, two)


async def test_a_key_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "1") as one:
        for generation, secret in ((1, b"x" * 32), (2, b"short"), (0, b"x" * 32)):
            with pytest.raises(KeyRefused, match="make a new generation instead"):
                await one.add_key(generation, secret)
        await one.add_key(2, b"x" * 32)
        await one.commit([Put(site("a"), SECRET)], ADMIN)
        assert sorted(one.keys) == [1, 2]
    (held,) = (tmp_path / "1").glob("key-2-*")
    assert held.stat().st_mode & 0o777 == 0o600
    # What a start that was cut off left behind goes away, what is in use stays.
    (tmp_path / "1" / "key-3-0123").write_bytes(b"y" * 32)
    async with opened(tmp_path / "1") as one:
        assert one.objects[site("a")] == SECRET
    assert sorted(path.name for path in (tmp_path / "1").glob("key*")) == ["key", held.name]
    held.unlink()
    with pytest.raises(StoreDamaged, match="key of the database is missing"):
        async with opened(tmp_path / "1"):
            pass
