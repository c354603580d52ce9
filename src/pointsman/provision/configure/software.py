"""Stops, starts and restarts the software by way of its launcher, and waits until that is done.

Invariant: the launcher stays alive, so the container does; HOME/hold says whether anything may run, and survives a
power cut.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.identity.certificate import fingerprint
from pointsman.launcher.process import start_ticks
from pointsman.private_file import sync, write_private

STOP_SECONDS = 25.0
READY_SECONDS = 60.0
SETTLED_SECONDS = 1.0
"""How long nothing must run before it counts as stopped: longer than the launcher takes to notice the hold."""
_POLL_SECONDS = 0.05

Process = tuple[int, int]
"""A process: its number, and when it started in ticks since boot."""


class DidNot(Exception):
    """The software did not stop or start; the text says what to look at."""


@dataclass(frozen=True)
class Ready:
    """A running instance: its fingerprints and the address of its Admin UI."""

    sha1: str
    sha256: str
    url: str


def launcher_of(home: Path) -> Process | None:
    """The launcher that keeps this home, or None."""
    return _alive(_record(home))


def control_of(home: Path) -> Process | None:
    """The control plane that runs, or None."""
    children = _record(home).get("children", {})
    return _alive(children.get("control", {}))


def is_held(home: Path) -> bool:
    """Whether everything is to stay stopped."""
    return (home / "hold").exists()


def hold(home: Path) -> None:
    """Tells the launcher to stop everything and to start nothing. Raises `OSError`."""
    write_private(home / "hold", b"")


def stop(home: Path) -> None:
    """Stops everything and waits for it. Raises `DidNot`, `OSError`."""
    hold(home)
    quiet_since = time.monotonic()
    deadline = quiet_since + STOP_SECONDS
    settled = SETTLED_SECONDS if launcher_of(home) else 0.0
    while True:
        now = time.monotonic()
        if running := _children(home):
            quiet_since = now
        elif now - quiet_since >= settled:
            return
        if now > deadline:
            raise DidNot(
                f"{', '.join(sorted(running))} did not stop within {STOP_SECONDS:.0f} seconds; end it by its number "
                f"in {home / 'run' / 'launcher.json'}"
            )
        time.sleep(_POLL_SECONDS)


def start(home: Path) -> Process | None:
    """Lets the launcher start everything; what `wait_ready` needs to know. Raises `DidNot`, `OSError`."""
    launcher = launcher_of(home)
    if launcher is None:
        raise DidNot("no launcher runs here to start the software; start the container")
    former = control_of(home)
    if is_held(home):
        (home / "hold").unlink(missing_ok=True)
        sync(home)
        return None
    return former


def restart(home: Path) -> Process | None:
    """Has the control plane started anew; traffic goes on. For `wait_ready`. Raises `DidNot`, `OSError`."""
    if is_held(home) or control_of(home) is None:
        return start(home)
    former = control_of(home)
    launcher = launcher_of(home)
    if launcher is None:
        raise DidNot("no launcher runs here to start the software again; start the container")
    with contextlib.suppress(ProcessLookupError):
        os.kill(launcher[0], signal.SIGUSR2)
    return former


def wait_ready(home: Path, former: Process | None, seconds: float = READY_SECONDS) -> Ready:
    """Waits until another control plane than `former` serves, and says where. Raises `DidNot`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = control_of(home)
        if now is not None and now != former:
            ports = _json(home / "run" / "ports.json")
            with contextlib.suppress(OSError, ValueError, KeyError):
                if _healthy(int(ports["rest"])):
                    return _ready(home, int(ports["ui"]))
        time.sleep(_POLL_SECONDS)
    raise DidNot(
        f"the software did not answer within {seconds:.0f} seconds; the container's log (docker logs) says why"
    )


def own_name(home: Path) -> str:
    """What the instance is called; "" before its first start."""
    return str(_json(home / "identity" / "instance.json").get("name", ""))


def _ready(home: Path, port: int) -> Ready:
    public = (home / "identity" / "admin.public").read_bytes()
    name = own_name(home)
    return Ready(
        fingerprint(public, "sha1"),
        fingerprint(public, "sha256"),
        f"https://{f'[{name}]' if ':' in name else name}:{port}/",
    )


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def _children(home: Path) -> tuple[str, ...]:
    """Names of the launcher's children that run."""
    children = _record(home).get("children", {})
    return tuple(name for name, entry in children.items() if _alive(entry))


def _record(home: Path) -> dict[str, Any]:
    return _json(home / "run" / "launcher.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _alive(entry: Mapping[str, Any]) -> Process | None:
    try:
        pid, started = int(entry["pid"]), int(entry["start"])
    except (KeyError, TypeError, ValueError):
        return None
    return (pid, started) if start_ticks(pid) == started else None
