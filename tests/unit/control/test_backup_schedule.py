"""Backups at set times: one for each, whatever the clock and the disk do."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from pointsman.backup.manifest import Manifest
from pointsman.backup.shelf import Kept
from pointsman.control.backup_schedule import DAYS, Schedule, Scheduler, name_of, read_schedule, superfluous
from pointsman.control.error import CannotStore
from pointsman.schema.event import Event
from pointsman.schema.validate import Invalid
from pointsman.store import Author

ADMIN = Author("admin", "127.0.0.1", "ui")
DAY = 86_400


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()


class Memory:
    """Backups that are kept in memory, on a disk that may be full, under a clock that can be set."""

    def __init__(self) -> None:
        self.now = at("2026-11-29T12:00")
        self.kept: dict[str, Kept] = {}
        self.full = False

    async def list(self) -> tuple[Kept, ...]:
        return tuple(self.kept.values())

    async def create(
        self,
        actor: Author,
        name: str,
        description: str = "",
        *,
        secrets: bool = True,
        scheduled: bool = False,
    ) -> Kept:
        if self.full:
            raise CannotStore("no space left")
        manifest = Manifest(time=int(self.now), uuid="u", scheduled=scheduled)
        kept = self.kept[name] = Kept(name, 1, manifest)
        return kept

    async def delete(self, actor: Author, name: str) -> None:
        del self.kept[name]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def scheduler(home: Path, memory: Memory, events: list[Event] | None = None) -> Scheduler:
    seen: list[Event] = [] if events is None else events
    return Scheduler(home, memory, "u", seen.append, lambda: memory.now)


@pytest.mark.parametrize("day", DAYS)
def test_slots_are_at_the_day_and_time(day: str) -> None:
    weekly = Schedule("weekly", day, "13:45")
    slot = datetime.datetime.fromtimestamp(weekly.slot(at("2026-11-29T12:00")), datetime.UTC)
    assert f"{slot:%A %H:%M}".lower() == f"{day} 13:45"
    assert 0 <= at("2026-11-29T12:00") - slot.timestamp() < 7 * DAY
    assert Schedule("daily", time="02:00").slot(at("2026-11-29T01:59")) == at("2026-11-28T02:00")
    assert Schedule("daily", time="02:00").slot(at("2026-11-29T02:00")) == at("2026-11-29T02:00")


async def test_one_is_made_for_each_time(tmp_path: Path, memory: Memory) -> None:
    made = scheduler(tmp_path, memory)
    await made.look()
    assert not memory.kept
    made.set(ADMIN, Schedule("daily", time="02:00"))
    await made.look()
    assert not memory.kept, "a time that is past when the schedule is set does not count"
    for _ in range(3):
        memory.now = at("2026-11-30T02:00") + 5
        await made.look()
    assert [*memory.kept] == ["scheduled-2026-11-30-0200"]
    memory.now = at("2026-12-05T18:00")  # five days off: one is made up for
    await made.look()
    again = scheduler(tmp_path, memory)  # and after a restart
    await again.look()
    assert [*memory.kept] == ["scheduled-2026-11-30-0200", "scheduled-2026-12-05-0200"]
    assert made.next == at("2026-12-06T02:00")


async def test_a_clock_that_jumps_multiplies_nothing(tmp_path: Path, memory: Memory) -> None:
    made = scheduler(tmp_path, memory)
    made.set(ADMIN, Schedule("daily", time="02:00"))
    start = at("2026-11-30T02:00")
    for jump in (0, -3600, 60, -60, 3600, -2 * DAY, 0, 90 * DAY, 0, -DAY, 90 * DAY, 10):
        memory.now = start + jump
        for _ in range(5):
            await made.look()
            made = scheduler(tmp_path, memory)
    assert sorted(memory.kept) == ["scheduled-2026-11-30-0200", "scheduled-2027-02-28-0200"]
    memory.now = start + DAY
    await made.look()
    assert "scheduled-2026-12-01-0200" in memory.kept, "and it goes on after them"


async def test_a_full_disk_is_told_once_and_tried_again(tmp_path: Path, memory: Memory) -> None:
    events: list[Event] = []
    made = scheduler(tmp_path, memory, events)
    made.set(ADMIN, Schedule("daily", time="02:00"))
    memory.full = True
    for seconds in (0, 20, 1000, 5000):
        memory.now = at("2026-11-30T02:00") + seconds
        await made.look()
    assert [event.tag for event in events].count("backupfailed") == 1
    assert "no space" in made.failure
    memory.full, memory.now = False, memory.now + 1000
    await made.look()
    assert [*memory.kept] == ["scheduled-2026-11-30-0200"]
    assert made.failure == ""
    assert events[-1].tag == "backupmade"


async def test_a_death_between_backup_and_record_makes_no_second(tmp_path: Path, memory: Memory) -> None:
    made = scheduler(tmp_path, memory)
    made.set(ADMIN, Schedule("daily", time="02:00"))
    record = (tmp_path / "backups" / "schedule.json").read_bytes()
    memory.now = at("2026-11-30T02:00")
    await made.look()
    first = memory.kept["scheduled-2026-11-30-0200"]
    (tmp_path / "backups" / "schedule.json").write_bytes(record)
    await scheduler(tmp_path, memory).look()
    assert memory.kept["scheduled-2026-11-30-0200"] is first


def test_what_is_kept() -> None:
    now = at("2026-12-20T00:00")

    def kept(days: int, name: str = "", uuid: str = "u", scheduled: bool = True) -> Kept:
        made = int(now) - days * DAY
        return Kept(name or name_of(made), 1, Manifest(time=made, uuid=uuid, scheduled=scheduled))

    ours = [kept(days) for days in range(1, 11)]
    others = [kept(90, "by hand", scheduled=False), kept(91, uuid="other"), kept(92, "uploaded")]
    names = [one.name for one in ours]
    assert superfluous(Schedule("daily", keep=7), [*others, *ours], "u", now) == tuple(names[7:])
    assert superfluous(Schedule("daily", keep=20, days=5), [*others, *ours], "u", now) == tuple(names[5:])
    assert superfluous(Schedule("daily", keep=1), ours, "u", now) == tuple(names[1:])
    ahead = now + 1000 * DAY  # a clock that is wrong takes no more than age allows: the last three stay
    assert superfluous(Schedule("daily", keep=20, days=5), ours, "u", ahead) == tuple(names[3:])


async def test_old_ones_go_after_a_new_one(tmp_path: Path, memory: Memory) -> None:
    made = scheduler(tmp_path, memory)
    made.set(ADMIN, Schedule("daily", time="02:00", keep=2))
    await memory.create(ADMIN, "by hand")
    for day in range(5):
        memory.now = at("2026-11-30T02:00") + day * DAY
        await made.look()
    assert [*memory.kept] == ["by hand", "scheduled-2026-12-03-0200", "scheduled-2026-12-04-0200"]


BAD: list[dict[str, Any]] = [
    {"every": "hourly"}, {"day": "sunday "}, {"time": "24:00"}, {"time": "2:00"}, {"time": 7}, {"keep": 0},
    {"keep": True}, {"days": -1}, {"secrets": "no"}, {"more": 1}, {"time": "02:00\n"},
]  # fmt: skip


@pytest.mark.parametrize("data", BAD, ids=str)
def test_what_is_no_schedule_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read_schedule(data, Schedule())


def test_a_damaged_record_makes_nothing(tmp_path: Path, memory: Memory) -> None:
    (tmp_path / "backups").mkdir()
    for text in ("", "{", "[]", '{"schedule": {"every": 7}, "last": 0}', '{"schedule": {}, "last": "x"}'):
        (tmp_path / "backups" / "schedule.json").write_text(text)
        assert scheduler(tmp_path, memory).schedule == Schedule()
