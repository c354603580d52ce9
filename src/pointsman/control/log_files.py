"""The log files of an instance, to be looked at: which there are, their last lines, and their content.

Invariant: only plain files directly in the log directory whose names end in ".log" are opened, never through a link;
what is read at once is bounded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 2 * 1024 * 1024
"""What is looked through for lines."""
DOWNLOAD_BYTES = 256 * 1024 * 1024
"""What is given away of a file at most: its end."""
EVENTS = "events.log"
"""The one that tells of logins, and of who changed what."""
_CHUNK = 1 << 18
_WHAT = {
    EVENTS: "What happened: changes, health of nodes, logins, and trouble.",
    "haproxy.log": "What the traffic engine said: starts, reloads, and what it refused.",
    "keepalived.log": "What the keeper of traffic IPs said.",
}


@dataclass(frozen=True)
class LogFile:
    """A file: its size in bytes, Unix time of the last change, and what is in it."""

    name: str
    size: int
    changed: float
    what: str


@dataclass(frozen=True)
class Tail:
    """The last lines that match, oldest first; `searched` bytes were looked through, `whole` if that was all."""

    lines: tuple[str, ...]
    matches: int
    searched: int
    whole: bool


class LogFiles:
    """Reads the files of one directory. Its methods block: call them in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def files(self) -> tuple[LogFile, ...]:
        """The files there are, by name."""
        try:
            entries = sorted(os.scandir(self._directory), key=lambda entry: entry.name)
        except OSError:
            return ()
        found = []
        for entry in entries:
            if not entry.name.endswith(".log") or not entry.is_file(follow_symlinks=False):
                continue
            seen = entry.stat(follow_symlinks=False)
            found.append(LogFile(entry.name, seen.st_size, seen.st_mtime, _WHAT.get(entry.name, "")))
        return tuple(found)

    def tail(self, name: str, words: str, most: int) -> Tail:
        """The last `most` lines with all of the words (their case does not matter). Raises FileNotFoundError."""
        descriptor, size = self._open(name)
        with os.fdopen(descriptor, "rb") as file:
            begin = max(0, size - TAIL_BYTES)
            file.seek(begin)
            content = file.read(size - begin)
        if begin:
            content = content.partition(b"\n")[2]
        wanted = words.lower().split()
        lines = content.decode(errors="replace").split("\n")
        found = [line for line in lines if line and all(word in line.lower() for word in wanted)]
        return Tail(tuple(found[-most:]), len(found), size - begin, begin == 0)

    def content(self, name: str) -> tuple[int, Iterator[bytes]]:
        """Size and content of a file as it is now, of a very long one its end. Raises FileNotFoundError."""
        descriptor, size = self._open(name)
        begin = max(0, size - DOWNLOAD_BYTES)
        return size - begin, _pieces(descriptor, begin, size - begin)

    def _open(self, name: str) -> tuple[int, int]:
        if name not in {file.name for file in self.files()}:
            raise FileNotFoundError(name)
        try:
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise FileNotFoundError(name) from error
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            os.close(descriptor)
            raise FileNotFoundError(name)
        return descriptor, seen.st_size


def _pieces(descriptor: int, begin: int, length: int) -> Iterator[bytes]:
    """Exactly `length` bytes, with line ends where a file was cut short meanwhile."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(begin)
        while length > 0:
            piece = file.read(min(_CHUNK, length)) or b"\n" * min(_CHUNK, length)
            length -= len(piece)
            yield piece
