"""What is known for certain about the worker that runs: the file that lets a new control plane adopt it.

Invariant: an entry with `applied` says that the worker serves exactly that generation. It is taken back
before the first run-time change of a step and given again after the last, so a death in between is seen.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pointsman.private_file import write_private


@dataclass(frozen=True)
class Entry:
    """A worker's identity, the generation it serves (0: not certain) and servers that were added to it."""

    worker: str
    applied: int
    dynamic: tuple[tuple[str, str], ...] = ()


def read_entry(path: Path) -> Entry | None:
    """The entry, or None where there is none that can be understood."""
    try:
        content = json.loads(path.read_text())
        dynamic = tuple((str(backend), str(server)) for backend, server in content["dynamic"])
        return Entry(str(content["worker"]), int(content["applied"]), dynamic)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_entry(path: Path, entry: Entry) -> None:
    """Replaces the entry. Not synced to disk: without the worker it is worth nothing."""
    write_private(path, json.dumps(asdict(entry)).encode(), durable=False)
