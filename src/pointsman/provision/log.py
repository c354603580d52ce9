"""The provision log: what provisioning did, one line an entry, in a file of mode 0600 and on standard output.

Invariant: an entry is exactly one line `LEVEL: text`, whatever the text holds; nobody but the owner can read the file;
a file that takes no more loses whole lines only, and stops nothing but what must be kept.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TextIO

Level = Literal["INFO", "WARN", "ERROR", "FATAL"]

PATH_VARIABLE = "POINTSMAN_PROVISION_LOG"
DEFAULT_PATH = Path("/var/log/provision.log")
OWN_PATH = Path("log") / "provision.log"
"""Where it is below the home when the place it belongs to cannot be written."""
LINE_LIMIT = 4000
"""Characters of an entry; what is longer is cut."""


def log_path(environment: Mapping[str, str]) -> Path:
    """Where the log belongs: the path in `POINTSMAN_PROVISION_LOG`, or the usual one."""
    return Path(environment.get(PATH_VARIABLE) or DEFAULT_PATH)


def one_line(text: str) -> str:
    """The text with everything escaped that ends a line, steers a terminal or is no character, cut to the limit."""
    cut = text if len(text) <= LINE_LIMIT else f"{text[:LINE_LIMIT]}... ({len(text)} characters)"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


class ProvisionLog:
    """An open log. Without a file (its place cannot be written) entries are kept until `fall_back` gives it one."""

    def __init__(self, path: Path, *, screen: TextIO | None = None) -> None:
        self.path = path
        """Where the entries go."""
        self._screen = sys.stdout if screen is None else screen
        self._waiting: list[str] = []
        self._file: int | None = None
        self._cause = ""
        self._is_full = False
        try:
            self._file = _open(path)
        except OSError as error:
            self._cause = error.strerror or str(error)

    def fall_back(self, home: Path, *, quietly: bool = False) -> None:
        """Goes on in HOME/log when the log's own place cannot be written, and says so. Raises `OSError`."""
        if self._file is not None:
            return
        blocked, self.path = self.path, home / OWN_PATH
        self._file = _open(self.path)
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._store(line)
        if not quietly:
            self.warn(f"{blocked} cannot be written ({self._cause}); this log is kept in {self.path}")

    def info(self, text: str) -> None:
        """Logs what was done."""
        self.entry("INFO", text)

    def warn(self, text: str) -> None:
        """Logs what somebody should look at."""
        self.entry("WARN", text)

    def error(self, text: str) -> None:
        """Logs what failed."""
        self.entry("ERROR", text)

    def fatal(self, text: str) -> None:
        """Logs why the start ends."""
        self.entry("FATAL", text)

    def keep(self, text: str) -> None:
        """Logs what must not be lost. Raises `OSError`, which names the file, when it cannot be written."""
        self._say(f"INFO: {one_line(text)}\n")
        self._store(f"INFO: {one_line(text)}\n")

    def entry(self, level: Level, text: str) -> None:
        """Logs one line; it is on the screen alone when the file takes no more, and the other way round."""
        line = f"{level}: {one_line(text)}\n"
        self._say(line)
        try:
            self._store(line)
        except OSError as error:
            if not self._is_full:
                self._say(f"WARN: {self.path} cannot be written ({error.strerror}); free space\n")
            self._is_full = True

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            self._screen.write(_speakable(line, self._screen))
            self._screen.flush()

    def _store(self, line: str) -> None:
        if self._file is None:
            self._waiting.append(line)
            return
        try:
            _write(self._file, line)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None


def _open(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, line: str) -> None:
    content = line.encode("utf-8", "backslashreplace")
    before = os.fstat(descriptor)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError:
        if stat.S_ISREG(before.st_mode):
            os.ftruncate(descriptor, before.st_size)  # half a line would swallow the next one
        raise


def _speakable(line: str, screen: TextIO) -> str:
    encoding = screen.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)
