"""Another machine of a cluster: the admin servers that it names, and joining it.

Invariant: before the administrator has verified the fingerprints nothing but a question for them is sent there, and the
password goes only to a server that shows the certificate that was verified.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.outbound.pinned import Fingerprints
from pointsman.provision.configure import software
from pointsman.provision.configure.control_socket import Denied, NotRunning, ask_control
from pointsman.provision.configure.dialogue import Stopped, Wrong

JOIN_SECONDS = 180.0
"""How long a running instance may take to join, with the whole configuration to fetch."""
_PARTS = {"p": "passive", "y": "active", "n": "none"}


@dataclass(frozen=True)
class AdminServer:
    """One admin server of a cluster: where it is, and the fingerprints of its certificate."""

    place: str
    seen: Fingerprints


@dataclass(frozen=True)
class JoinRequest:
    """What joining needs; `part` is the one in existing traffic IP groups ("p", "y" or "n")."""

    host: str
    port: int
    seen: Fingerprints
    user: str
    password: str = field(repr=False)
    part: str = "p"


def admin_servers(host: str, port: int) -> tuple[AdminServer, ...]:
    """The admin servers of the cluster of `host`, the one that was asked first. Raises `Wrong`."""
    # Delayed, here and below: what speaks to other members is loaded only where somebody joins.
    from pointsman.cluster.joining import look_at
    from pointsman.cluster.refusal import JoinRefused

    try:
        table = asyncio.run(look_at(host, port))
    except JoinRefused as error:
        raise Wrong(
            f"ERROR: Cannot connect to remote host {host}:{port} ({error}). Please check the name and that its admin "
            "server runs."
        ) from None
    # What it shows counts for itself, not what it says.
    asked = AdminServer(place_of(host, port), table.seen)
    others = (
        AdminServer(place_of(row.host or row.name, row.port), Fingerprints(row.sha1, row.sha256))
        for row in table.rows
        if row.sha256 != table.seen.sha256
    )
    return (asked, *others)


def place_of(host: str, port: int) -> str:
    """Host and port as they stand in the table."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def join(home: Path, name: str, request: JoinRequest) -> None:
    """Makes the instance of a home a member of the cluster of `request.host`, running or not.

    One that does not run is called `name` from then on, "" for the host's name. Raises `Stopped`, `OSError`; then it
    is what it was.
    """
    from pointsman.cluster.joining import JoinWish
    from pointsman.provision.joining import CannotJoin, Telling
    from pointsman.provision.joining import join as join_cluster

    place = place_of(request.host, request.port)
    # What this machine had is replaced, as the dialogue said.
    wish = JoinWish(
        request.host,
        request.port,
        request.seen.sha256,
        request.user,
        request.password,
        replace_own=True,
        part=_PARTS[request.part],
    )
    try:
        if software.control_of(home) is None:
            asyncio.run(join_cluster(home, name, wish, Telling(), insist=True, seconds=0.0))
            return
        asked = {
            "host": wish.host,
            "port": wish.port,
            "fingerprint": wish.fingerprint,
            "user": wish.user,
            "password": wish.password,
            "replace_own": wish.replace_own,
            "traffic_ips": wish.part,
        }
        ask_control(home, "POST", "/cluster/join", asked, JOIN_SECONDS)
    except (CannotJoin, NotRunning, Denied) as error:
        raise Stopped(f"{place}: this machine was not joined: {error}") from None
