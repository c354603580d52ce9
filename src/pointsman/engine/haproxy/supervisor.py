"""The engine's side of the launcher: what it is asked to run, and how it is told.

Invariant: engines.json is replaced whole and only when it changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

from pointsman.private_file import write_private

ENGINE = "haproxy"
_SOCKET_BYTES = 97
"""Longest path of a socket in HAProxy, which adds ten bytes to it while it binds (the kernel takes 107)."""


class Supervisor:
    """The launcher of one home, which may not be there (a control plane run by hand, a test).

    Raises ValueError when the home's path is too long for a socket.
    """

    def __init__(self, home: Path, binary: Path) -> None:
        run = home / "run"
        self._engines = run / "engines.json"
        self._launcher = run / "launcher.json"
        self.log = home / "log" / "haproxy.log"
        configuration = home / "engine" / "current" / "haproxy.cfg"
        master = run / "haproxy-master.sock"
        if len(str(master).encode()) > _SOCKET_BYTES:
            raise ValueError(f"the path of {home} is too long for its sockets; choose a shorter --home")
        self._entry: dict[str, object] = {
            "name": ENGINE,
            "argv": [str(binary), "-W", "-S", f"{master},mode,600", "-f", str(configuration)],
            "log": str(self.log),
            "master_socket": str(master),
        }

    def log_size(self) -> int:
        """Bytes in the engine's log; the place from which `log_since` reads what comes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def is_asked(self) -> bool:
        """Whether the launcher has been asked to run the engine."""
        return self._entry in self._read()

    def ask(self) -> None:
        """Asks the launcher to run the engine, at once if it waits before another try. Raises OSError."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = [entry for entry in self._read() if entry.get("name") != ENGINE]
        self._write([*others, self._entry])

    def withdraw(self) -> None:
        """Asks the launcher to stop the engine. Raises OSError."""
        self._write([entry for entry in self._read() if entry.get("name") != ENGINE])

    def pid(self) -> int:
        """The launcher's pid, 0 when none runs; by its start time never another process of that number."""
        try:
            content = json.loads(self._launcher.read_text())
            pid = int(content["pid"])
            # Field 22, in clock ticks since boot; the name before it (field 2) may hold anything.
            start = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19]
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return 0
        return pid if int(start) == content.get("start") else 0

    def log_since(self, start: int) -> str:
        """What the engine wrote to its log from a position on, the first MiB of it."""
        try:
            with self.log.open("rb") as log:
                log.seek(start)
                return log.read(1 << 20).decode(errors="replace")
        except OSError:
            return ""

    def _read(self) -> list[dict[str, object]]:
        try:
            return list(json.loads(self._engines.read_text())["engines"])
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _write(self, entries: list[dict[str, object]]) -> None:
        if entries != self._read():
            write_private(self._engines, json.dumps({"engines": entries}, indent=1).encode(), durable=False)
        pid = self.pid()
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGUSR1)
