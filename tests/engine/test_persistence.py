"""Clients come back to their node: across methods, priorities, reloads and members of the cluster (R2)."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from typing import Any

from tests.engine.members import Cluster
from tests.engine.rig import Objects, Rig, service, until
from tools.instance import free_port
from tools.traffic import Origin

from pointsman.schema.stream import Sessions

Origins = tuple[Origin, Origin, Origin]


class Client:
    """Asks over a new connection each time, from an address of its own, and keeps cookies."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.port = port
        self.source = source
        self.cookies: dict[str, str] = {}
        self.answer = ""

    async def ask(self, method: str = "GET", at: str = "127.0.0.1") -> str:
        """Who answered: the body."""
        reader, writer = await asyncio.open_connection(at, self.port, local_addr=(self.source, 0))
        body = "4\r\n\r\nbody" if method == "POST" else "0\r\n\r\n"
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = f"{method} / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n"
        if cookies:
            head += f"Cookie: {cookies}\r\n"
        writer.write(f"{head}Content-Length: {body}".encode())
        try:
            self.answer = await asyncio.wait_for(_answer(reader, method), 10)
        finally:
            writer.close()
        head, _, text = self.answer.partition("\r\n\r\n")
        for line in head.split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "set-cookie":
                name, _, value = value.partition(";")[0].partition("=")
                self.cookies[name] = value
        return text


async def _answer(reader: asyncio.StreamReader, method: str) -> str:
    """One answer; the connection may stay open after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
    body = b"" if method == "HEAD" or not length else await reader.readexactly(int(length))
    return head + body.decode()


def sticky(
    port: int, nodes: Any, *, basic: dict[str, Any] | None = None, host: str = "127.0.0.1", **sections: Any
) -> dict[tuple[str, str], Any]:
    """A service whose pool uses a persistence class with these settings."""
    web = {"basic": {"listen_on_hosts": [host]}}
    objects = service(port, nodes, basic={"persistence_class": "stick"}, web=web, **sections)
    return {**objects, ("persistence", "stick"): {"basic": basic or {}}}


async def stays(client: Client, node: str, at: str = "127.0.0.1") -> None:
    for method in ("GET", "POST", "PUT", "HEAD", "DELETE", "GET"):
        answered = await client.ask(method, at)
        assert method == "HEAD" or answered == node, client.answer


async def met(client: Client, *nodes: str) -> str:
    """The node of a client's session."""
    node = await client.ask()
    assert not nodes or node in nodes
    await stays(client, node)
    return node


async def by_node(port: int, network: str = "127.0.0") -> dict[str, Client]:
    """A client for each of several nodes."""
    found: dict[str, Client] = {}
    for number in range(1, 30):
        client = Client(port, f"{network}.{number}")
        found.setdefault(await client.ask(), client)
    return found


