"""The engines' side of the launcher: what it is asked to run, and how it is told.

Invariant: engines.json is replaced whole and only when it changes; an engine touches its own entry alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointsman.private_file import write_private

Entry = Mapping[str, object]


class Launcher:
    """The launcher of one home, which may not be there (a control plane run by hand, a test)."""

    def __init__(self, home: Path) -> None:
        self._engines = home / "run" / "engines.json"
        self._record = home / "run" / "launcher.json"

    def entries(self) -> list[dict[str, object]]:
        """What the launcher has been asked to run."""
        try:
            return list(json.loads(self._engines.read_text())["engines"])
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def put(self, entry: Entry) -> None:
        """Asks it to run an engine, at once if it waits before another try. Raises OSError."""
        self._write([*self._others(entry["name"]), dict(entry)])

    def drop(self, name: str) -> None:
        """Asks it to stop an engine. Raises OSError."""
        self._write(self._others(name))

    def pid(self) -> int:
        """The launcher's pid, 0 when none runs; by its start time never another process of that number."""
        return _living(self._content())

    def child(self, name: str) -> Mapping[str, Any]:
        """What the launcher wrote down of an engine that runs: `pid`, `start`, `argv`, `master_socket`; else empty."""
        children = self._content().get("children")
        found = children.get(name) if isinstance(children, dict) else None
        return found if isinstance(found, dict) else {}

    def child_pid(self, name: str) -> int:
        """The pid of an engine, 0 when it does not run."""
        return _living(self.child(name))

    def _others(self, name: object) -> list[dict[str, object]]:
        return [entry for entry in self.entries() if entry.get("name") != name]

    def _content(self) -> Mapping[str, Any]:
        try:
            content = json.loads(self._record.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, entries: list[dict[str, object]]) -> None:
        if entries != self.entries():
            write_private(self._engines, json.dumps({"engines": entries}, indent=1).encode(), durable=False)
        pid = self.pid()
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGUSR1)


def _living(process: Mapping[str, Any]) -> int:
    """The pid that is written down of a process, 0 when that has ended."""
    try:
        pid = int(process["pid"])
        # Field 22, in clock ticks since boot; the name before it (field 2) may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return pid if fields[0] not in (b"Z", b"X") and int(fields[19]) == process.get("start") else 0
