"""Whether there is room on the disk of the instance's home, as a remark on its traffic manager.

Invariant: what every surface says of a full disk comes from here; it is asked of the file system at that moment, and an
answer that it does not give is no remark.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId

LEAST_FREE = 64 * 1024 * 1024
"""Bytes with which nothing can be stored soon."""
LITTLE_FREE = 512 * 1024 * 1024
LOW = "disk.low"
FULL = "disk.full"
"""The codes of the remarks: little room, and so little that it counts as an error."""


@dataclass(frozen=True)
class Disk:
    """The file system of the instance's home, in bytes."""

    path: str
    free: int
    total: int


def disk_of(home: Path) -> Disk | None:
    """The file system that the instance writes to; None where it cannot be asked."""
    with contextlib.suppress(OSError):
        usage = shutil.disk_usage(home)
        return Disk(str(home), usage.free, usage.total)
    return None


def disk_conditions(disk: Disk | None, traffic_manager: str) -> tuple[Condition, ...]:
    """What has to be said of it; nothing while there is room."""
    if disk is None or disk.free >= LITTLE_FREE:
        return ()
    text = (
        f"{disk.free // 1_000_000} MB are free where {disk.path} is; free space there: "
        "changes and events are refused once it is full"
    )
    code = FULL if disk.free < LEAST_FREE else LOW
    return (Condition(ObjectId("traffic_managers", traffic_manager), Standing.WARNING, code, text),)
