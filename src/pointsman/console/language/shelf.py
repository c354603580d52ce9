"""The directory of catalogs: a file CODE.po for each language, put there by the operator.

Invariant: reading never fails; what is left out is told in the log once for each version of a file. A changed file
counts for the next page, at the latest `LOOK_SECONDS` later; a directory that is not there costs a look at it.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from pathlib import Path

from pointsman.console.language.catalog import ENGLISH, MOST_BYTES, Language, language_of
from pointsman.console.language.choice import Languages
from pointsman.console.language.po import Fault

LOOK_SECONDS = 2.0
MOST_LANGUAGES = 40
MOST_TOLD = 20
"""Faults of one file that are told one by one."""
_CODE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_log = logging.getLogger("pointsman.web")

_Version = tuple[int, int, int]
"""Inode, size, and when it was changed in nanoseconds."""


class Shelf:
    """The languages there are."""

    def __init__(self, directory: Path | None = None, look_seconds: float = LOOK_SECONDS) -> None:
        """`directory` need not be there; None for English alone."""
        self._directory = directory
        self._look_seconds = look_seconds
        self._looked = float("-inf")
        self._seen: dict[str, tuple[_Version, Language]] = {}
        self._languages: dict[str, Language] = {ENGLISH.code: ENGLISH}
        self._refused: dict[str, str] = {}

    def languages(self) -> Languages:
        """All of them, English first."""
        now = time.monotonic()
        if self._directory is not None and now - self._looked >= self._look_seconds:
            self._looked = now
            self._look(self._directory)
        return self._languages

    def _look(self, directory: Path) -> None:
        try:
            names = sorted(path.name for path in directory.iterdir() if path.name.endswith(".po"))
        except OSError:
            names = []
        found: dict[str, Language] = {ENGLISH.code: ENGLISH}
        seen: dict[str, tuple[_Version, Language]] = {}
        refused: dict[str, str] = {}
        for name in names:
            code = name.removesuffix(".po").replace("_", "-")
            path = directory / name
            if (
                not _CODE.fullmatch(code)
                or code.lower() in map(str.lower, found)
                or len(found) > MOST_LANGUAGES
            ):
                refused[name] = f"its name is no code of a further language ({MOST_LANGUAGES} at most)"
                continue
            try:
                version = _version(path)
                known = self._seen.get(name)
                seen[name] = known if known and known[0] == version else (version, _read(path, code))
            except OSError as error:
                refused[name] = error.strerror or "it cannot be read"
                continue
            if seen[name][1].texts:
                found[code] = seen[name][1]
        for name, why in refused.items():
            if self._refused.get(name) != why:
                _log.warning("language left out: %s: %s", directory / name, why)
        self._seen, self._refused = seen, refused
        if found != self._languages:
            self._languages = found


def _version(path: Path) -> _Version:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path, code: str) -> Language:
    # Opened so that a pipe or a device in the directory does not hold up the pages.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            _tell(path, Fault(0, "it is no file"))
            return Language(code, code)
        content = file.read(MOST_BYTES + 1)
    language, faults = language_of(code, content)
    for fault in faults[:MOST_TOLD]:
        _tell(path, fault)
    if len(faults) > MOST_TOLD:
        _log.warning("language %s: %d more entries of %s are left out", code, len(faults) - MOST_TOLD, path)
    _log.info("language %s (%s): %d texts of %s", code, language.name, len(language.texts), path)
    return language


def _tell(path: Path, fault: Fault) -> None:
    where = f"{path}, line {fault.line}" if fault.line else str(path)
    _log.warning("translation left out: %s: %s", where, fault.text)
