"""What tests of clusters do with a lab: members that join, and what must be equal on all of them.

Invariant: what is compared is what an administrator would compare: the configuration by REST, the engine's files.
"""

from __future__ import annotations

import http.client
import re
import subprocess
from collections.abc import Iterable
from typing import Any

from tests.root.lab import PASSWORD, Lab
from tools.instance import wait_for

JOIN_SECONDS = 60.0
UNREACHABLE = (OSError, http.client.HTTPException)


def pointsman(lab: Lab, number: int, *words: str) -> subprocess.CompletedProcess[str]:
    """A `pointsman` command on a host, for its own instance."""
    return lab.hosts[number].call(
        lambda: subprocess.run(
            [*lab.program(number), *words, "--home", str(lab.home(number))],
            capture_output=True, text=True, timeout=JOIN_SECONDS, check=False,
        )
    )  # fmt: skip


def join(lab: Lab, number: int, peer: int, *words: str) -> None:
    """Lets a host join the cluster of another one; fails the test when that is refused."""
    fingerprint = lab.ready(peer)["sha256"]
    secret = lab.directory / "cluster-password"
    secret.write_text(PASSWORD + "\n")
    done = pointsman(
        lab, number, "cluster", "join", "--peer", f"{lab.ip(peer)}:9090", "--fingerprint", fingerprint,
        "--user", "admin", "--password-file", str(secret), *words,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)


def assemble(lab: Lab, *words: str, members: Iterable[int] = ()) -> None:
    """Starts hosts, all without `members`, and makes one cluster of them."""
    first, *others = members or lab.ids
    lab.start(first, *others)
    for number in others:
        join(lab, number, first, *words)
    await_equal(lab, (first, *others))


def configuration(lab: Lab, number: int) -> Any:
    """Everything that a member has stored, secrets included, as it exports it."""
    return lab.rest(number).get("status/local_tm/config_document?format=json&secrets=include")


def engine(lab: Lab, number: int) -> str:
    """The engine's configuration in force on a member, without its home, its generation's number and the lines that
    say which of the linked engines it is.
    """
    home = lab.home(number)
    text = (
        (home / "engine" / "current" / "haproxy.cfg").read_text(encoding="utf-8").replace(str(home), "HOME")
    )
    text = text.replace(f"bind {lab.ip(number)}:", "bind ADDRESS:")
    text = re.sub(r"(gen|generation)-\d+", r"\1-N", text)
    text = re.sub(r"/run/pointsman-[0-9a-f]+/", "TIMES/", text)
    return re.sub(r"^ *(localpeer|server) member-.*\n", "", text, flags=re.MULTILINE)


def in_force(lab: Lab, number: int) -> bool:
    """Whether a member serves the newest configuration that it has."""
    applies = lab.rest(number).get("status/local_tm/applies?limit=1")
    return bool(applies["in_force"] == applies["revision"])


def await_equal(lab: Lab, members: Iterable[int], seconds: float = 30.0) -> None:
    """Waits until all these members have the same configuration."""
    members = tuple(members)

    def equal() -> bool:
        try:
            first, *others = (configuration(lab, number) for number in members)
            return all(other == first for other in others)
        except UNREACHABLE:
            return False

    wait_for("all members have the same configuration", equal, seconds)


def serve_on(lab: Lab, address: str, *machines: int, port: int = 80, **group: Any) -> str:
    """A service "web" on a traffic IP that these hosts can hold, with a node on the switch; its "address:port"."""
    rest = lab.rest(lab.ids[0])
    names = [lab.host_name(number) for number in machines or lab.ids]
    rest.put("pools", "app", {"basic": {"nodes_table": [{"node": lab.node()}]}})
    rest.put("traffic_ip_groups", "front", {"basic": {"ipaddresses": [address], "machines": names, **group}})
    listen = {"listen_on_any": False, "listen_on_traffic_ips": ["front"]}
    rest.put("virtual_servers", "web", {"basic": {"enabled": True, "port": port, "pool": "app", **listen}})
    return f"{address}:{port}"
