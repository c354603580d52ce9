"""Asks the running control plane over its local socket.

Invariant: an answer is taken only from the socket in the home, within a deadline.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

SECONDS = 30.0


class NotRunning(Exception):
    """Nothing answers at the socket."""


class Denied(Exception):
    """The control plane refused; the text says why."""


class _Local(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("local", timeout=seconds)
        self._path = path
        self._seconds = seconds

    def connect(self) -> None:
        """Connects to the socket's path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))


def ask_control(home: Path, method: str, path: str, body: Any = None, seconds: float = SECONDS) -> Any:
    """The JSON answer of the instance of `home`. Raises `NotRunning`, `Denied`."""
    connection = _Local(home / "run" / "control.sock", seconds)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRunning(f"{home}: the control plane does not answer ({error}); see its log") from None
    finally:
        connection.close()
    if response.status != http.client.OK:
        problems = answer.get("problems", []) if isinstance(answer, dict) else []
        raise Denied("; ".join(str(problem.get("message")) for problem in problems) or str(response.status))
    return answer
