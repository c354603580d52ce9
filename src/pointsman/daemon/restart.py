"""Settings that the control plane reads only when it starts, and how it is started again.

Invariant: a launcher that would not understand the request is not sent it; the data plane is never touched.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from pointsman.cli.run import RunOptions
from pointsman.launcher.process import start_ticks
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_manager import TrafficManager


class Restart:
    """Knows which settings of this member were in use when the management services began to listen."""

    def __init__(self, home: Path, name: str, options: RunOptions, snapshot: Callable[[], Snapshot]) -> None:
        """To be made when the services begin to listen; a flag in `options` overrides its setting for good."""
        self._home = home
        self._name = name
        self._options = options
        self._snapshot = snapshot
        self._in_use = self._settings()

    def needed(self) -> tuple[Condition, ...]:
        """A notice for each setting that waits for a restart."""
        now = self._settings()
        subject = ObjectId("traffic_managers", self._name)
        return tuple(
            Condition(
                subject,
                Standing.NOTICE,
                "restart.pending",
                f"{'.'.join(key)} is set to {now[key]} and {used} is in use; it takes effect when the control plane is "
                "started again",
                key,
            )
            for key, used in self._in_use.items()
            if now.get(key, used) != used
        )

    def ask(self) -> bool:
        """Asks the launcher to start the control plane again; false when there is none that can."""
        try:
            record = json.loads((self._home / "run" / "launcher.json").read_text())
            launcher = int(record["pid"])
            if start_ticks(launcher) != record["start"] or not _handles(launcher, signal.SIGUSR2):
                return False
            os.kill(launcher, signal.SIGUSR2)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True

    def _settings(self) -> dict[tuple[str, str], int]:
        own = self._snapshot().get("traffic_managers", self._name, TrafficManager)
        if own is None:
            return {}
        found: dict[tuple[str, str], int] = {}
        if self._options.rest_port is None:
            found["rest_api", "port"] = own.rest_api.port
        if self._options.control_port is None:
            found["cluster_comms", "port"] = own.cluster_comms.port
        return found


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, which would end it otherwise."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
