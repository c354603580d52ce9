"""What an instance keeps on its disk beside the configuration, and which of it may go.

Invariant: only what is listed as spare is deleted, by its name in that list; configuration, identity, keys and what the
engine runs from are never among it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman.control.control import Control
from pointsman.control.error import CannotStore, Forbidden
from pointsman.schema.event import Event, Severity
from pointsman.store import Author

_FORMER = re.compile(r"[a-z]+\.log\.[0-9]+")
_ENGINES = re.compile(r"(haproxy|keepalived)\.log")


@dataclass(frozen=True)
class Log:
    """A log, or a former part of one. A former one is `spare` and can go; an engine's own can be emptied."""

    name: str
    size: int
    spare: bool
    former: bool


@dataclass(frozen=True)
class DiskUse:
    """Bytes: of the whole file system, and of what the instance keeps."""

    total: int
    free: int
    logs: tuple[Log, ...]
    history: int
    configuration: int


async def disk_use(home: Path) -> DiskUse:
    """How the disk below an instance's home is used."""
    return await asyncio.to_thread(_look, home)


async def delete_logs(control: Control, home: Path, actor: Author, names: Sequence[str]) -> None:
    """Deletes former logs, and empties those that an engine writes. Raises `Forbidden`, `CannotStore`."""
    spare = {log.name: log for log in (await disk_use(home)).logs if log.spare}
    for name in names:
        if name not in spare:
            raise Forbidden(f'"{name[:80]}" is no log that may be deleted; choose one of the list')
    try:
        await asyncio.to_thread(_delete, home / "log", [spare[name] for name in names])
    except OSError as error:
        raise CannotStore(
            f"a log was not deleted ({error.strerror}); repair the disk, then repeat"
        ) from error
    text = f"deleted the logs {', '.join(names)}"
    control.record(Event("general", "audit", Severity.INFO, None, text, author=actor.name))


def _look(home: Path) -> DiskUse:
    usage = shutil.disk_usage(home)
    history = sum(_size(path) for path in home.glob("telemetry.db*"))
    configuration = sum(_size(path) for path in (home / "store").rglob("*"))
    return DiskUse(usage.total, usage.free, tuple(_logs(home / "log")), history, configuration)


def _logs(directory: Path) -> Iterator[Log]:
    with contextlib.suppress(OSError):
        for path in sorted(directory.iterdir()):
            if path.is_symlink() or not path.is_file():
                continue
            former = _FORMER.fullmatch(path.name) is not None
            spare = former or _ENGINES.fullmatch(path.name) is not None
            yield Log(path.name, _size(path), spare, former)


def _delete(directory: Path, logs: Sequence[Log]) -> None:
    for log in logs:
        if log.former:
            (directory / log.name).unlink(missing_ok=True)
        else:
            # Engines append, so it can be emptied under them.
            os.truncate(directory / log.name, 0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() and not path.is_symlink() else 0
    except OSError:
        return 0
