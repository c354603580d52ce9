"""Backups at set times, and how many of them are kept.

Invariant: one backup for each time that was set, whatever the clock does meanwhile (the name of a backup is its time,
and the last one is remembered on the disk); only backups that the schedule made here are ever deleted by it.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pointsman.backup.shelf import Kept
from pointsman.control.error import CannotStore, ControlError
from pointsman.private_file import write_private
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.store import Author

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_KEPT = 500
PREFIX = "scheduled-"
PERIOD = 20.0
"""Seconds between two looks at the clock."""
RETRY = 900.0
"""Seconds until a backup that failed is tried again."""
_FILE = Path("backups") / "schedule.json"
_ALWAYS_KEPT = 3
_DAY = 86_400
_AUTHOR = Author("", "", "product")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """When a backup is made (`day` counts for weekly ones; `time` is HH:MM in UTC), and what is kept of those: the last
    `keep`, and of them none older than `days` (0: however old they are).
    """

    every: Literal["off", "daily", "weekly"] = "off"
    day: str = "sunday"
    time: str = "02:00"
    keep: int = 7
    days: int = 0
    secrets: bool = True

    @property
    def period(self) -> int:
        """Seconds from one to the next."""
        return 7 * _DAY if self.every == "weekly" else _DAY

    def slot(self, now: float) -> int:
        """The last set time that is not after `now`, in Unix seconds."""
        hours, minutes = map(int, self.time.split(":"))
        offset = hours * 3600 + minutes * 60
        if self.every == "weekly":  # 1970 began with a Thursday
            offset += (DAYS.index(self.day) - DAYS.index("thursday")) % len(DAYS) * _DAY
        return (int(now) - offset) // self.period * self.period + offset


def read_schedule(data: Mapping[str, Any], base: Schedule) -> Schedule:
    """`base` with what `data` sets. Raises `Invalid`."""
    problems: list[Problem] = []
    checks: dict[str, tuple[Callable[[Any], bool], str]] = {
        "every": (lambda value: value in ("off", "daily", "weekly"), "must be off, daily or weekly"),
        "day": (lambda value: value in DAYS, f"must be one of {', '.join(DAYS)}"),
        "time": (
            lambda value: isinstance(value, str) and _is_time(value),
            "must be a time in UTC, like 02:00",
        ),
        "keep": (
            lambda value: type(value) is int and 1 <= value <= MOST_KEPT,
            f"must be from 1 to {MOST_KEPT}",
        ),
        "days": (
            lambda value: type(value) is int and 0 <= value <= 36_500,
            "must be from 0 (any age) to 36500",
        ),
        "secrets": (lambda value: isinstance(value, bool), "must be true or false"),
    }
    for name, value in data.items():
        if name not in checks:
            problems.append(
                Problem(None, ("schedule", name), "json.unknown_property", "is unknown; remove it")
            )
        elif not checks[name][0](value):
            problems.append(
                Problem(None, ("schedule", name), "value.invalid", f"{checks[name][1]}; change it")
            )
    if problems:
        raise Invalid(tuple(problems))
    return Schedule(**{**asdict(base), **data})


def _is_time(text: str) -> bool:
    return re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text) is not None


def due(schedule: Schedule, last: int, now: float) -> int | None:
    """The time that a backup is due for, which is past; None when there is none. `last` is the one made last."""
    slot = schedule.slot(now)
    return slot if schedule.every != "off" and slot > last else None


def name_of(slot: int) -> str:
    """The backup of a set time."""
    return PREFIX + datetime.datetime.fromtimestamp(slot, datetime.UTC).strftime("%Y-%m-%d-%H%M")


def superfluous(schedule: Schedule, backups: Iterable[Kept], uuid: str, now: float) -> tuple[str, ...]:
    """Names of the backups that are not to be kept."""
    ours = [
        kept
        for kept in backups
        if kept.manifest.scheduled and kept.manifest.uuid == uuid and kept.name.startswith(PREFIX)
    ]
    newest = sorted(ours, key=lambda kept: (kept.manifest.time, kept.name), reverse=True)
    old = now - schedule.days * _DAY if schedule.days else float("-inf")
    return tuple(
        kept.name
        for number, kept in enumerate(newest)
        if number >= schedule.keep or (number >= _ALWAYS_KEPT and kept.manifest.time < old)
    )


class Keeper(Protocol):
    """What makes and deletes backups."""

    async def list(self) -> Sequence[Kept]:
        """All backups."""

    async def create(
        self,
        actor: Author,
        name: str,
        description: str = "",
        *,
        secrets: bool = True,
        scheduled: bool = False,
    ) -> Kept:
        """Makes one."""

    async def delete(self, actor: Author, name: str) -> None:
        """Deletes one."""


class Scheduler:
    """The schedule of one instance, and what carries it out."""

    def __init__(
        self,
        home: Path,
        keeper: Keeper,
        uuid: str,
        on_event: Callable[[Event], None],
        clock: Callable[[], float],
    ) -> None:
        self._file = home / _FILE
        self._keeper = keeper
        self._uuid = uuid
        self._on_event = on_event
        self._clock = clock
        self._told = 0
        self._again = 0.0
        self.failure = ""
        """Why the last backup that was due could not be made; "" when it could."""
        self.schedule, self._last = self._read()

    @property
    def next(self) -> int:
        """When the next backup is due, in Unix seconds; 0 for never."""
        return 0 if self.schedule.every == "off" else self.schedule.slot(self._clock()) + self.schedule.period

    def set(self, actor: Author, schedule: Schedule) -> None:
        """Follows another schedule from now on; the time that is past already does not count. Raises `CannotStore`."""
        last = schedule.slot(self._clock())
        try:
            self._write(schedule, last)
        except OSError as error:
            raise CannotStore(
                f"the schedule was not stored ({error.strerror or error}); free space, then repeat"
            ) from error
        self.schedule, self._last, self.failure, self._again = schedule, last, "", 0.0
        when = "switched off" if schedule.every == "off" else f"{schedule.every}, at {schedule.time} UTC"
        where = f" from {actor.address}" if actor.address else ""
        text = f"the schedule of backups is {when}; set at {actor.surface_name}{where}"
        self._on_event(Event("general", "audit", Severity.INFO, None, text, author=actor.name))

    async def run(self) -> None:
        """Follows the schedule for ever."""
        while True:
            await self.look()
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Makes the backup that is due, and deletes those that are not to be kept."""
        schedule, now = self.schedule, self._clock()
        if self._last > now + schedule.period:
            # The clock was ahead when the last one was made. What is past now was made, or is not missed.
            self._remember(schedule.slot(now))
        slot = due(schedule, self._last, now)
        if slot is None or (slot == self._told and now < self._again):
            return
        name = name_of(slot)
        try:
            if name not in {kept.name for kept in await self._keeper.list()}:
                await self._keeper.create(
                    _AUTHOR, name, f"made {schedule.every}", secrets=schedule.secrets, scheduled=True
                )
        except (ControlError, Invalid, OSError) as error:
            self._fail(slot, now, f"the scheduled backup {name} could not be made: {error}")
            return
        self.failure = ""
        self._remember(slot)
        self._on_event(
            Event("general", "backupmade", Severity.INFO, None, f"the scheduled backup {name} was made")
        )
        await self._tidy(schedule, now)

    async def _tidy(self, schedule: Schedule, now: float) -> None:
        try:
            for name in superfluous(schedule, await self._keeper.list(), self._uuid, now):
                await self._keeper.delete(_AUTHOR, name)
        except (ControlError, OSError) as error:
            _log.warning("old backups cannot be deleted: %s", error)

    def _fail(self, slot: int, now: float, text: str) -> None:
        self.failure, self._again = text, now + RETRY
        if slot != self._told:
            self._told = slot
            self._on_event(Event("general", "backupfailed", Severity.SERIOUS, None, text))

    def _remember(self, slot: int) -> None:
        self._last = slot
        try:
            self._write(self.schedule, slot)
        except OSError as error:
            # After a restart the name of the backup says that it was made.
            _log.warning("%s cannot be written (%s); free space", self._file, error.strerror)

    def _write(self, schedule: Schedule, last: int) -> None:
        write_private(self._file, json.dumps({"schedule": asdict(schedule), "last": last}, indent=1).encode())

    def _read(self) -> tuple[Schedule, int]:
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
            return read_schedule(data["schedule"], Schedule()), int(data["last"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError, Invalid) as error:
            _log.warning(
                "%s cannot be read (%s); no backups are made until a schedule is set", self._file, error
            )
        return Schedule(), 0
