"""What needs another machine, or root's rights: a node that falls silent, echoes, ports below 1024, one address."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.request
from typing import Any

import pytest
from tests.e2e.test_traffic import in_force
from tests.root.conftest import FarMachine
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Origin

pytestmark = pytest.mark.root

CHECKED = {"delay": 1, "failures": 2, "timeout": 1}
DEADLINE = 5 * (1 * 2 + 1)
"""Five times what is promised: delay x failures + 1 s."""


def make(instance: Instance, kind: str, name: str, **settings: Any) -> None:
    status, answer = instance.put(kind, name, settings)
    assert status in (200, 201), answer


def dead(instance: Instance) -> list[str]:
    return [failed["node"] for failed in instance.get("status/local_tm/state")["state"]["failed_nodes"]]


def fetch(port: int, host: str = "127.0.0.1") -> str:
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


async def test_a_node_that_falls_silent_is_taken_out_and_comes_back(
    instance: Instance, far: FarMachine
) -> None:
    near = await Origin("near").start()
    silent = f"{far.there}:{far.serve()}"
    port = free_port()
    make(instance, "monitors", "answers", basic={"type": "http", **CHECKED}, http={"status_regex": "^200$"})
    make(
        instance,
        "pools",
        "app",
        basic={"monitors": ["answers"], "nodes_table": [{"node": near.node}, {"node": silent}]},
    )
    make(instance, "virtual_servers", "web", basic={"enabled": True, "port": port, "pool": "app"})
    await asyncio.to_thread(wait_for, "in force", lambda: in_force(instance))
    await asyncio.to_thread(wait_for, "both answer", lambda: {fetch(port) for _ in range(4)} >= {"far"})
    far.vanish()
    await asyncio.to_thread(wait_for, "the silent node is dead", lambda: dead(instance) == [silent], DEADLINE)
    begun = time.monotonic()
    answers = [await asyncio.to_thread(fetch, port) for _ in range(20)]
    assert "far" not in answers
    assert time.monotonic() - begun < 5, "requests still wait for the silent node"
    far.return_()
    await asyncio.to_thread(wait_for, "the node is back", lambda: dead(instance) == [], DEADLINE)
    await asyncio.to_thread(wait_for, "it is used again", lambda: "far" in {fetch(port) for _ in range(4)})
    await near.stop()


def test_a_ping_monitor_sees_a_machine_go_and_come(instance: Instance, far: FarMachine) -> None:
    silent = f"{far.there}:{far.serve()}"
    make(instance, "monitors", "echo", basic={"type": "ping", **CHECKED})
    make(instance, "pools", "app", basic={"monitors": ["echo"], "nodes_table": [{"node": silent}]})
    make(instance, "virtual_servers", "web", basic={"enabled": True, "port": free_port(), "pool": "app"})
    events = "status/local_tm/events?tag=nodefail"
    wait_for("in force", lambda: in_force(instance))
    wait_for("alive", lambda: dead(instance) == [])
    far.vanish()
    wait_for("the silent node is dead", lambda: dead(instance) == [silent], DEADLINE)
    assert "echo" in instance.get(events)["events"][0]["reason"]
    far.return_()
    wait_for("the node is back", lambda: dead(instance) == [], DEADLINE)


def test_a_virtual_server_on_a_low_port_of_one_address(instance: Instance, far: FarMachine) -> None:
    port = next((port for port in range(81, 1024) if not taken(port)), 0)
    make(instance, "pools", "app", basic={"nodes_table": [{"node": f"{far.there}:{far.serve()}"}]})
    only = {"listen_on_any": False, "listen_on_hosts": [far.here]}
    make(instance, "virtual_servers", "web", basic={"enabled": True, "port": port, "pool": "app", **only})
    wait_for("in force", lambda: in_force(instance))
    wait_for("the far client is answered", lambda: far.fetch(f"http://{far.here}:{port}/") == "far")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 2)


def taken(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError:
            return True
    return False
