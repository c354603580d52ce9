"""Clears an instance: stops the software and removes all that its home holds.

Invariant: a mark (HOME/provision/clearing) is there from before the first file goes until after the last one went, and
nothing runs meanwhile (HOME/hold); so whatever is cut short is finished by the next run, and never started half empty.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pointsman.private_file import sync, write_private
from pointsman.provision.configure import software
from pointsman.provision.order import CLEARING, Order, write_order

_KEPT: Mapping[str, frozenset[str]] = MappingProxyType({
    "": frozenset({"hold", "provision", "run"}),
    "run": frozenset({"launcher.lock", "launcher.json", "launcher-events.jsonl"}),  # the launcher goes on
    "provision": frozenset({"order.json", "clearing", "configure.lock"}),
})  # fmt: skip
"""What stays in the home and in two directories of it."""


def is_half_cleared(home: Path) -> bool:
    """Whether clearing began and did not end."""
    return (home / CLEARING).exists()


def clear(home: Path) -> None:
    """Stops everything, removes everything; afterwards the order says "cleared". Raises `DidNot`, `OSError`."""
    software.hold(home)
    write_private(home / CLEARING, b"")
    software.stop(home)
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    write_order(home, Order(state="cleared"))
    for directory, kept in _KEPT.items():
        for entry in sorted((home / directory).iterdir()):
            if entry.name not in kept:
                _remove(entry)
    sync(home)
    (home / CLEARING).unlink()
    sync((home / CLEARING).parent)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        # Where something is mounted, the directory itself stays; what was in it is gone.
        if error.errno != errno.EBUSY:
            raise
        with contextlib.suppress(OSError):
            sync(path)
