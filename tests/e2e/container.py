"""Starts the product as a container does, but as plain processes below a temporary directory.

Invariant: everything runs on free ports of loopback; what is left is ended by pid.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.instance import SOURCE, wait_for
from tools.processes import with_word_below

from pointsman.provision.order import Order, read_order

PORTS = tuple(word for kind in ("rest", "ui", "control") for word in (f"--{kind}-port", "0"))


class Container:
    """A file system for one instance, and the processes in it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "zeus"
        self.home = self.root / "var"
        self.log_file = root / "provision.log"
        self.output = root / "output"
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    def begin(self, *flags: str, **variables: str | bytes) -> subprocess.Popen[bytes]:
        """Begins a start with variables besides ZEUS_EULA=accept."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ZEUS")}
        environment: dict[str, str | bytes] = {
            **kept,
            "PYTHONPATH": str(SOURCE),
            "ZEUS_EULA": "accept",
            "ZEUSHOME": str(self.root),
            "POINTSMAN_PROVISION_LOG": str(self.log_file),
            **variables,
        }
        words = [sys.executable, "-m", "pointsman.provision.command", "start", *PORTS]
        words += ["--ready-file", str(self.home / "ready.json"), *flags]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(words, stdout=out, stderr=out, env=environment)
        return self.process

    def start(self, *flags: str, **variables: str | bytes) -> Container:
        """Starts it, and waits until it is ready and has said so."""
        process = self.begin(*flags, **variables)
        try:
            wait_for("the instance", lambda: process.poll() is not None or self._is_ready(), 60)
            assert process.poll() is None, "the start ended"
        except AssertionError:
            print(self.output.read_text(errors="replace"))
            raise
        return self

    def fail(self, *flags: str, **variables: str | bytes) -> tuple[int, str]:
        """A start that ends by itself: its exit status, and what it said."""
        before = self.output.stat().st_size if self.output.exists() else 0
        status = self.begin(*flags, **variables).wait(60)
        return status, self.output.read_bytes()[before:].decode()

    def _is_ready(self) -> bool:
        assert self.process is not None
        try:
            self.ready = json.loads((self.home / "ready.json").read_text())
        except FileNotFoundError:
            return False
        announced = not (self.home / "provision" / "announce").exists()
        return bool(self.ready["pid"] == self.process.pid) and announced

    def stop(self) -> int:
        """`docker stop`: the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """`docker kill`: nothing of it is left."""

        def gone() -> bool:
            pids = {*self.pids()}
            if self.process is not None and self.process.poll() is None:
                pids.add(self.process.pid)  # while it becomes another program it has no command line
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids

        wait_for("the end of every process", gone)
        if self.process is not None:
            self.process.wait(10)

    def pids(self) -> list[int]:
        """Every living process with this home on its command line."""
        return list(with_word_below(self.home))

    def environment(self) -> bytes:
        """The environment of the launcher."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/environ").read_bytes()

    @property
    def order(self) -> Order:
        """What was decided."""
        order = read_order(self.home)
        assert order is not None
        return order

    @property
    def log(self) -> str:
        """The provision log."""
        return self.log_file.read_text()

    def generated(self) -> list[str]:
        """Every password that the log tells."""
        return re.findall(r"^INFO: generated the password of 'admin' .*: (\S+)$", self.log, re.MULTILINE)

    def login(self, password: str) -> int:
        """The status that REST answers to a login of admin."""
        port = urlsplit(self.ready["rest"]).port or 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        token = base64.b64encode(f"admin:{password}".encode()).decode()
        try:
            connection.request("GET", "/api/tm", headers={"Authorization": f"Basic {token}"})
            return connection.getresponse().status
        finally:
            connection.close()

    def holds(self, secret: str) -> list[Path]:
        """Files that hold a text, the log included."""
        files = [path for path in self.root.parent.rglob("*") if path.is_file()]
        return [path for path in files if secret.encode() in path.read_bytes()]
