"""Where the management services listen, and the files that say so: ports.json and the ready file.

Invariant: a control plane that is started again listens on the ports of the one before, so that clients find it; the
ready file is replaced whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman import __version__
from pointsman.cli.run import RunOptions
from pointsman.daemon.machine import has_address
from pointsman.identity.certificate import InstanceCertificate
from pointsman.private_file import write_private
from pointsman.schema.traffic_manager import TrafficManager
from pointsman.web.answer import App
from pointsman.web.server import ANY, CannotListen, Handover, Server

UI_PORT = 9090
LAUNCHER_PERIOD = 0.3
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 # compared with, not bound
_log = logging.getLogger("pointsman")


@dataclass(frozen=True)
class Apps:
    """The applications of the three management ports."""

    api: App
    page: App
    cluster: App


@dataclass(frozen=True)
class Places:
    """The ports that are listened on, and the address of `--listen` or the one that management is restricted to."""

    rest: int
    ui: int
    cluster: int
    host: str

    def url(self, port: int, anywhere: str = "127.0.0.1") -> str:
        """The https address of a port; a wildcard is shown as `anywhere`."""
        host = anywhere if self.host in ANYWHERE else self.host
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def listen(
    server: Server,
    apps: Apps,
    home: Path,
    options: RunOptions,
    own: TrafficManager | None,
    bind_only: str = "",
    handover: Handover | None = None,
) -> Places:
    """Binds the management ports: those of the flags, else of this member's object `own`. Raises `CannotListen`.

    `bind_only` is the one address, besides loopback, that management traffic is restricted to; "" leaves that to the
    flags. `handover` takes the connections of members at the cluster port.
    """
    rest_port, cluster_port = (own.rest_api.port, own.cluster_comms.port) if own else (9070, 9080)
    host, hosts = _hosts(options.listen or "127.0.0.1", bind_only)
    rest_hosts = hosts if ANY in hosts else tuple(dict.fromkeys((*hosts, "127.0.0.1")))
    last = _last_ports(home)

    def bind(app: App, name: str, flag_name: str, where: Sequence[str], flag: int | None, stored: int) -> int:
        plain = app is apps.api
        members = handover if app is apps.cluster else None
        wanted = stored if flag is None else flag
        if flag == 0 and name in last:
            with contextlib.suppress(CannotListen):
                return server.listen(app, where, last[name], plain_on_loopback=plain, handover=members)
        try:
            return server.listen(app, where, wanted, plain_on_loopback=plain, handover=members)
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


def _hosts(listen_address: str, bind_only: str) -> tuple[str, Sequence[str]]:
    """The address to show, and those to bind."""
    if not bind_only:
        return listen_address, (ANY,) if listen_address in ANYWHERE else (listen_address,)
    if has_address(bind_only):
        return bind_only, tuple(dict.fromkeys((bind_only, "127.0.0.1")))
    # It stays restricted and within reach of the configure script, which can name another address.
    _log.error(
        "management traffic is restricted to %s, which this machine does not have; it is accepted on 127.0.0.1 only, "
        "until the configure script names another address",
        bind_only,
    )
    return "127.0.0.1", ("127.0.0.1",)


def _last_ports(home: Path) -> dict[str, int]:
    try:
        stored = json.loads((home / "run" / "ports.json").read_text())
        return {str(name): int(port) for name, port in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
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
        """Writes the file, and anew for another certificate or a launcher that took over from one that was killed."""
        known: tuple[int, str] | None = None
        while True:
            if (now := (self._launcher(), self._certificate.sha256)) != known:
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
