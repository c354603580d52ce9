"""Finds the files of a configuration directory: its documents, and what documents refer to by
`valueFrom.fileRef`.

Invariant: nothing outside the base directory is read on a document's word. Symbolic links are followed as
long as they end inside it, which is how projected Kubernetes volumes (`name -> ..data/name ->
..2026_01_01/name`) look.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DOCUMENT_LIMIT = 10_000
"""Documents of one directory."""


class Unreadable(Exception):
    """A file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """Documents in the order they apply, and the directory that their references are relative to. With `root` (that
    directory without links in its path) the documents themselves must lie below it too.
    """

    base: Path
    files: tuple[Path, ...]
    root: Path | None = None


def find_documents(path: Path) -> Source:
    """The documents of a directory (`path/config/*`, or `path/*` when there is no `config`), or the one file
    `path`.

    Names that begin with a dot and directories are left out; order is by name. A single file's references are
    relative to its directory, or to that directory's parent when it is called `config`. Raises `Unreadable`.
    """
    if _is_directory(path):
        return Source(path, _documents_in(path / "config" if _is_directory(path / "config") else path))
    if not path.exists():
        raise Unreadable(f"{path} does not exist; name a document or a directory of documents")
    parent = path.absolute().parent
    return Source(parent.parent if parent.name == "config" else parent, (path,))


def find_import(base: Path, names: Sequence[str] = ("config",)) -> Source:
    """The documents that an import of `base` applies: the files of each directory in `names`, or the files that
    `names` names, all relative to `base`, which references are relative to as well.

    Unlike `find_documents` nothing is guessed: a base directory without `config` is a fault, and documents that are
    links out of the base directory are refused, because the importer reads with more rights than their author may
    have. Raises `Unreadable`.
    """
    if not _is_directory(base):
        what = "is not a directory" if base.exists() else "does not exist"
        raise Unreadable(f"the base directory {base} {what}; name the directory that holds config/")
    root = _real(base)
    files: list[Path] = []
    for name in names:
        path = _below(base, name)
        if _is_directory(path):
            if not _real(path).is_relative_to(root):
                raise Unreadable(f"{path} is a link out of the base directory; put the documents into it")
            files.extend(_documents_in(path))
        elif path.exists():
            files.append(path)
        else:
            raise Unreadable(f'{base} holds no "{name}"; put the documents into the directory {base}/{name}')
    if len(files) > DOCUMENT_LIMIT:
        raise Unreadable(f"{base} has more than {DOCUMENT_LIMIT} documents; join some")
    return Source(base, tuple(files), root)


def _documents_in(folder: Path) -> tuple[Path, ...]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and not _leads_to_directory(entry)
            ]
    except OSError as error:
        raise Unreadable(f"{folder} cannot be read ({error.strerror}); check path and permissions") from None
    if not names:
        raise Unreadable(f"{folder} holds no documents; put YAML or JSON files there")
    if len(names) > DOCUMENT_LIMIT:
        raise Unreadable(
            f"{folder} holds {len(names)} documents; {DOCUMENT_LIMIT} are the most, so join some"
        )
    return tuple(folder / name for name in sorted(names))


def _leads_to_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: named as a document, when it is read
        return False


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({error.strerror}); check path and permissions") from None
    except ValueError:
        raise Unreadable(f"{path} holds a NUL character; name another path") from None


def _real(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise Unreadable(f"{path} cannot be read; check path and permissions") from None


def _below(base: Path, name: str) -> Path:
    pure = PurePosixPath(name)
    if not name or "\0" in name or pure.is_absolute() or ".." in pure.parts:
        raise Unreadable(f'"{name}" leaves the base directory; write a path below it, without ".."')
    return base / pure


def read_file(path: Path, limit: int, root: Path | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes, which must lie below `root`. Raises `Unreadable`."""
    try:
        # Not blocking, so that a named pipe cannot hang us before we see that it is one.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable("is not a regular file; name a file")
            # What was opened counts: the path may have become a link since it was looked at.
            if root is not None and not Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(root):
                raise Unreadable("is a link out of the base directory; copy the file into it")
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
    below = _below(base, name)
    try:
        root = base.resolve(strict=True)
        target = below.resolve(strict=True)
    except (OSError, RuntimeError):
        raise Unreadable(f'"{name}" does not exist below {base}; check the name') from None
    if not target.is_relative_to(root):
        raise Unreadable(f'"{name}" is a link out of the base directory; copy the file into it')
    try:
        return read_file(target, limit, root)
    except Unreadable as error:
        raise Unreadable(f'"{name}" {error}') from None
