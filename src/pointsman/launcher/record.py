"""What the launcher reads and writes in HOME/run: who runs, its journal, the engines it shall run.

Invariant: a full or broken disk never stops the launcher; what cannot be written is left out, what cannot be read
counts as empty.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pointsman.launcher.process import start_ticks
from pointsman.launcher.service import Service

JOURNAL_BYTES = 1 << 20


class Record:
    """The launcher's files in one directory `run`."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._seen: tuple[int, ...] = ()

    def former(self) -> Mapping[str, Mapping[str, Any]]:
        """Who ran under the launcher before: name -> `pid`, `start` (ticks since boot), `argv`, `master_socket`."""
        children = self._read("launcher.json").get("children")
        return children if isinstance(children, dict) else {}

    def write(self, services: Iterable[Service]) -> None:
        """Writes down who runs, for the launcher that comes after a `kill -9` of this one.

        Each pid is also in a file of its own, for programs that read no JSON.
        """
        children = {
            service.name: {
                "pid": pid,
                "start": start_ticks(pid),
                "argv": service.argv,
                "master_socket": service.master_socket,
            }
            for service in services
            if service.running is not None and (pid := service.running.pid)
        }
        content = {"pid": os.getpid(), "start": start_ticks(os.getpid()), "children": children}
        for name, child in children.items():
            with contextlib.suppress(OSError):
                (self._run / f"{name}.pid").write_text(f"{child['pid']}\n")
        new = self._run / "launcher.json.new"
        with contextlib.suppress(OSError):
            new.write_text(json.dumps(content))
            new.rename(self._run / "launcher.json")

    def remove(self) -> None:
        """Deletes what was written down of who runs."""
        with contextlib.suppress(OSError):
            (self._run / "launcher.json").unlink(missing_ok=True)

    def engines(self, *, again: bool = False) -> Mapping[str, Mapping[str, Any]] | None:
        """The entries of engines.json by name; None when it is as it was at the last call, unless `again`."""
        try:
            status = (self._run / "engines.json").stat()
        except OSError:
            return None
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen == self._seen and not again:
            return None
        self._seen = seen
        try:
            return {str(entry["name"]): entry for entry in self._read("engines.json")["engines"]}
        except (KeyError, TypeError):
            return None  # damaged: the control plane writes it anew

    def note(self, what: str, name: str, detail: str) -> None:
        """Adds a line to the journal, from which the control plane makes events."""
        path = self._run / "launcher-events.jsonl"
        with contextlib.suppress(OSError):
            if path.stat().st_size > JOURNAL_BYTES:
                path.rename(self._run / "launcher-events.jsonl.1")
        line = json.dumps({"time": time.time(), "what": what, "name": name, "detail": detail})
        with contextlib.suppress(OSError), path.open("a") as file:
            file.write(line + "\n")

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self._run / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
