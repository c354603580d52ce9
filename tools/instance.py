"""Starts the product as a user would, for tests and measurements, and gives what a client needs to talk to it.

Invariant: everything lives in a temporary home, on free ports of loopback, and is ended by pid.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tools.processes import with_word_below

SOURCE = Path(__file__).resolve().parents[1] / "src"


def free_port() -> int:
    """A TCP port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Calls `condition` until it gives something true; fails naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


class Instance:
    """One running traffic manager."""

    def __init__(self, home: Path, *flags: str, before: Sequence[str] = ()) -> None:
        """`before` are words before the command, of a program that becomes it."""
        self.home = home
        self.before = before
        self.flags = flags
        self.ports = ("--rest-port", "0", "--ui-port", "0", "--control-port", "0")
        self.output = home.parent / f"{home.name}.out"
        self.password_file = home.parent / f"{home.name}.password"
        self.password_file.write_text("secret-for-tests\n")
        self.process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> Instance:
        """Starts it and waits until it is ready."""
        ready = self.home / "ready.json"
        command = [
            *self.before,
            sys.executable, "-m", "pointsman", "run", "--home", str(self.home), *self.ports,
            "--password-file", str(self.password_file), "--ready-file", str(ready), *self.flags,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            wait_for("the ready file", lambda: self._is_ready(ready) or self.process.poll() is not None, 60)  # type: ignore[union-attr] # set above
            self.ready = json.loads(ready.read_text())
        except BaseException:
            print(self.output.read_text())
            self.stop()
            raise
        return self

    def _is_ready(self, file: Path) -> bool:
        try:
            return self.process is not None and json.loads(file.read_text())["pid"] == self.process.pid
        except FileNotFoundError:
            return False

    def stop(self) -> int:
        """Ends it by SIGTERM and returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return self.process.returncode

    def __enter__(self) -> Instance:
        return self.start()

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            print(self.output.read_text()[-8000:])
        self.stop()

    def rest(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """One REST request over plain HTTP on loopback; `path` is below /api/tm/8.3 unless it starts with a slash.

        Gives status and the decoded JSON (or the bytes, when the answer is none).
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1", urlsplit(self.ready["rest"]).port or 0, timeout=20
        )
        token = base64.b64encode(b"admin:secret-for-tests").decode()
        headers = {"Authorization": f"Basic {token}"}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = content_type
        url = path if path.startswith("/") else f"/api/tm/8.3/{path}"
        try:
            connection.request(method, url, data, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if content and (response.headers.get("Content-Type") or "").startswith("application/json"):
            return response.status, json.loads(content)
        return response.status, content

    def put(self, kind: str, name: str, settings: dict[str, Any]) -> tuple[int, Any]:
        """PUT of an object's properties."""
        return self.rest("PUT", f"config/active/{kind}/{quote(name, safe='')}", {"properties": settings})

    def get(self, path: str) -> Any:
        """GET that must succeed."""
        status, body = self.rest("GET", path)
        assert status == 200, (status, body)
        return body

    def processes(self) -> dict[str, list[int]]:
        """Pids of this instance's processes: launcher, control, haproxy (master first)."""
        found: dict[str, list[int]] = {"launcher": [], "control": [], "haproxy": []}
        for pid, words in with_word_below(self.home).items():
            if words[0].endswith(b"haproxy"):
                found["haproxy"].append(pid)
            elif b"pointsman.launcher" in words:
                found["launcher"].append(pid)
            elif b"daemon" in words:
                found["control"].append(pid)
        return {name: sorted(pids) for name, pids in found.items()}
