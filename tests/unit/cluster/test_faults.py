"""What a cluster bears: machines that were set back, joins that were forgotten, copied disks, hostile members."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import sqlite3
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.unit.cluster.test_members import alive, joined, machines
from tools.machine import AUTHOR, Machine, until

from pointsman.cluster import cluster
from pointsman.cluster.frame import LONGEST, Kind, encode
from pointsman.cluster.installation import Joining
from pointsman.cluster.refusal import JoinRefused
from pointsman.schema.problem import ObjectId
from pointsman.store import NotStored, Received


def note(machine: Machine, pool: str) -> object:
    return machine.store.objects[ObjectId("pools", pool)]["basic"].get("note")


async def set_back(machine: Machine, copy: Path) -> None:
    """Stops a member and puts an old copy of its store in place, which goes on as if it had never been stopped."""
    await machine.stop()
    shutil.rmtree(machine.home / "store")
    shutil.copytree(copy, machine.home / "store")
    with sqlite3.connect(machine.home / "store" / "store.db") as sql:
        sql.execute("DELETE FROM meta WHERE key = 'shared'")
    sql.close()


@pytest.mark.parametrize("more_here", [1, 3])
async def test_machine_that_was_set_back_while_it_ran_heals_by_itself(tmp_path: Path, more_here: int) -> None:
    """Two different transactions under one number: nothing of either is lost, and the members agree again."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await b.put("shared", "old")
        await until("everywhere", lambda: a.has("shared") and c.has("shared"))
        await b.stop()
        shutil.copytree(b.home / "store", tmp_path / "copy")
        with sqlite3.connect(b.home / "store" / "store.db") as sql:
            sql.execute("DELETE FROM meta WHERE key = 'shared'")
        sql.close()
        await b.start()
        await b.put("first", "one")
        await b.put("second", "two")
        await until("everywhere", lambda: a.has("second") and c.has("second"))
        await set_back(b, tmp_path / "copy")
        # It edits before it hears of anybody.
        await b.start()
        for number in range(more_here):
            await b.put(f"after-{number}", "set back")
        await a.put("meanwhile")
        made = (a, b, c)
        wanted = ["first", "second", "shared", "meanwhile", *(f"after-{n}" for n in range(more_here))]
        await until("all have all", lambda: all(m.has(name) for m in made for name in wanted), 20)
        await until("one digest", lambda: len({m.store.digest for m in made}) == 1, 20)
        assert a.store.objects == b.store.objects == c.store.objects
        assert len({m.store.origin for m in made}) == 3


async def test_join_that_the_cluster_forgot_is_told_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member that was asked dies right after its answer: no half member is left, and nothing is silent."""
    monkeypatch.setattr(cluster, "_FORGOTTEN_SECONDS", 1.0)
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, c])
        complete = b.cluster._membership.complete_join

        async def after_a_restart(joining: Joining) -> None:
            await a.stop()
            await a.start()
            await complete(joining)

        monkeypatch.setattr(b.cluster._membership, "complete_join", after_a_restart)
        with pytest.raises(JoinRefused, match="forgot this traffic manager before the join was complete"):
            await b.join(a)
        monkeypatch.setattr(b.cluster._membership, "complete_join", complete)
        assert not b.cluster.active and b.cluster.removed is not None
        assert "memberremoved" in b.tags()
        assert "cluster.removed" in [condition.code for condition in b.cluster.conditions()]
        await b.stop()
        await b.start()
        assert b.cluster.removed is not None
        assert [member.name for member in a.cluster.roster.members] == ["a", "c"]
        await b.join(a)
        assert b.cluster.removed is None
        await until("everybody", lambda: all(alive(m) == 2 for m in (a, b, c)))
        await b.stop()
        await b.start()
        assert b.cluster.active


async def test_joiner_that_died_before_anybody_knew_it_is_not_a_half_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies with the configuration taken over, and comes back when its place is held no more."""
    monkeypatch.setattr(cluster, "_FORGOTTEN_SECONDS", 1.0)
    async with machines(tmp_path, "a", "b") as (a, b):

        async def crash(joining: object) -> None:
            raise OSError(28, "the power went")

        monkeypatch.setattr(b.cluster._membership, "complete_join", crash)
        with pytest.raises(JoinRefused):
            await b.join(a)
        await b.stop()
        a.cluster.host.places._held.clear()
        await b.start()
        await until("it knows", lambda: b.cluster.removed is not None, 20)
        assert "memberremoved" in b.tags()
        assert [member.name for member in a.cluster.roster.members] == ["a"]
        await b.cluster.leave(AUTHOR)
        await b.join(a)
        await until("a knows b", lambda: alive(a) == 1)


