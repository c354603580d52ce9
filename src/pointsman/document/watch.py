"""Notices that anything below a directory changed, wherever it lies: a local disk, a network mount, a projected volume.

Each second the names, sizes, times and inodes below the directory make a digest; inotify, where it works, only says
when to look earlier. Invariant: what looks the same is the same; hidden entries count only where a link leads to them,
which is how `..data` of Kubernetes is swapped.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pointsman.document.inotify import Inotify

LOOK_SECONDS = 1.0
QUIET_SECONDS = 0.3
"""How long nothing must have moved before a change is told: documents are seldom written at one stroke."""
MOST_SECONDS = 1.0
"""How long quiet is waited for at most."""
REST_SECONDS = 0.1
"""How long a movement that changed nothing is rested from: somebody may write to a hidden file all the time."""
MOST_DEPTH = 100
"""Directories within directories that are entered; nothing can be referred to beyond that."""
CONTENT_LIMIT = 64 * 1024 * 1024
"""Bytes whose content counts in `content_digest`; of what lies beyond, size and time do."""


@dataclass(frozen=True)
class Look:
    """What a directory looked like: a digest of all below it, and the directories that were read."""

    digest: bytes
    directories: tuple[str, ...]


def look(root: Path) -> Look:
    """Looks at everything below `root`. A missing or unreadable place is part of the look, not an error."""
    digest = hashlib.blake2b(digest_size=16)
    directories: list[str] = []
    for name, status in _walk(root):
        if isinstance(status, str):
            facts: tuple[str | int, ...] = (status,)
        elif stat.S_ISDIR(status.st_mode):
            directories.append(str(root / name) if name else str(root))
            facts = (status.st_dev, status.st_ino, status.st_mode)
        else:
            times = status.st_mtime_ns, status.st_ctime_ns
            facts = (status.st_dev, status.st_ino, status.st_mode, status.st_size, *times)
        digest.update(repr((name, facts)).encode())
    return Look(digest.digest(), tuple(directories))


def content_digest(root: Path) -> str:
    """A digest, in hexadecimal, of the names below `root` and of what the files hold: the same after a copy."""
    digest = hashlib.sha256()
    left = CONTENT_LIMIT
    for name, status in _walk(root):
        digest.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        if isinstance(status, str):
            digest.update(status.encode())
        elif stat.S_ISREG(status.st_mode) and status.st_size <= left:
            left -= status.st_size
            content = _content(root / name if name else root, status.st_size)
            digest.update(hashlib.sha256(content).digest())
        elif not stat.S_ISDIR(status.st_mode):
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def _content(path: Path, size: int) -> bytes:
    """At most `size` bytes of a file, because those of the kernel never end; or why it cannot be read."""
    try:
        # Not blocking: where a file was a moment ago may be a pipe now.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(size)
        finally:
            os.close(descriptor)
    except OSError as error:
        return str(error.strerror).encode()


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result | str]]:
    """Everything below `root` by its name there, "" for itself, in order: what it is, or why that cannot be told.

    Links are followed, to a directory only as long as it lies below `root`. Each directory is entered once, by the
    first name that leads to it, so that links among a few directories cannot make a forest of them.
    """
    try:
        status = root.stat()
        inside = os.path.realpath(root)
    except OSError as error:
        yield "", str(error.strerror)
        return
    yield "", status
    if stat.S_ISDIR(status.st_mode):
        yield from _below(str(root), "", inside, {(status.st_dev, status.st_ino): ""})


def _below(
    root: str, folder: str, inside: str, entered: dict[tuple[int, int], str], depth: int = 1
) -> Iterator[tuple[str, os.stat_result | str]]:
    path = os.path.join(root, folder) if folder else root  # noqa: PTH118 # ten thousand names a second
    try:
        with os.scandir(path) as found:
            entries = sorted(
                (entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
    except OSError as error:
        yield folder, str(error.strerror)
        return
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        try:
            status = entry.stat()
        except OSError as error:  # a link that leads nowhere, a loop of links, a file that has just gone
            yield name, str(error.strerror)
            continue
        here = (status.st_dev, status.st_ino)
        if here in entered and stat.S_ISDIR(status.st_mode):
            yield name, f"is {entered[here]}/"
            continue
        yield name, status
        if not stat.S_ISDIR(status.st_mode) or depth >= MOST_DEPTH:
            continue
        if entry.is_symlink() and not _is_below(os.path.realpath(entry.path), inside):
            continue
        entered[here] = name
        yield from _below(root, name, inside, entered, depth + 1)


def _is_below(path: str, inside: str) -> bool:
    return path == inside or path.startswith(inside.rstrip("/") + "/")


class Watcher:
    """Waits for changes below `root`, which need not exist yet; an asynchronous context."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: Look | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Watcher:
        self._inotify = Inotify()
        self._stack.callback(self._inotify.close)
        await self.mark()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def mark(self) -> None:
        """Takes what is there now as known."""
        self._seen = await self._look()

    async def change(self) -> None:
        """Returns once something differs from what is known and nothing moved for a moment; it is known then."""
        while True:
            await self._inotify.wait(LOOK_SECONDS)
            now = await self._look()
            if now != self._seen:
                self._seen = await self._settled(now)
                return
            await asyncio.sleep(REST_SECONDS)

    async def _settled(self, now: Look) -> Look:
        until = time.monotonic() + MOST_SECONDS
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(QUIET_SECONDS, left))
            later = await self._look()
            if later == now:
                break
            now = later
        return now

    async def _look(self) -> Look:
        found = await asyncio.to_thread(look, self._root)
        self._inotify.watch(found.directories)
        return found
