"""Measures bandwidth limits at the receiver, from second 2 to 10, one line per case (a part of `make measure`).

With `--quick` only the first cases: each protocol and direction with and without limits. Invariant: figures are
printed, never asserted. The engine runs plans of the real compiler, on loopback, in a temporary home.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.certificates import self_signed
from tests.engine.rig import Objects, Rig, started

from tools.instance import free_port
from tools.stream import ENDLESS, Direction, Flow, Flows, Peer, Protocol, rates

COMMUNITY = 10_000_000
"""The bits a second of Community Edition."""


@dataclass
class Case:
    """What is sent through which limits. `connections` send or receive, `silent` ones only stay open."""

    name: str
    protocol: Protocol = "http"
    direction: Direction = "down"
    connections: int = 1
    licence: int = COMMUNITY
    sharing: str = ""
    maximum: int = 4000
    size: int = ENDLESS
    per_connection: int = ENDLESS
    silent: int = 0
    tls: bool = False
    services: int = 1
    ports: list[int] = field(default_factory=list)


def objects(case: Case, node: str) -> Objects:
    """The configuration for a case; its virtual servers are on `case.ports`."""
    made: dict[tuple[str, str], Mapping[str, Any]] = {}
    named = {}
    if case.sharing:
        made["bandwidth", "class"] = {"basic": {"maximum": case.maximum, "sharing": case.sharing}}
        named = {"bandwidth_class": "class"}
    made["pools", "app"] = {
        "basic": {"nodes_table": [{"node": node}], **(named if case.direction == "up" else {})}
    }
    if case.tls:
        public, private = self_signed("x")
        made["ssl/server_keys", "k"] = {"basic": {"public": public, "private": private}}
    case.ports = [free_port() for _ in range(case.services)]
    for number, port in enumerate(case.ports):
        basic = {
            "enabled": True,
            "port": port,
            "pool": "app",
            "listen_on_any": False,
            "listen_on_hosts": ["127.0.0.1"],
            "protocol": "stream" if case.protocol == "tcp" else "http",
            "ssl_decrypt": case.tls,
            **(named if case.direction == "down" else {}),
        }
        made["virtual_servers", f"web{number}"] = {
            "basic": basic,
            **({"ssl": {"server_cert_default": "k"}} if case.tls else {}),
        }
    return made


def flows(case: Case, peer: Peer) -> Flows:
    """The clients of a case, over its virtual servers in turn."""
    context = None
    if case.tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Flows(
        [
            Flow(
                case.ports[number % len(case.ports)],
                case.protocol,
                case.direction,
                case.size,
                case.per_connection,
                context,
            )
            for number in range(case.connections)
        ],
        peer,
    )


@contextlib.asynccontextmanager
async def silent(case: Case) -> Any:
    """Connections that hold the limit and send nothing: uploads that pause (TCP or HTTP)."""
    opened = []
    for _ in range(case.silent):
        _, writer = await asyncio.open_connection("127.0.0.1", case.ports[0])
        head = b"POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        writer.write(head if case.protocol == "http" else b"u")
        opened.append(writer)
    try:
        yield
    finally:
        for writer in opened:
            writer.transport.abort()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def measured(rig: Rig, case: Case) -> str:
    """Runs one case; its figures as text."""
    # A node of its own: what socket buffers still hold of the case before goes nowhere.
    peer = await Peer().start()
    rig.bandwidth = case.licence
    await rig.apply(objects(case, peer.node), "start", "reload")
    _, worker = await rig.running()
    async with silent(case), flows(case, peer) as running:
        before = cpu_seconds(worker)
        (rate,) = await rates([running.down if case.direction == "down" else running.up])
        used = (cpu_seconds(worker) - before) / 10
    peer.stop()
    return f"{rate:8.{2 if rate > 0.1 else 4}f} Mb/s   worker {used:4.0%} of a core"


async def reloaded(rig: Rig, show: Callable[[str, str], None]) -> None:
    """A long download, a reload, and new downloads beside it: what all receive together."""
    peer = await Peer().start()
    case = Case("reload", connections=5)
    rig.bandwidth = case.licence
    plain = objects(case, peer.node)
    await rig.apply(plain, "start", "reload")
    async with flows(case, peer) as old:
        await asyncio.sleep(2)
        changed = {**plain, ("pools", "app"): {**plain["pools", "app"], "connection": {"max_reply_time": 77}}}
        await rig.apply(changed, "reload")
        (alone,) = await rates([old.down], 1, 4)
        async with flows(case, peer) as new:
            first, second = await rates([old.down, new.down])
    peer.stop()
    show("reload: old downloads alone after it", f"{alone:8.2f} Mb/s")
    show("  beside new ones: old + new", f"{first:8.2f} + {second:.2f} = {first + second:.2f} Mb/s")


def licence_cases() -> list[Case]:
    """Community Edition at 1 and 50 connections."""
    return [case for case in cases(quick=True) if case.licence]


def cases(quick: bool) -> list[Case]:
    """The table: with the licence's limit, a class per connection, a class per machine, and without."""
    found = []
    for connections in (1, 50):
        for protocol in ("http", "tcp"):
            for direction in ("down", "up"):
                what = f"{protocol} {direction}, {connections} connections"
                one: dict[str, Any] = {
                    "protocol": protocol,
                    "direction": direction,
                    "connections": connections,
                }
                found.append(Case(f"{what}, Community Edition 10 Mb/s", **one))
                found.append(Case(f"{what}, class machine 4 Mb/s", licence=0, sharing="machine", **one))
                each = {"licence": 0, "sharing": "connection", "maximum": 400}
                found.append(Case(f"{what}, class connection 0.4 Mb/s", **each, **one))
                found.append(Case(f"{what}, no limit", licence=0, **one))
    if quick:
        return found
    for direction in ("down", "up"):
        one = {"direction": direction, "connections": 20}
        found += [
            Case(f"http {direction}, TLS", tls=True, **one),
            Case(f"http {direction}, bodies of 1 kB", size=1000, **one),
            Case(f"http {direction}, bodies of 100 kB", size=100_000, **one),
            Case(f"http {direction}, bodies of 20 kB, new connections", size=20_000, per_connection=1, **one),
            Case(f"upgraded {direction}", protocol="upgrade", **one),
            Case(f"http {direction}, 4 virtual servers", services=4, **one),
            Case(f"http {direction}, class machine 4 Mb/s and Community", sharing="machine", **one),
            Case(
                f"http {direction}, class connection 0.4 Mb/s, bodies of 1 kB",
                licence=0, sharing="connection", maximum=400, size=1000, **one,
            ),
            Case(f"tcp {direction}, class machine 1 kbit/s", "tcp", licence=0, sharing="machine", maximum=1, **one),
            Case(f"tcp {direction}, class machine 1 Gb/s", "tcp", licence=0, sharing="machine", maximum=10**6, **one),
        ]  # fmt: skip
    found += [
        Case(f"{protocol} up, 1 connection beside {silent} silent", protocol, "up", silent=silent)
        for protocol in ("http", "tcp")
        for silent in (50, 500)
    ]
    return found


async def measure_bandwidth(show: Callable[[str, str], None], wanted: list[Case]) -> None:
    """The cases and the reload; `show` prints a name and a figure."""
    with tempfile.TemporaryDirectory(prefix="pm-") as home:
        async with started(Rig(Path(home))) as rig:
            for case in wanted:
                show(case.name, await measured(rig, case))
            await reloaded(rig, show)


def _print(what: str, figure: str) -> None:
    print(f"{what:<62} {figure}", flush=True)


if __name__ == "__main__":
    asyncio.run(measure_bandwidth(_print, cases("--quick" in sys.argv)))
