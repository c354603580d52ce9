"""Checks the file of a backup where no instance is asked.

Invariant: the file is read only, and nothing of it is shown but what its manifest says.
"""

from __future__ import annotations

from typing import Any

from pointsman.backup.archive import ArchiveRefused, read
from pointsman.backup.shelf import Kept
from pointsman.cli.outcome import Rejected
from pointsman.control.backup_report import kept_body
from pointsman.schema.problem import Problem


def verified(data: bytes, passphrase: str, name: str) -> dict[str, Any]:
    """What the control socket answers to `verify`. Raises `Rejected`."""
    try:
        archive = read(data, passphrase)
    except ArchiveRefused as error:
        raise Rejected((Problem(None, (), "backup.refused", str(error)),)) from None
    missing = [[str(identity), *path] for identity, path in archive.content.missing]
    return {"backup": kept_body(Kept(name, len(data), archive.manifest)), "missing": missing}
