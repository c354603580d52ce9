"""Generations: the engine's whole configuration as directories, and which of them is `current`.

Invariant: a generation that has been written never changes, `current` always leads to a complete one, and
both are on disk before they are relied on. Files are 0600 and directories 0700; where the engine has an account of its
own, its group may read them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pointsman.compiler.plan import Plan
from pointsman.engine.haproxy.account import Account
from pointsman.private_file import sync

CONFIGURATION = "haproxy.cfg"
_DESCRIPTION = re.compile(r"^ +description .*$", re.MULTILINE)
_MANIFEST = "manifest.json"
_KEPT = 3
_SYNC_WHOLE = 16
"""Above so many new files one sync of the whole system is quicker than one of each file."""


def text_of(plan: Plan, number: int) -> str:
    """The configuration file of a generation: the plan's, with `description` naming the generation."""
    text, found = _DESCRIPTION.subn(f"    description generation-{number}", plan.text(), count=1)
    if not found:
        raise ValueError(
            "the plan has no `description` line in `global`, by which its generation could be recognised"
        )
    return text


def files_of(plan: Plan) -> Mapping[str, bytes]:
    """Every file of a plan but the configuration itself: path below the generation -> content."""
    return {
        **plan.files,
        **plan.certificates,
        **{path: _lines(entries) for path, entries in plan.certificate_lists.items()},
        **{path: _lines(f"{key} {value}" for key, value in pairs) for path, pairs in plan.maps.items()},
    }


def digest_of(plan: Plan) -> str:
    """A fingerprint of what the engine loads, the same for the same plan in every generation."""
    fingerprints = {path: _fingerprint(content) for path, content in files_of(plan).items()}
    return _digest(plan, fingerprints)


class Generations:
    """The generations below one directory (HOME/engine). All methods block on the disk."""

    def __init__(self, directory: Path, account: Account | None = None, *, durable: bool = True) -> None:
        """`durable` false is for generations that nobody relies on after a loss of power."""
        self.directory = directory
        self._account = account
        self._durable = durable

    def path(self, number: int) -> Path:
        """A generation's directory."""
        return self.directory / f"gen-{number}"

    def current(self) -> int:
        """The number of the generation that `current` leads to; 0 when there is none."""
        try:
            number = int((self.directory / "current").readlink().name.removeprefix("gen-"))
        except (OSError, ValueError):
            return 0
        return number if (self.path(number) / CONFIGURATION).exists() else 0

    def write(self, plan: Plan) -> int:
        """Writes a plan as a new generation and returns its number. Raises OSError.

        A file equal to one of the current generation becomes a link to it, so that a thousand certificates
        are not written again for the change of one.
        """
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        try:
            self._write(plan, number)
        except BaseException:
            self.remove(number)
            raise
        return number

    def _write(self, plan: Plan, number: int) -> None:
        directory = self.path(number)
        directory.mkdir(mode=0o700)
        former = self.path(self.current())
        former_files = self._manifest(self.current()).get("files", {})
        files = files_of(plan)
        fingerprints = {path: _fingerprint(content) for path, content in files.items()}
        fresh = []
        for path, content in files.items():
            target = directory / path
            if not target.parent.exists():
                target.parent.mkdir(mode=0o700, parents=True)
            if former_files.get(path) == fingerprints[path]:
                with contextlib.suppress(OSError):
                    os.link(former / path, target)
                    continue
            _write(target, content)
            fresh.append(target)
        manifest = {
            "digest": _digest(plan, fingerprints),
            "files": fingerprints,
            "listeners": [[listener.address, listener.port] for listener in plan.listeners],
        }
        _write(directory / CONFIGURATION, text_of(plan, number).encode())
        _write(directory / _MANIFEST, json.dumps(manifest).encode())
        fresh += [directory / CONFIGURATION, directory / _MANIFEST]
        if self._account is not None:
            directories = {directory, *((directory / path).parent for path in files)}
            for target in (*fresh, *directories):  # links are shared already
                self._account.share(target)
        if not self._durable:
            return
        if len(fresh) > _SYNC_WHOLE:
            os.sync()
        else:
            for target in (*fresh, *{file.parent for file in fresh}):
                sync(target)

    def remove(self, number: int) -> None:
        """Deletes a generation that never came into force."""
        shutil.rmtree(self.path(number), ignore_errors=True)

    def point(self, number: int) -> None:
        """Makes `current` lead to a generation, or to nothing with 0; on disk when it returns."""
        link = self.directory / "current"
        if number == 0:
            link.unlink(missing_ok=True)
        else:
            new = self.directory / "current.new"
            new.unlink(missing_ok=True)
            new.symlink_to(f"gen-{number}")
            new.rename(link)
        sync(self.directory)

    def digest(self, number: int) -> str:
        """The fingerprint recorded with a generation, "" when there is none."""
        return str(self._manifest(number).get("digest", ""))

    def listeners(self, number: int) -> frozenset[tuple[str, int]]:
        """The addresses and ports that a generation binds."""
        return frozenset(
            (str(address), int(port)) for address, port in self._manifest(number).get("listeners", ())
        )

    def prune(self, keep: Iterable[int] = ()) -> None:
        """Deletes all but the last three generations, the current one and those to `keep`."""
        kept = {*sorted(self._numbers())[-_KEPT:], self.current(), *keep}
        for number in set(self._numbers()) - kept:
            shutil.rmtree(self.path(number), ignore_errors=True)

    def _numbers(self) -> tuple[int, ...]:
        names = (path.name.removeprefix("gen-") for path in self.directory.glob("gen-*"))
        return tuple(int(name) for name in names if name.isdigit())

    def _manifest(self, number: int) -> Mapping[str, Any]:
        try:
            content = json.loads((self.path(number) / _MANIFEST).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _digest(plan: Plan, fingerprints: Mapping[str, str]) -> str:
    whole = hashlib.sha256(text_of(plan, 0).encode())
    for path, fingerprint in sorted(fingerprints.items()):
        whole.update(f"\0{path}\0{fingerprint}".encode())
    return whole.hexdigest()


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
