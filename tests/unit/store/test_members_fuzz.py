"""Whole stores under fire: members that lose, repeat and delay messages, die, come back from old disks and rotate keys,
all of it at random, end with equal registers, objects and conflicts, and without a lost write.

POINTSMAN_FUZZ=20 makes twenty times as many runs.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.unit.store.opening import ADMIN, RunningClock, rounds, rule, site
from tests.unit.store.resources import REGISTRY

from pointsman.schema.problem import ObjectId
from pointsman.store import Batch, Change, Delete, EditRefused, Put, Rename, Store
from pointsman.store.entry_text import decode
from pointsman.store.register import Cell, Register, Stamp, merge

STEPS = 90
NAMES = [site(name) for name in ("a", "b", "c", "Built-in")]
RULES = [rule(name) for name in ("r", "s")]
GLOBAL = ObjectId("globals", "")


class Member:
    """A store that comes and goes, with copies of its disk, and batches on their way to it."""

    def __init__(self, directory: Path, clock: RunningClock) -> None:
        self.directory = directory
        self.clock = clock
        self.late: list[Batch] = []
        self.copies = 0
        self.store: Store

    async def open(self) -> None:
        self.store = await Store.open(self.directory, REGISTRY, clock=self.clock)

    async def restart(self) -> None:
        await self.store.close()
        await self.open()

    def copy(self) -> Path:
        """A copy of the disk as a crash would leave it: with the write-ahead log, without any goodbye."""
        self.copies += 1
        target = self.directory.with_name(f"{self.directory.name}-copy{self.copies}")
        shutil.copytree(self.directory, target)
        return target


class World:
    """Members, and what was acknowledged."""

    def __init__(self, dice: random.Random, directory: Path) -> None:
        self.dice = dice
        self.directory = directory
        self.clock = RunningClock()
        self.members: list[Member] = []
        self.entries: dict[tuple[str, int], tuple[int, str]] = {}
        self.copies: list[tuple[Member, Path]] = []

    async def begin(self) -> None:
        for number in range(self.dice.randint(2, 4)):
            member = Member(self.directory / f"m{number}", self.clock)
            await member.open()
            if self.members:
                first = self.members[0].store
                await member.store.adopt(await first.whole(), keys=first.keys, replace=True)
            else:
                await member.store.commit([Put(NAMES[0], {}), Put(GLOBAL, {"basic": {"limit": 1}})], ADMIN)
                await self.note(member)
            self.members.append(member)

    async def note(self, member: Member) -> None:
        """Remembers what a member has in its log, all of which it acknowledged."""
        for parcel in (await member.store.parcels_after({})).parcels:
            self.entries[parcel.origin, parcel.sequence] = (parcel.hlc, parcel.ops)

    def change(self, store: Store) -> Change:
        dice = self.dice
        present = [identity for identity in store.objects if identity.type == "sites"]
        match dice.randrange(10):
            case 0 | 1 if present:
                return Delete(dice.choice(present))
            case 2 if present:
                return Rename(dice.choice(present), dice.choice(["a", "b", "c", "d"]))
            case 3:
                return Put(dice.choice(RULES), {"content": dice.randbytes(3)})
            case 4:
                used = dice.choice(RULES)
                return Delete(used) if used in store.objects else Put(used, {"content": b"x"})
            case _:
                return Put(dice.choice([*NAMES, *present]), self.settings(store))

    def settings(self, store: Store) -> dict[str, Any]:
        dice = self.dice
        names = [identity.name for identity in store.objects if identity.type == "sites"] or ["a"]
        basic: dict[str, Any] = {"port": dice.randrange(1, 5)}
        if dice.random() < 0.5:
            basic["pool"] = dice.choice(names)
        if dice.random() < 0.5:
            basic["monitors"] = dice.sample(names, dice.randint(0, len(names)))
        if dice.random() < 0.5:
            basic["rules"] = [dice.choice(["r", "/r", "s"]) for _ in range(dice.randint(0, 3))]
        if dice.random() < 0.5:
            nodes = dice.sample(["n1", "n2", "n3"], dice.randint(0, 3))
            basic["nodes"] = [{"node": node, "weight": dice.randrange(3)} for node in nodes]
        safe = {"password": dice.choice("pq"), "nodes": [{"node": "n", "token": dice.choice("tu")}]}
        return {"basic": basic, **({"safe": safe} if dice.random() < 0.5 else {})}

    async def step(self) -> None:
        dice = self.dice
        member, other = dice.sample(self.members, 2)
        match dice.randrange(20):
            case 0:
                await member.restart()
            case 1:
                self.copies.append((member, member.copy()))
            case 2 if self.copies:
                member, copy = self.copies.pop(dice.randrange(len(self.copies)))
                if await self.set_back(member, copy):
                    await self.commit(member)  # before anybody could tell it what it has forgotten
            case 3 if dice.random() < 0.3:
                generation, secret = Store.make_key()
                generation += len(self.entries)  # two in one millisecond are two all the same
                for each in self.members:
                    if each is member or dice.random() < 0.5:
                        await each.store.add_key(generation, secret)
                await member.store.reseal(ADMIN)
                await self.note(member)
            case 4:
                await member.store.adopt(await other.store.whole(), keys=self.all_keys(), replace=False)
                await self.note(member)
            case 5 | 6 | 7 | 8 | 9 | 10 | 11:
                await self.commit(member)
            case _:
                batch = await other.store.parcels_after(
                    member.store.vector, limit_bytes=dice.choice([1, 500, 1 << 20])
                )
                match dice.randrange(5):
                    case 0:
                        return  # lost
                    case 1:
                        member.late.append(batch)
                    case 2 if member.late:
                        late = member.late.pop(dice.randrange(len(member.late)))
                        await member.store.receive(late.parcels, late.blobs)
                    case 3:
                        cut = dice.randint(0, len(batch.parcels))
                        await member.store.receive(batch.parcels[cut:], batch.blobs)
                    case _:
                        await member.store.receive(batch.parcels, batch.blobs)
                        await member.store.receive(batch.parcels[:2], batch.blobs)

    async def commit(self, member: Member) -> None:
        """A change of a member's own."""
        changes = [self.change(member.store) for _ in range(self.dice.choice([1, 1, 1, 2, 4]))]
        with suppress(EditRefused):
            await member.store.commit(changes, ADMIN)
            await self.note(member)

    def all_keys(self) -> dict[int, bytes]:
        """The keys that any member has."""
        return {number: secret for member in self.members for number, secret in member.store.keys.items()}

    async def set_back(self, member: Member, copy: Path) -> bool:
        """An old copy of the disk takes the place of the present one, but only where another member has the rest: what
        nobody else has is lost with a disk.
        """
        seen: dict[str, int] = {}
        for other in self.members:
            if other is not member:
                for origin, number in other.store.vector.items():
                    seen[origin] = max(seen.get(origin, 0), number)
        if any(number > seen.get(origin, 0) for origin, number in member.store.vector.items()):
            return False
        await member.store.close()
        shutil.rmtree(member.directory)
        copy.rename(member.directory)
        await member.open()
        return True

    async def settle(self) -> None:
        """All keys come, all messages arrive."""
        for member in self.members:
            for generation, secret in self.all_keys().items():
                await member.store.add_key(generation, secret)
        for _ in self.members:
            for source in self.members:
                for target in self.members:
                    if source is not target:
                        await self.exchange(source.store, target.store)

    async def exchange(self, source: Store, target: Store) -> None:
        while True:
            batch = await source.parcels_after(target.vector)
            assert not batch.below_floor
            await target.receive(batch.parcels, batch.blobs)
            if batch.complete:
                return

    async def compare(self) -> None:
        first, *others = self.members
        registers = self.registers(first)
        for other in others:
            assert other.store.digest == first.store.digest
            assert self.registers(other) == registers
            assert dict(other.store.objects) == dict(first.store.objects)
            assert other.store.conflicts == first.store.conflicts
            assert other.store.claims == first.store.claims
            await other.store.superseded(1000)
        self.nothing_is_lost(registers)
        for member in self.members:
            before, conflicts = dict(member.store.objects), member.store.conflicts
            await member.restart()
            assert dict(member.store.objects) == before
            assert member.store.conflicts == conflicts
            assert dict(await member.store.objects_at(member.store.revision)) == before

    def registers(self, member: Member) -> dict[Cell, tuple[Stamp, bool]]:
        with sqlite3.connect(f"file:{member.directory / 'store.db'}?mode=ro", uri=True) as sql:
            rows = sql.execute("SELECT object, property, hlc, origin, value FROM reg").fetchall()
        sql.close()
        return {Cell(key, name): (Stamp(hlc, origin), value) for key, name, hlc, origin, value in rows}

    def nothing_is_lost(self, registers: dict[Cell, tuple[Stamp, Any]]) -> None:
        """The registers are those that all acknowledged entries, in any order, make."""
        state: dict[Cell, Register] = {}
        entries = [*self.entries.items()]
        self.dice.shuffle(entries)
        for (origin, _), (hlc, ops) in entries:
            state |= merge(state, decode(Stamp(hlc, origin), ops))
        assert {cell: (register.stamp, register.value) for cell, register in state.items()} == registers


@pytest.mark.parametrize("seed", range(rounds(4)))
async def test_members_converge_whatever_happens(tmp_path: Path, seed: int) -> None:
    world = World(random.Random(seed), tmp_path)
    await world.begin()
    try:
        for _ in range(STEPS):
            await world.step()
        await world.settle()
        await world.compare()
    finally:
        for member in world.members:
            await member.store.close()
