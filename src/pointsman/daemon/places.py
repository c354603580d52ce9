"""Where the management services listen, and the files that say so: ports.json and the ready file.

Invariant: a control plane that is started again listens on the ports of the one before, so that clients find it; the
ready file is replaced whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman import __version__
from pointsman.cli.run import RunOptions
from pointsman.identity.certificate import InstanceCertificate
from pointsman.private_file import write_private
from pointsman.schema.traffic_manager import TrafficManager
from pointsman.web.answer import App
from pointsman.web.server import ANY, CannotListen, Server

UI_PORT = 9090
LAUNCHER_PERIOD = 0.3
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 # compared with, not bound


@dataclass(frozen=True)
class Apps:
    """The applications of the three management ports."""

    api: App
    page: App
    cluster: App


@dataclass(frozen=True)
class Places:
    """The ports that are listened on, and the address of `--listen`."""

    rest: int
    ui: int
    cluster: int
    host: str

    def url(self, port: int) -> str:
        """The https address of a port; a wildcard is shown as loopback."""
        host = "127.0.0.1" if self.host in _ANYWHERE else self.host
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def listen(server: Server, apps: Apps, home: Path, options: RunOptions, own: TrafficManager | None) -> Places:
    """Binds the management ports: those of the flags, else of this member's object `own`. Raises `CannotListen`."""
    rest_port, cluster_port = (own.rest_api.port, own.cluster_comms.port) if own else (9070, 9080)
    host = options.listen or "127.0.0.1"
    hosts: Sequence[str] = (ANY,) if host in _ANYWHERE else (host,)
    rest_hosts = hosts if ANY in hosts else tuple(dict.fromkeys((*hosts, "127.0.0.1")))
    last = _last_ports(home)

    def bind(app: App, name: str, flag_name: str, where: Sequence[str], flag: int | None, stored: int) -> int:
        plain = app is apps.api
        if flag == 0 and name in last:
            with contextlib.suppress(CannotListen):
                return server.listen(app, where, last[name], plain_on_loopback=plain)
        try:
            return server.listen(app, where, stored if flag is None else flag, plain_on_loopback=plain)
        except CannotListen as error:
            raise CannotListen(f"{error} (--{flag_name}, --listen)") from None

    places = Places(
        rest=bind(apps.api, "rest", "rest-port", rest_hosts, options.rest_port, rest_port),
        ui=bind(apps.page, "ui", "ui-port", hosts, options.ui_port, UI_PORT),
        cluster=bind(apps.cluster, "cluster", "control-port", hosts, options.control_port, cluster_port),
        host=host,
    )
    ports = {"rest": places.rest, "ui": places.ui, "cluster": places.cluster}
    with contextlib.suppress(OSError):  # a full disk: a restart may then take other ports than 0 gave
        write_private(home / "run" / "ports.json", json.dumps(ports).encode())
    return places


def _last_ports(home: Path) -> dict[str, int]:
    try:
        stored = json.loads((home / "run" / "ports.json").read_text())
        return {str(name): int(port) for name, port in stored.items()}
    except (OSError, ValueError):
        return {}


class ReadyFile:
    """The file that tells scripts where everything is (see `--ready-file`); none when `path` is None."""

    def __init__(
        self, path: Path | None, home: Path, places: Places, certificate: InstanceCertificate
    ) -> None:
        self._path = path
        self._home = home
        self._places = places
        self._certificate = certificate

    async def follow_launcher(self) -> None:
        """Writes the file, and anew for a launcher that took over from one that was killed."""
        known = 0
        while True:
            if (now := self._launcher()) != known:
                with contextlib.suppress(OSError):  # a full disk: it is tried again
                    self._write()
                    known = now
            await asyncio.sleep(LAUNCHER_PERIOD)

    def _write(self) -> None:
        if self._path is None:
            return
        ready = {
            "rest": self._places.url(self._places.rest),
            "ui": self._places.url(self._places.ui) + "/",
            "user": "admin",
            "sha1": self._certificate.sha1,
            "sha256": self._certificate.sha256,
            "pid": self._launcher(),
            "version": __version__,
        }
        write_private(self._path, json.dumps(ready).encode())

    def _launcher(self) -> int:
        """The launcher's process, which is not the parent when a new one took over."""
        try:
            return int(json.loads((self._home / "run" / "launcher.json").read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return os.getppid()
