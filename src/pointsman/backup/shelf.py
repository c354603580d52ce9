"""The directory that an instance keeps its backups in, HOME/backups: names, listing, files.

Invariant: a file is there whole or not at all, readable by its owner alone; no name leads out of the directory. What
has no name of ours is not touched, but drafts that a death left behind.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pointsman.backup.manifest import Manifest, decode_manifest
from pointsman.backup.tar import ArchiveRefused, first_member
from pointsman.private_file import sync, write_private

MOST = 1000
"""Backups that are kept at most."""
_ENDING = ".tar"
_KEPT = " ()+,-_=@"
_FILE_NAME_BYTES = 230
_DRAFT = re.compile(r"\..+\.tar\..+")
_HEAD = 4096
_LONGEST_HEAD = 4 * 1024 * 1024
"""Bytes in which the manifest of a backup with as many files as there may be has room."""


class NameRefused(Exception):
    """No backup can have this name; the text says why."""


@dataclass(frozen=True)
class Kept:
    """One backup: `size` in bytes; `fault` says why it cannot be read, and then `manifest` is empty."""

    name: str
    size: int
    manifest: Manifest
    fault: str = ""


def file_name(name: str) -> str:
    """The file of a backup. Raises `NameRefused`."""
    fault = ""
    if not name or name != name.strip():
        fault = "must not be empty, nor begin or end with a space"
    elif name.startswith(".") or "/" in name or "\\" in name:
        fault = "must not begin with a dot, nor hold slashes"
    elif any(unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp") for c in name):
        fault = "must not hold control characters"
    elif unicodedata.normalize("NFC", name) != name:
        fault = "must be in Unicode normal form C"
    elif len(quoted := quote(name, safe=_KEPT)) > _FILE_NAME_BYTES:
        fault = "is too long"
    if fault:
        raise NameRefused(f"the name of a backup {fault}; choose another")
    return quoted + _ENDING


class Shelf:
    """The backups below one home."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "backups"

    def open(self) -> None:
        """Makes the directory, and removes drafts. Raises `OSError`."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        for path in self.directory.iterdir():
            if _DRAFT.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Names of all backups, sorted."""
        return sorted(self._names())

    def _names(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in self.directory.iterdir():
                name = unquote(path.name.removesuffix(_ENDING), errors="replace")
                with contextlib.suppress(NameRefused):
                    if file_name(name) == path.name and path.is_file() and not path.is_symlink():
                        yield name

    def list(self) -> tuple[Kept, ...]:
        """All backups, oldest first; unreadable ones are first of all."""
        found = (self.look(name) for name in self.names())
        return tuple(
            sorted((kept for kept in found if kept), key=lambda kept: (kept.manifest.time, kept.name))
        )

    def look(self, name: str) -> Kept | None:
        """One backup by its manifest, which is all that is read; None where there is none. Raises `NameRefused`."""
        path = self.directory / file_name(name)
        try:
            if path.is_symlink():
                return None
            with path.open("rb") as file:
                size = path.stat().st_size
                head = file.read(_HEAD)
                while True:
                    try:
                        manifest = decode_manifest(first_member(head))[0]
                        return Kept(name, size, manifest)
                    except ArchiveRefused as error:
                        more = file.read(15 * len(head)) if len(head) < _LONGEST_HEAD else b""
                        if not more:
                            return Kept(name, size, Manifest(version="", level=0), str(error))
                        head += more
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def read(self, name: str) -> bytes | None:
        """The bytes of a backup; None where there is none. Raises `NameRefused`, `OSError`."""
        path = self.directory / file_name(name)
        try:
            return None if path.is_symlink() else path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Stores or replaces a backup, whole or not at all. Raises `NameRefused`, `OSError`."""
        write_private(self.directory / file_name(name), data)

    def delete(self, name: str) -> bool:
        """Deletes a backup; whether there was one. Raises `NameRefused`, `OSError`."""
        path = self.directory / file_name(name)
        if path.is_symlink() or not path.is_file():
            return False
        path.unlink()
        sync(self.directory)
        return True
