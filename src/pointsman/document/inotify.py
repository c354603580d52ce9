"""Tells that something moved in directories, by Linux's inotify, so that a watcher need not wait for its next look.

Invariant: it is a hint and nothing more. Where inotify gives none (network mounts, a bind-mounted file, a limit
reached, another system), nothing fails and nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterable

_MOVED = 0x02 | 0x04 | 0x08 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
"""IN_MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF; see inotify(7)."""
_ONLY_DIRECTORIES = 0x0100_0000
MOST_DIRECTORIES = 1000
"""Directories that are watched at most; those beyond are left to the looks (a user has 8192 watches by default)."""


class Inotify:
    """Watches for movement in the directories last given; needs the running event loop, ended by `close`."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self._watched: dict[str, int] = {}
        self._descriptor = -1
        # Called by ctypes: Python's library has no inotify, and a package for it would bring a thread and its own idea
        # of links and of directories that come and go.
        with contextlib.suppress(OSError, AttributeError):
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._drain)

    def watch(self, directories: Iterable[str]) -> None:
        """Watches exactly these directories; those that cannot be watched are passed over."""
        if self._descriptor < 0:
            return
        wanted = set(sorted(directories)[:MOST_DIRECTORIES])
        for path in self._watched.keys() - wanted:
            self._libc.inotify_rm_watch(self._descriptor, self._watched.pop(path))
        for path in wanted:
            # Asked for again and again, because another directory may have taken the name: the same one costs nothing.
            found = self._libc.inotify_add_watch(
                self._descriptor, os.fsencode(path), _MOVED | _ONLY_DIRECTORIES
            )
            former = self._watched.pop(path, found)
            if former not in (found, *self._watched.values()):
                self._libc.inotify_rm_watch(self._descriptor, former)  # of a directory that was moved away
            if found >= 0:
                self._watched[path] = found

    async def wait(self, seconds: float) -> bool:
        """Waits for movement since the last call, at most `seconds`; says whether there was any."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        moved = self._moved.is_set()
        self._moved.clear()
        return moved

    def close(self) -> None:
        """Ends the watching."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._descriptor, 65_536):
                self._moved.set()
