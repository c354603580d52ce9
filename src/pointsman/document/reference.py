"""Finds the files of a configuration directory: its documents, and what documents refer to by
`valueFrom.fileRef`.

Invariant: nothing outside the base directory is read on a document's word. Symbolic links are followed as
long as they end inside it, which is how projected Kubernetes volumes (`name -> ..data/name ->
..2026_01_01/name`) look.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class Unreadable(Exception):
    """A file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """Documents in the order they apply, and the directory that their references are relative to."""

    base: Path
    files: tuple[Path, ...]


def find_documents(path: Path) -> Source:
    """The documents of a directory (`path/config/*`, or `path/*` when there is no `config`), or the one file
    `path`.

    Names that begin with a dot and directories are left out; order is by name. A single file's references are
    relative to its directory, or to that directory's parent when it is called `config`. Raises `Unreadable`.
    """
    try:
        if path.is_dir():
            folder = path / "config" if (path / "config").is_dir() else path
            files = sorted(
                (
                    entry
                    for entry in folder.iterdir()
                    if not entry.name.startswith(".") and not entry.is_dir()
                ),
                key=lambda entry: entry.name,
            )
            if not files:
                raise Unreadable(f"{folder} holds no documents; put YAML or JSON files there")
            return Source(path, tuple(files))
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror}); check path and permissions") from None
    if not path.exists():
        raise Unreadable(f"{path} does not exist; name a document or a directory of documents")
    parent = path.absolute().parent
    return Source(parent.parent if parent.name == "config" else parent, (path,))


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Raises `Unreadable`."""
    try:
        # Not blocking, so that a named pipe cannot hang us before we see that it is one.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable("is not a regular file; name a file")
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                content = stream.read(limit + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror}); check path and permissions") from None
    if len(content) > limit:
        raise Unreadable(f"is larger than {limit} bytes; make it smaller")
    return content


def read_reference(base: Path, name: str, limit: int) -> bytes:
    """The file `name` below `base`. Raises `Unreadable`, also for every way out of `base`."""
    pure = PurePosixPath(name)
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts:
        raise Unreadable(f'"{name}" leaves the base directory; write a path below it, without ".."')
    try:
        root = base.resolve(strict=True)
        target = (root / pure).resolve(strict=True)
    except (OSError, RuntimeError):
        raise Unreadable(f'"{name}" does not exist below {base}; check the name') from None
    if not target.is_relative_to(root):
        raise Unreadable(f'"{name}" is a link out of the base directory; copy the file into it')
    try:
        return read_file(target, limit)
    except Unreadable as error:
        raise Unreadable(f'"{name}" {error}') from None
