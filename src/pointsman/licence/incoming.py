"""Keys on their way into the configuration: files in HOME/licence/incoming, left there by provisioning, the configure
script and the command line, and taken by the control plane.

Invariant: a file appears whole or not at all, is read within bounds whatever it is, and goes away only when its key is
stored; what cannot be used is set aside under another name and never looked at again.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from pointsman.licence.key import SIZE_LIMIT, read_key
from pointsman.private_file import write_private

INCOMING = Path("licence") / "incoming"
"""The directory, below the home."""
_MOST_FILES = 100
_SUFFIX = ".key"


@dataclass(frozen=True)
class Dropped:
    """A file that was left: its text, or `fault` when it could not be read."""

    path: Path
    text: bytes
    fault: str = ""


def drop(home: Path, text: str | bytes) -> Path:
    """Leaves a key for the control plane, under its serial. Raises `Refused` when it is none, `OSError`.

    Whether the issuer is trusted is the caller's to ask first (`Trust.admit`); the control plane asks again.
    """
    serial = read_key(text).licence.serial
    path = home / INCOMING / f"{serial}{_SUFFIX}"
    write_private(path, text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def dropped(home: Path) -> tuple[Dropped, ...]:
    """What waits to be taken, by name; not more than `_MOST_FILES` at once."""
    try:
        paths = sorted(
            path
            for path in (home / INCOMING).iterdir()
            if path.name.endswith(_SUFFIX) and not path.name.startswith(".")
        )
    except OSError:
        return ()
    return tuple(_read(path) for path in paths[:_MOST_FILES])


def set_aside(path: Path) -> Path:
    """Renames a file that cannot be used, and gives its new name. Raises `OSError`."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", path.name.removesuffix(_SUFFIX))[:100] or "key"
    return path.rename(path.with_name(f"{name}.refused"))


def _read(path: Path) -> Dropped:
    try:
        # A pipe must not hold us up, a link must not lead us elsewhere.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Dropped(path, b"", f"it cannot be read ({error.strerror})")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Dropped(path, b"", "it is not a file")
        return Dropped(path, os.read(descriptor, SIZE_LIMIT + 1))
    except OSError as error:
        return Dropped(path, b"", f"it cannot be read ({error.strerror})")
    finally:
        os.close(descriptor)