async def test_disk_that_runs_twice_is_told_and_spoils_nothing(tmp_path: Path) -> None:
    """A copy of a living member is started beside it: the others name it, and what both write is kept."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await b.stop()
        shutil.copytree(b.home, tmp_path / "copy")
        await b.start()
        await until("b is back", lambda: alive(a) == 2 and alive(c) == 2)
        copy = await Machine(tmp_path / "copy", "b").start()
        try:
            for number in range(5):
                await b.put(f"by-b-{number}")
                await copy.put(f"by-copy-{number}")
            wanted = [f"by-{who}-{number}" for who in ("b", "copy") for number in range(5)]
            await until("others have all", lambda: all(m.has(w) for m in (a, c) for w in wanted), 20)
            await until("it is named", lambda: "membertwice" in a.tags() and "membertwice" in c.tags(), 20)
            assert ("traffic_managers/b", "cluster.twice") in [
                (str(m.subject), m.code) for m in a.cluster.conditions()
            ]
        finally:
            await copy.stop()
        await until("all have all", lambda: all(b.has(w) for w in wanted), 20)
        await until("one digest", lambda: len({m.store.digest for m in (a, b, c)}) == 1, 20)


HUGE = 10**400
MESSAGES: tuple[tuple[int, object], ...] = (
    (
        Kind.PULSE,
        {"beat": HUGE, "state": {}, "digest": 7, "run": [], "others": {"x": 1, "y": {"beat": HUGE}}},
    ),
    (Kind.PULSE, {"beat": "now", "state": [], "digest": None, "others": [1]}),
    (Kind.PULSE, {}),
    (Kind.VECTOR, {"vector": {"x": HUGE}}),
    (Kind.VECTOR, {"vector": {"x": -1}, "want": True}),
    (Kind.VECTOR, {"vector": {"x": 1 << 61}, "want": True, "whole": "yes"}),
    (Kind.VECTOR, {"vector": {"x": 1 << 61}, "want": False, "digest": []}),
    (Kind.VECTOR, {"vector": []}),
    (Kind.TAKEN, {}),
    (Kind.PARCELS, {"parcels": [[1, 2, 3]], "blobs": {}}),
    (Kind.PARCELS, {"parcels": 5}),
    (Kind.PARCELS, {"parcels": [], "blobs": {"x": "y"}}),
    (Kind.WHOLE, {"whole": "AAAA", "keys": {}}),
    (Kind.WHOLE, {"whole": "", "keys": {"x": 1}}),
    (Kind.ASK, {"n": [], "question": 1}),
    (Kind.ASK, {"n": HUGE, "question": {"about": []}}),
    (Kind.ANSWER, {"n": [], "answer": {}}),
    (Kind.ANSWER, {"n": 1, "answer": {}}),
    (Kind.HELLO, {"member": "again"}),
    (200, {"of": "a later version"}),
)


class Hostile:
    """A connection to a member, with the certificate of another one, that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Sends bytes; nothing on a connection that was ended."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(5):
                await self.writer.drain()
        except (OSError, TimeoutError):
            pass

    async def ended(self) -> bool:
        """Whether the other side ends the connection within 10 s."""
        try:
            async with asyncio.timeout(10):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


@asynccontextmanager
async def hostile(member: Machine, target: Machine) -> AsyncIterator[Hostile]:
    credential = member.cluster._membership.credential
    assert credential is not None
    reader, writer = await asyncio.open_connection(
        target.address, target.control_port, ssl=credential.client_context(member.home / "identity")
    )
    try:
        made = Hostile(reader, writer)
        await made.send(encode(Kind.HELLO, member.cluster._hello().body()))
        yield made
    finally:
        writer.transport.abort()


async def test_member_that_sends_nonsense_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connection is ended at most; whatever it says, no fault of the program is met and the others go on."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        await c.stop()
        for kind, body in MESSAGES:
            async with hostile(c, a) as bad:
                text = json.dumps(body).encode() if not isinstance(body, bytes) else body
                await bad.send(struct.pack(">IBB", len(text) + 2, kind, 0) + text)
                await asyncio.sleep(0.02)
        bomb = zlib.compress(b" " * (64 << 20))
        raw = [
            struct.pack(">IBB", len(bomb) + 2, Kind.PULSE, 1) + bomb,
            struct.pack(">IBB", LONGEST, Kind.PULSE, 0),
            struct.pack(">IBB", LONGEST + 3, Kind.PARCELS, 0),
            b"\xff" * 4096,
            b"GET / HTTP/1.1\r\n\r\n",
        ]
        for data in raw:
            async with hostile(c, a) as bad:
                await bad.send(data)
                assert await bad.ended(), data[:20]
        async with hostile(c, a) as bad:
            for number in range(5000):
                await bad.send(encode(Kind.ASK, {"n": number, "question": {"about": "nothing"}}))
        await b.put("after")
        await until("a has it", lambda: a.has("after"))
        assert [member.state for member in a.cluster.view().members if member.name == "b"] == ["alive"]
        await c.start()
        await until("c is back", lambda: c.has("after"))
        assert "fault of the program" not in caplog.text and "could not be dealt with" not in caplog.text


async def test_join_that_met_a_full_disk_can_be_repeated_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        begin = b.cluster._installation.begin_join

        def full(joining: Joining) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(b.cluster._installation, "begin_join", full)
        a.limit = 2
        with pytest.raises(JoinRefused, match="free space and repeat"):
            await b.join(a)
        assert not b.cluster.active
        monkeypatch.setattr(b.cluster._installation, "begin_join", begin)
        await b.join(a)
        await until("a knows b", lambda: alive(a) == 1)


async def test_full_disk_is_told_everywhere_and_caught_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The member stays connected, says what is wrong, and has everything once there is space."""
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        links = len([tag for tag in a.tags() if tag == "machineok"])
        receive = b.store.receive

        async def full(*_: object) -> Received:
            raise NotStored(tmp_path, "database or disk is full")

        monkeypatch.setattr(b.store, "receive", full)
        for number in range(5):
            await a.put(f"p{number}")
        for machine in (a, b):
            await until("it is told", lambda m=machine: "memberunstored" in m.tags())  # type: ignore[misc]
            assert ("traffic_managers/b", "cluster.storage") in [
                (str(c.subject), c.code) for c in machine.cluster.conditions()
            ]
        monkeypatch.setattr(b.store, "receive", receive)
        await until("b has all", lambda: all(b.has(f"p{number}") for number in range(5)))
        await until("it is told", lambda: "memberstored" in a.tags())
        assert len([tag for tag in a.tags() if tag == "machineok"]) == links
        assert "machinetimeout" not in a.tags()