async def test_clients_come_back_by_address(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(sticky(port, origins), "start")
    clients = await by_node(port)
    assert set(clients) == {"a", "b", "c"}
    for node, client in clients.items():
        await stays(client, node)


async def test_a_network_is_one_client(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(sticky(port, origins, basic={"subnet_prefix_length_v4": 24}), "start")
    assert len(await by_node(port, "127.0.7")) == 1
    assert len({await Client(port, f"127.0.{number}.1").ask() for number in range(8, 20)}) == 3


async def test_clients_of_tcp_services_come_back(rig: Rig, origins: Origins) -> None:
    port = free_port()
    objects = sticky(port, origins)
    objects["virtual_servers", "web"]["basic"]["protocol"] = "client_first"
    await rig.apply(objects, "start")
    clients = await by_node(port)
    assert set(clients) == {"a", "b", "c"}
    for node, client in clients.items():
        await stays(client, node)


async def test_clients_come_back_by_our_cookie(rig: Rig, origins: Origins) -> None:
    """The cookie is set once, has the attributes that were asked for, and tells no address."""
    port = free_port()
    basic = {"type": "transparent", "transparent_directives": "SameSite=Lax; HttpOnly"}
    await rig.apply(sticky(port, origins, basic=basic), "start")
    clients = [Client(port) for _ in range(6)]
    assert {await client.ask() for client in clients} == {"a", "b", "c"}
    for client in clients:
        assert "; SameSite=Lax; HttpOnly" in client.answer
        assert str(origins[0].port) not in str(client.cookies)
        await stays(client, await client.ask())
        assert "set-cookie" not in client.answer
    # The twin for requests that must not be repeated counts for itself, so a POST may begin a session anywhere.
    assert len({await client.ask("POST") for client in clients}) == 3


async def test_clients_come_back_by_the_applications_cookie(rig: Rig) -> None:
    """Learned from the response that sets it, whatever it holds."""
    seen: dict[str, Client] = {}
    made = [await _application(name) for name in "ab"]
    nodes = [{"node": f"127.0.0.1:{server.sockets[0].getsockname()[1]}"} for server in made]
    port = free_port()
    await rig.apply(sticky(port, nodes, basic={"type": "cookie", "cookie": "session"}), "start")
    for _ in range(6):
        client = Client(port)
        seen[await client.ask()] = client
    assert set(seen) == {"a", "b"}
    for node, client in seen.items():
        await stays(client, node)
    for server in made:
        server.close()


async def _application(name: str) -> asyncio.Server:
    """A server that sets a long cookie of its own."""
    number = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal number
        number += 1
        head = await reader.readuntil(b"\r\n\r\n")
        cookie = "" if b"session=" in head else f"Set-Cookie: session={'x' * 300}{name}{number}\r\n"
        writer.write(
            f"HTTP/1.1 200 OK\r\n{cookie}Content-Length: 1\r\nConnection: close\r\n\r\n{name}".encode()
        )
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def test_sessions_survive_reloads_and_new_nodes(rig: Rig, origins: Origins) -> None:
    """Alone, without any other member; nodes that come and go move nobody else."""
    a, b, c = origins
    port = free_port()
    await rig.apply(sticky(port, [b, c]), "start")
    await until("the engine knows itself complete", lambda: _complete(rig), 30)
    clients = await by_node(port)
    await rig.apply(sticky(port, [a, b, c]), "runtime")
    for node, client in clients.items():
        await stays(client, node)
    await rig.apply(sticky(port, [a, b, c], connection={"max_connect_time": 7}), "reload")
    for node, client in clients.items():
        await until("its session was handed over", partial(_knows, rig, client.source))
        await stays(client, node)
    await rig.apply(sticky(port, [a, c], connection={"max_connect_time": 7}), "runtime")
    await stays(clients["c"], "c")
    await met(clients["b"], "a", "c")


async def _complete(rig: Rig) -> bool:
    flags = (await rig.runtime("show peers")).partition("flags=")[2].split()[0]
    return int(flags, 16) & 3 == 3


async def _knows(rig: Rig, source: str) -> bool:
    name = next(
        section.header.text.split()[1] for section in _plan(rig) if "sessions-" in section.header.text
    )
    return f"::ffff:{source} " in await rig.runtime(f"show table {name}")


def _plan(rig: Rig) -> Any:
    assert rig.plan is not None
    return rig.plan.sections


async def test_a_draining_node_keeps_its_sessions_and_a_disabled_one_does_not(
    rig: Rig, origins: Origins
) -> None:
    port = free_port()
    await rig.apply(sticky(port, origins), "start")
    clients = await by_node(port)
    rows = [{"node": each.node} for each in origins]
    await rig.apply(sticky(port, [{**rows[0], "state": "draining"}, *rows[1:]]), "runtime")
    await stays(clients["a"], "a")
    assert "a" not in await by_node(port, "127.0.5")
    await rig.apply(sticky(port, [{**rows[0], "state": "disabled"}, *rows[1:]]), "runtime")
    await met(clients["a"], "b", "c")


async def test_a_dead_node_loses_its_sessions(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(sticky(port, origins), "start")
    client = (await by_node(port))["a"]
    await origins[0].stop()
    node = await met(client, "b", "c")
    await origins[0].start()
    await stays(client, node)


async def test_a_session_stays_across_priorities(rig: Rig, origins: Origins) -> None:
    """Begun on a node of low priority while the others were away, it stays there when they are back."""
    a, b, _ = origins
    for kind in ("transparent", "ip"):
        basic = {"type": kind}
        port = free_port()
        rows = [{"node": a.node, "priority": 2}, {"node": b.node, "priority": 1}]
        ranked: dict[str, Any] = {"load_balancing": {"priority_enabled": True}}
        away = [{**rows[0], "state": "disabled"}, rows[1]]
        await rig.apply(sticky(port, away, basic=basic, **ranked), "start", "reload")
        if kind == "ip":
            await until("the engine can hand sessions over", lambda: _complete(rig), 30)
        client = Client(port)
        assert await met(client) == "b"
        await rig.apply(sticky(port, rows, basic=basic, **ranked), "runtime", "reload")
        await stays(client, "b")
        newcomer = Client(port, "127.0.0.9")
        assert await met(newcomer) == "a"
        # It goes with its node when that serves with the others again.
        more: dict[str, Any] = {"load_balancing": {"priority_enabled": True, "priority_nodes": 2}}
        await rig.apply(sticky(port, rows, basic=basic, **more), "reload")
        if kind == "ip":
            await until("the sessions were handed over", lambda: _knows(rig, "127.0.0.9"))
        await stays(newcomer, "a")
        await stays(client, "b")


async def test_clients_of_a_lost_node_are_sent_elsewhere(rig: Rig, origins: Origins) -> None:
    port = free_port()
    rows = [{"node": each.node} for each in origins[:2]]
    for kind in ("ip", "transparent"):
        basic = {"type": kind, "failure_mode": "url", "url": "https://sorry.example/?why=100%"}
        await rig.apply(sticky(port, rows, basic=basic), "start", "reload")
        clients = [Client(port, f"127.0.0.{number}") for number in range(1, 9)]
        (client, *_) = [each for each in clients if await each.ask() == "a"]
        await stays(client, "a")
        await rig.apply(sticky(port, [{**rows[0], "state": "disabled"}, rows[1]], basic=basic), "runtime")
        await client.ask()
        assert client.answer.startswith("HTTP/1.1 302 ")
        assert "location: https://sorry.example/?why=100%\r\n" in client.answer
        if kind == "transparent":  # the session ends with the answer
            assert await client.ask() == "b"


async def test_clients_of_a_lost_node_are_closed(rig: Rig, origins: Origins) -> None:
    port = free_port()
    rows = [{"node": each.node} for each in origins[:2]]
    for kind in ("ip", "transparent"):
        basic = {"type": kind, "failure_mode": "close"}
        await rig.apply(sticky(port, rows, basic=basic), "start", "reload")
        clients = [Client(port, f"127.0.0.{number}") for number in range(1, 9)]
        (client, *_) = [each for each in clients if await each.ask() == "a"]
        await rig.apply(sticky(port, [{**rows[0], "state": "disabled"}, rows[1]], basic=basic), "runtime")
        await client.ask("POST")
        assert client.answer.startswith("HTTP/1.1 503 ")
        if kind == "transparent":
            assert await client.ask() == "b"
        else:
            await rig.apply(sticky(port, rows, basic=basic), "runtime")
            await stays(client, "a")


async def test_r2_sessions_go_to_the_same_node_on_every_member(cluster: Cluster, origins: Origins) -> None:
    """Also when the member that began them was killed."""
    port = free_port()

    def objects(host: str) -> Objects:
        both: dict[tuple[str, str], Any] = {
            **sticky(port, origins, host=host),
            ("persistence", "ours"): {"basic": {"type": "transparent"}},
        }
        pool = both["pools", "app"]
        both["pools", "cookies"] = {"basic": {**pool["basic"], "persistence_class": "ours"}}
        web = both["virtual_servers", "web"]
        both["virtual_servers", "cookies"] = {"basic": {**web["basic"], "pool": "cookies", "port": port + 1}}
        return both

    await cluster.start(objects)
    at, other = (cluster.address(rig) for rig in (cluster.a, cluster.b))
    sessions: list[tuple[Client, str]] = []
    for number in range(1, 10):
        for own in (port, port + 1):
            client = Client(own, f"127.0.0.{number}")
            sessions.append((client, await client.ask(at=at)))
    assert {node for _, node in sessions} == {"a", "b", "c"}
    cluster.b.plan = cluster.plan(cluster.b, objects(other))
    for client, _ in sessions[::2]:
        await until("b has heard of it", partial(_knows, cluster.b, client.source))
    assert cluster.a.launcher is not None
    master, worker = await cluster.a.running()
    for pid in (cluster.a.launcher.pid, master, worker):
        os.kill(pid, signal.SIGKILL)
    for client, node in sessions:
        await stays(client, node, other)


async def test_sessions_are_counted_by_node_up_to_a_number(rig: Rig, origins: Origins) -> None:
    """A table with more entries than may be read tells its size alone; a cookie of ours tells nothing."""
    port = free_port()
    await rig.apply(sticky(port, origins), "start")
    by: dict[str, int] = {}
    for number in range(1, 10):
        node = await Client(port, f"127.0.0.{number}").ask()
        by[node] = by.get(node, 0) + 1
    nodes = {origin.name: origin.node for origin in origins}
    found = (await rig.engine.sessions(["app", "unheard-of"], 9))["app"]
    assert found == Sessions(9, {nodes[name]: count for name, count in by.items()})
    assert await rig.engine.sessions(["app"], 8) == {"app": Sessions(9, None)}
    await rig.apply(sticky(port, origins, basic={"type": "transparent"}), "reload")
    assert await rig.engine.sessions(["app"], 9) == {}
