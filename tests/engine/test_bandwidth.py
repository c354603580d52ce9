"""Bandwidth limits as receivers see them. Bounds are wide; exact figures are printed by `python -m tools.bandwidth`."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.engine.rig import Rig
from tools.instance import free_port
from tools.stream import Direction, Flow, Flows, Peer, Protocol, rates

AFTER = 2.0
"""Seconds until a limit that was not used before is even: what its first period permits at once is spent."""
SECONDS = 3.0
LOOKS = 4


@pytest.fixture
async def peers() -> AsyncIterator[tuple[Peer, ...]]:
    """Four nodes."""
    started = [await Peer().start() for _ in range(4)]
    yield tuple(started)
    for peer in started:
        peer.stop()


def pool(peer: Peer, **basic: Any) -> dict[str, Any]:
    """A pool of one node."""
    return {"basic": {"nodes_table": [{"node": peer.node}], **basic}}


def server(port: int, pool: str, **basic: Any) -> dict[str, Any]:
    """A virtual server on loopback."""
    where = {"enabled": True, "port": port, "pool": pool, "listen_on_any": False}
    return {"basic": {**where, "listen_on_hosts": ["127.0.0.1"], **basic}}


def clients(
    count: int, port: int, peer: Peer, protocol: Protocol, direction: Direction, **more: Any
) -> Flows:
    """So many clients of one kind."""
    return Flows([Flow(port, protocol, direction, **more) for _ in range(count)], peer)


async def measure(
    groups: Mapping[str, Flows], settled: Callable[[dict[str, float]], bool] = bool
) -> dict[str, float]:
    """Mb/s by group, all running together; a name that starts with "up" is counted at the node.

    Looks again, `LOOKS` times at most, until the rates have `settled`: on a busy machine what a look sees is the
    machine, not the limit.
    """
    async with contextlib.AsyncExitStack() as stack:
        for flows in groups.values():
            await stack.enter_async_context(flows)
        counts = [flows.up if name.startswith("up") else flows.down for name, flows in groups.items()]
        found = dict(zip(groups, await rates(counts, AFTER, SECONDS), strict=True))
        for _ in range(LOOKS - 1):
            if settled(found):
                break
            found = dict(zip(groups, await rates(counts, 0, SECONDS), strict=True))
        return found


def about(expected: float) -> Any:
    return pytest.approx(expected, rel=0.3)


def total(found: Mapping[str, float], direction: str) -> float:
    """The sum of the groups of a direction."""
    return sum(rate for name, rate in found.items() if name.startswith(direction))


async def test_the_licence_limits_all_services_together(rig: Rig, peers: tuple[Peer, ...]) -> None:
    """R65: one bucket towards clients and one towards nodes, over HTTP, TLS, TCP and upgraded connections."""
    public, private = self_signed("x")
    ports = [free_port() for _ in range(3)]
    rig.bandwidth = 10_000_000
    secure = server(ports[1], "b", ssl_decrypt=True)
    objects = {
        ("ssl/server_keys", "k"): {"basic": {"public": public, "private": private}},
        ("pools", "a"): pool(peers[0]),
        ("pools", "b"): pool(peers[1]),
        ("pools", "c"): pool(peers[2]),
        ("virtual_servers", "plain"): server(ports[0], "a"),
        ("virtual_servers", "secure"): {**secure, "ssl": {"server_cert_default": "k"}},
        ("virtual_servers", "stream"): server(ports[2], "c", protocol="client_first"),
    }
    await rig.apply(objects, "start")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    found = await measure(
        {
            "down, HTTP": clients(4, ports[0], peers[0], "http", "down"),
            "down, upgraded": clients(4, ports[0], peers[0], "upgrade", "down"),
            "down, small": clients(4, ports[0], peers[0], "http", "down", size=20_000, per_connection=1),
            "down, TLS": clients(4, ports[1], peers[1], "http", "down", tls=trusting),
            "down, TCP": clients(4, ports[2], peers[2], "tcp", "down"),
            "up, HTTP": clients(4, ports[0], peers[0], "http", "up"),
            "up, TLS": clients(4, ports[1], peers[1], "http", "up", tls=trusting, size=20_000),
            "up, TCP": clients(4, ports[2], peers[2], "tcp", "up"),
        },
        lambda found: total(found, "down") == about(10) and total(found, "up") == about(10),
    )
    assert total(found, "down") == about(10), found
    assert total(found, "up") == about(10), found
    assert min(found.values()) > 0.3, f"somebody gets nothing: {found}"


@pytest.mark.parametrize("protocol", ["server_first", "http"])
async def test_connections_that_come_at_once_are_all_limited(
    rig: Rig, peers: tuple[Peer, ...], protocol: str
) -> None:
    """R65: 50 connections that open in the same moment, the first after a start; none escapes the limit."""
    port = free_port()
    rig.bandwidth = 10_000_000
    web = server(port, "a", protocol=protocol)
    await rig.apply({("pools", "a"): pool(peers[0]), ("virtual_servers", "web"): web}, "start")
    kind: Protocol = "http" if protocol == "http" else "tcp"
    found = await measure(
        {
            "down": clients(50, port, peers[0], kind, "down"),
            "up": clients(50, port, peers[0], kind, "up"),
        },
        lambda found: found == {"down": about(10), "up": about(10)},
    )
    assert found == {"down": about(10), "up": about(10)}


async def test_few_busy_connections_are_not_starved_by_many_silent_ones(
    rig: Rig, peers: tuple[Peer, ...]
) -> None:
    """R65: the limit is used although most of those who share it say nothing."""
    port = free_port()
    rig.bandwidth = 10_000_000
    await rig.apply(
        {
            ("pools", "a"): pool(peers[0]),
            ("virtual_servers", "web"): server(port, "a", protocol="server_first"),
        },
        "start",
    )
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(40):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            silent.sendall(b"u")
        one = clients(1, port, peers[0], "tcp", "up")
        found = await measure({"up": one}, lambda found: found["up"] == about(10))
    assert found["up"] == about(10), found


async def test_classes_limit_connections_machines_and_what_is_sent_to_nodes(
    rig: Rig, peers: tuple[Peer, ...]
) -> None:
    ports = [free_port() for _ in range(4)]
    objects = {
        ("bandwidth", "each"): {"basic": {"maximum": 1000, "sharing": "connection"}},
        ("bandwidth", "all"): {"basic": {"maximum": 2000, "sharing": "machine"}},
        ("bandwidth", "nodes"): {"basic": {"maximum": 3000, "sharing": "machine"}},
        ("pools", "a"): pool(peers[0]),
        ("pools", "b"): pool(peers[1], bandwidth_class="nodes"),
        ("virtual_servers", "each"): server(ports[0], "a", bandwidth_class="each"),
        ("virtual_servers", "all"): server(ports[1], "a", bandwidth_class="all"),
        ("virtual_servers", "nodes"): server(ports[2], "b"),
        ("virtual_servers", "free"): server(ports[3], "a", protocol="server_first"),
    }
    await rig.apply(objects, "start")
    found = await measure(
        {
            "connections": clients(3, ports[0], peers[0], "http", "down", size=1000),
            "machine": clients(5, ports[1], peers[0], "http", "down"),
            "up": clients(5, ports[2], peers[1], "http", "up"),
        },
        lambda found: found == {"connections": about(3), "machine": about(2), "up": about(3)},
    )
    assert found == {"connections": about(3), "machine": about(2), "up": about(3)}
    found = await measure(
        {
            "responses of a pool with a class": clients(2, ports[2], peers[1], "http", "down"),
            "without class": clients(2, ports[3], peers[0], "tcp", "down"),
        }
    )
    assert min(found.values()) > 50, found


async def test_a_class_and_the_licence_hold_together(rig: Rig, peers: tuple[Peer, ...]) -> None:
    """R65: a class takes nothing away from the limit of the instance, nor adds to it."""
    ports = [free_port(), free_port()]
    rig.bandwidth = 6_000_000
    objects = {
        ("bandwidth", "slow"): {"basic": {"maximum": 1000, "sharing": "machine"}},
        ("pools", "a"): pool(peers[0]),
        ("virtual_servers", "slow"): server(ports[0], "a", bandwidth_class="slow"),
        ("virtual_servers", "other"): server(ports[1], "a"),
    }
    await rig.apply(objects, "start")
    found = await measure(
        {
            "slow": clients(2, ports[0], peers[0], "http", "down"),
            "other": clients(2, ports[1], peers[0], "http", "down"),
        },
        lambda found: found["slow"] == about(1) and sum(found.values()) == about(6),
    )
    assert found["slow"] == about(1), found
    assert sum(found.values()) == about(6), found


async def test_a_changed_class_is_in_force_without_breaking_a_download(
    rig: Rig, peers: tuple[Peer, ...]
) -> None:
    port = free_port()
    objects: dict[tuple[str, str], Any] = {
        ("bandwidth", "gold"): {"basic": {"maximum": 1000, "sharing": "machine"}},
        ("pools", "a"): pool(peers[0]),
        ("virtual_servers", "web"): server(port, "a", bandwidth_class="gold"),
    }
    await rig.apply(objects, "start")
    async with clients(1, port, peers[0], "http", "down") as before:
        await rates([before.down], 0.5, 0.5)
        connections = peers[0].connections
        objects["bandwidth", "gold"] = {"basic": {"maximum": 4000, "sharing": "machine"}}
        await rig.apply(objects, "reload")
        new = clients(2, port, peers[0], "http", "down")
        found = await measure({"new": new}, lambda found: found["new"] == about(4))
        (old,) = await rates([before.down], 0, 1)
        assert peers[0].connections == connections + 2, "the download was not begun anew"
    assert found["new"] == about(4), found
    assert old == pytest.approx(1, rel=0.5)
