"""One thing that the launcher keeps running: the control plane or an engine.

Invariant: it has at most one process; when that has ended, the time of the next start is planned.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.launcher.engines import is_idle, is_listening
from pointsman.launcher.process import Running

CONTROL = "control"
"""The name of the control plane among what runs."""

# Seconds that a process must have lived to start again at once, and the delays before its starts otherwise. The
# sockets of an engine's worker that is still dying are free a few ms later.
CONTROL_PACE = (10.0, (0.0, 0.2, 0.5, 1.0, 2.0))
ENGINE_PACE = (1.0, (0.0, 0.02, 0.05, 0.1, 0.2, 0.5))


@dataclass
class Service:
    """One thing to keep running. `start_at` is monotonic time; `master_socket` is "" for the control plane and for
    engines that have none, which end on TERM.

    `leave_by` is set once it was told to end: the monotonic time at which it is killed. `entry` is an engine's in
    engines.json, which counts from its next start on; the other fields are those of what runs. `files` are to be there
    before a start with that content, or not to be there (None); `leads` says that it is told to end before the others
    are, because it brings them their traffic, and `quiet` where new connections are kept waiting before that: the
    engine's runtime socket and the file with the addresses.
    """

    name: str
    argv: tuple[str, ...] = ()
    log: str = ""
    master_socket: str = ""
    user: int | None = None
    group: int = 0
    capabilities: tuple[str, ...] = ()
    files: Mapping[str, str | None] = field(default_factory=dict)
    leads: bool = False
    quiet: tuple[str, str] | None = None
    entry: Mapping[str, Any] = field(default_factory=dict)
    running: Running | None = None
    adopted: bool = False
    failures: int = 0
    start_at: float = 0.0
    leave_by: float | None = None

    @property
    def kind(self) -> str:
        """What the journal calls it: "engine" or "control"."""
        return "control" if self.name == CONTROL else "engine"

    def heed(self) -> None:
        """Takes over what the entry says, for the next start."""
        if self.entry:
            self.argv, self.log = tuple(self.entry["argv"]), str(self.entry["log"])
            self.master_socket = str(self.entry.get("master_socket", ""))
            self.files = dict(self.entry.get("files", {}))
            self.leads = bool(self.entry.get("leads", False))
            quiet = self.entry.get("quiet")
            self.quiet = (str(quiet["runtime"]), str(quiet["addresses"])) if quiet else None
            self.user = int(self.entry["user"]) if "user" in self.entry else None
            self.group = int(self.entry.get("group", 0))
            self.capabilities = tuple(self.entry.get("capabilities", ()))

    def take(self, running: Running, *, adopted: bool) -> None:
        """Makes a process the one of this service."""
        self.running, self.adopted, self.leave_by = running, adopted, None

    def plan_start(self, lived: float) -> None:
        """Sets when to start next, after a process that lived `lived` seconds."""
        steady, delays = CONTROL_PACE if self.name == CONTROL else ENGINE_PACE
        self.failures = 1 if lived >= steady else self.failures + 1
        self.start_at = time.monotonic() + delays[min(self.failures, len(delays)) - 1]

    def start_at_once(self) -> None:
        """Forgets former failures and waits no longer."""
        self.failures, self.start_at = 0, 0.0

    def send(self, number: int) -> None:
        """Sends a signal if it runs."""
        if self.running is not None:
            self.running.send(number)

    def leave(self, seconds: float) -> bool:
        """Tells its process once to finish its work within `seconds` and end; false when it cannot hear that yet."""
        if self.leave_by is None and self.running is not None:
            if self.master_socket and not is_listening(self.master_socket):
                return False
            self.leave_by = time.monotonic() + seconds
            # HAProxy's master passes USR1 on: listeners close at once, what runs is finished.
            self.send(signal.SIGUSR1 if self.master_socket else signal.SIGTERM)
        return True

    def end_idle(self) -> None:
        """Ends an engine that was told to leave and has nothing left in work."""
        if self.leave_by is not None and self.running and self.master_socket and is_idle(self.master_socket):
            self.send(signal.SIGTERM)

    def end_overdue(self) -> None:
        """Kills a process that was told to leave and did not in time."""
        if self.leave_by is not None and time.monotonic() >= self.leave_by:
            self.send(signal.SIGKILL)
