"""The engine's side of the launcher: what it is asked to run, and how it is told.

Invariant: the engine is asked for under one name, so that there is one of it.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pointsman.engine.haproxy.account import CAPABILITIES, RUN, Account
from pointsman.engine.launcher import Launcher

ENGINE = "haproxy"
_END_SECONDS = 10.0
_SOCKET_BYTES = 97
"""Longest path of a socket in HAProxy, which adds ten bytes to it while it binds (the kernel takes 107)."""


class Supervisor:
    """The launcher of one home, which may not be there (a control plane run by hand, a test).

    The engine is to run as `account`, or as the launcher itself. Raises ValueError when the home's path is too long
    for a socket.
    """

    def __init__(self, home: Path, binary: Path, account: Account | None) -> None:
        run = home / "run"
        self._launcher = Launcher(home)
        self.log = home / "log" / "haproxy.log"
        configuration = home / "engine" / "current" / "haproxy.cfg"
        self._master = home / RUN / "master.sock"
        self._former_master = run / "haproxy-master.sock"
        self.workers = (home / RUN / "worker.sock", run / "haproxy.sock")
        """Where a worker answers: the second is the place that versions before 0.2 used."""
        if len(str(home / RUN / "internal.sock").encode()) > _SOCKET_BYTES:
            raise ValueError(f"the path of {home} is too long for its sockets; choose a shorter --home")
        self._entry: dict[str, object] = {
            "name": ENGINE,
            "argv": [str(binary), "-W", "-S", f"{self._master},mode,660", "-f", str(configuration)],
            "log": str(self.log),
            "master_socket": str(self._master),
        }
        if account is not None:
            self._entry |= {
                "user": account.user,
                "group": account.group,
                "capabilities": list(CAPABILITIES),
            }

    def log_size(self) -> int:
        """Bytes in the engine's log; the place from which `log_since` reads what comes."""
        return self.log.stat().st_size if self.log.exists() else 0

    def is_asked(self) -> bool:
        """Whether the launcher has been asked to run the engine, as now or by an earlier version."""
        return any(entry.get("name") == ENGINE for entry in self._launcher.entries())

    def is_asked_for_another_account(self) -> bool:
        """Whether the engine that the launcher was asked for runs as a user who cannot read what we write now."""
        accounts = [
            (e["user"], e.get("group"))
            for e in self._launcher.entries()
            if e.get("name") == ENGINE and "user" in e
        ]
        return any(account != (self._entry.get("user"), self._entry.get("group")) for account in accounts)

    def master(self) -> Path:
        """Where the master of the engine that runs answers: as the launcher wrote down, which started or adopted it."""
        answers = self._launcher.child(ENGINE).get("master_socket")
        if answers:
            return Path(answers)
        former = self._former_master
        return former if former.exists() and not self._master.exists() else self._master

    def renew(self) -> None:
        """Has the engine started as we would now, when it is started the next time. Raises OSError."""
        if self._entry not in self._launcher.entries():
            self.ask()

    def ask(self) -> None:
        """Asks the launcher to run the engine, at once if it waits before another try. Raises OSError."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._launcher.put(self._entry)

    def withdraw(self) -> None:
        """Asks the launcher to stop the engine. Raises OSError."""
        self._launcher.drop(ENGINE)

    def pid(self) -> int:
        """The launcher's pid, 0 when none runs."""
        return self._launcher.pid()

    async def end(self) -> None:
        """Asks the launcher to stop the engine and waits until it has, at most ten seconds. Raises OSError."""
        self.withdraw()
        until = time.monotonic() + _END_SECONDS
        while self.pid() and self._runs() and time.monotonic() < until:  # noqa: ASYNC110 # another process
            await asyncio.sleep(0.05)

    def _runs(self) -> bool:
        """Whether the launcher has an engine running, which may be one that it is ending."""
        return bool(self._launcher.child(ENGINE))

    def log_since(self, start: int) -> str:
        """What the engine wrote to its log from a position on, the first MiB of it."""
        try:
            with self.log.open("rb") as log:
                log.seek(start)
                return log.read(1 << 20).decode(errors="replace")
        except OSError:
            return ""
