"""What became of imports, and the base snapshot they start from: the files below HOME/import.

Invariant: each file is replaced whole and readable by its owner alone (the snapshot holds secrets in clear); a record
of imports that cannot be read is as none, a snapshot that cannot be read is an error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pointsman.document.difference import Objects
from pointsman.document.fault import Fault
from pointsman.document.wire import decode_fault, decode_objects, encode_fault, encode_objects
from pointsman.private_file import write_private
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER

BASE = Path("import") / "base.json"
LAST = Path("import") / "last.json"
"""Where the files are, below the home."""
MOST_FAULTS = 100
"""Faults and remarks of an import that are kept; the rest is counted."""
_log = logging.getLogger(__name__)

Outcome = Literal["ok", "warnings", "failed"]


class NoBase(Exception):
    """There is no base snapshot that an import could start from; the text says why and what to do."""


@dataclass(frozen=True)
class ImportResult:
    """What became of one import.

    `time` is when it ended (Unix seconds), `seconds` how long it took. `trigger` says what it was for: the "start" of
    the instance, a "change" of the watched directory, or a "command". `digest` is of the directory's content.
    `revision` is the one that holds it; a failed import has the one that was kept. `objects` counts what the documents
    describe. `faults` are why it failed, `remarks` what was passed over, `warnings` sentences about objects that are
    not served as they are written; `more` counts the faults that are not listed. `refused` says that nothing was wrong
    with the documents, but the engine refused them.
    """

    time: float
    outcome: Outcome
    trigger: Literal["start", "change", "command"]
    directory: str
    digest: str
    revision: int
    objects: int = 0
    created: int = 0
    changed: int = 0
    deleted: int = 0
    seconds: float = 0.0
    faults: tuple[Fault, ...] = ()
    remarks: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    more: int = 0
    refused: bool = False

    @property
    def cause(self) -> str:
        """The first fault with its place, and how many there are besides; "" when it did not fail."""
        if not self.faults:
            return ""
        rest = len(self.faults) - 1 + self.more
        return f"{self.faults[0]}" + (f" (and {rest} more)" if rest else "")

    def encoded(self) -> dict[str, Any]:
        """As JSON data."""
        plain = {name: value for name, value in vars(self).items() if name not in ("faults", "remarks")}
        return {
            **plain,
            "warnings": list(self.warnings),
            "faults": [encode_fault(fault) for fault in self.faults],
            "remarks": [encode_fault(fault) for fault in self.remarks],
        }

    @classmethod
    def decoded(cls, data: dict[str, Any]) -> Self:
        """The reverse of `encoded`. Raises `ValueError`, `TypeError`, `KeyError`."""
        return cls(
            **{
                **data,
                "warnings": tuple(str(text) for text in data["warnings"]),
                "faults": tuple(decode_fault(fault) for fault in data["faults"]),
                "remarks": tuple(decode_fault(fault) for fault in data["remarks"]),
            }
        )


@dataclass(frozen=True)
class Memory:
    """What is remembered of imports: the `last` one, the `remarks` of the one in force, and of the last import of the
    watched directory the `digest` ("" when it failed, so that it is tried again at the next start).
    """

    last: ImportResult | None = None
    remarks: tuple[Fault, ...] = ()
    digest: str = ""


def bounded(faults: tuple[Fault, ...]) -> tuple[tuple[Fault, ...], int]:
    """The faults that are kept, and how many are not."""
    return faults[:MOST_FAULTS], max(0, len(faults) - MOST_FAULTS)


def read_memory(home: Path) -> Memory:
    """What the process before this one remembered."""
    path = home / LAST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        last = None if data["last"] is None else ImportResult.decoded(data["last"])
        return Memory(last, tuple(decode_fault(fault) for fault in data["remarks"]), str(data["digest"]))
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        _log.warning("%s cannot be read (%s); the documents are imported again", path, error)
        return Memory()


def write_memory(home: Path, memory: Memory) -> None:
    """Stores it; on a disk that takes nothing it is lost with the process, and the log says so."""
    data = {
        "last": None if memory.last is None else memory.last.encoded(),
        "remarks": [encode_fault(fault) for fault in memory.remarks],
        "digest": memory.digest,
    }
    try:
        write_private(home / LAST, json.dumps(data, indent=1).encode())
    except OSError as error:
        _log.error(
            "%s cannot be written (%s); free space: what the last import did is forgotten at the next start",
            home / LAST,
            error.strerror,
        )


def forget(home: Path) -> None:
    """Removes snapshot and record, so that the first start begins anew. Raises `OSError`."""
    (home / BASE).unlink(missing_ok=True)
    (home / LAST).unlink(missing_ok=True)


def has_base(home: Path) -> bool:
    """Whether there is a base snapshot."""
    return (home / BASE).exists()


def read_base(home: Path) -> Objects:
    """The objects of the base snapshot. Raises `NoBase`."""
    path = home / BASE
    try:
        return decode_objects(json.loads(path.read_text(encoding="utf-8"))["objects"])
    except FileNotFoundError:
        raise NoBase(
            "there is no base snapshot, which an import starts from; "
            "take one of the present configuration with `pointsman config-snapshot`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoBase(
            f"the base snapshot {path} cannot be read ({error}); restore the file, or take one of the present "
            "configuration with `pointsman config-snapshot`"
        ) from None


def base_digest(home: Path) -> str:
    """A digest of what the base snapshot holds, "" where there is none that can be read: equal for equal ones.

    Traffic managers do not count: each member's snapshot has its own, and imports leave those of the others alone.
    """
    try:
        objects = encode_objects(read_base(home))
    except NoBase:
        return ""
    lines = sorted(json.dumps(one, sort_keys=True) for one in objects if one["type"] != TRAFFIC_MANAGER.path)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_base(home: Path, objects: Objects, revision: int) -> None:
    """Makes these objects the base snapshot. Raises `OSError`."""
    other = {kind.path for kind in RESOURCE_TYPES if kind.kept_by_import}
    kept = {identity: settings for identity, settings in objects.items() if identity.type not in other}
    data = {"revision": revision, "time": time.time(), "objects": encode_objects(kept)}
    write_private(home / BASE, json.dumps(data, indent=1).encode())
