"""Whether this container's instance works: one request to /healthz, for the image's HEALTHCHECK and for people.

Invariant: it needs the standard library alone and imports little, for it runs every few seconds on every machine; it
asks only this machine, without a password, and its answer names no secret.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

SECONDS = 3.0
"""How long the answer may take."""


def home_of(environment: Mapping[str, str]) -> Path:
    """The home of this container's instance."""
    return Path(environment.get("ZEUSHOME") or "/usr/local/zeus") / "var"


def port_of(home: Path) -> int:
    """The REST API's port of the instance in `home`. Raises `OSError` and `ValueError` while there is none."""
    ports = json.loads((home / "run" / "ports.json").read_bytes())
    port = ports.get("rest") if isinstance(ports, dict) else None
    if not isinstance(port, int):
        raise ValueError("no port of the REST API in it")
    return port


def ask(port: int, seconds: float = SECONDS) -> tuple[int, str]:
    """Status and text of `GET /healthz`, plain HTTP on loopback. Raises `OSError`, also when none comes in time."""
    request = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        while len(answer) < 65536 and (part := connection.recv(65536)):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise OSError("something else answers there")
    return int(words[1]), body.decode("utf-8", "replace").strip()


def report(home: Path) -> tuple[bool, str]:
    """Whether the instance in `home` serves, and one line that says so or says what is wrong."""
    try:
        port = port_of(home)
    except (OSError, ValueError) as error:
        return False, f"{home}: nothing has started here yet ({error}); see the container's log"
    try:
        status, word = ask(port)
    except OSError as error:
        return False, f"port {port} of this container does not answer ({error}); see the container's log"
    return status == 200, f"{word or status}"


def main() -> int:
    """Prints the line; exit status 0 when the instance serves, else 1."""
    serves, line = report(home_of(os.environ))
    print(line)
    return 0 if serves else 1


if __name__ == "__main__":
    sys.exit(main())
