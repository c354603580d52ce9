"""Licences in a real container: a key by URL, keys over REST, one that ends while traffic runs, and what limits do."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.container.docker import LONG, Container, Containers, node
from tests.licences import licence_key
from tools.instance import wait_for

pytestmark = pytest.mark.root
STREAM = Path(__file__).resolve().parents[2] / "tools" / "stream.py"
HTTP, TCP = 81, 82
ROOM = 0.3
"""By how much less than the limit may come here, on a busy machine; more than a tenth above it never may."""
LIVES = 20
"""Seconds that the short key is valid."""
MEASURE = """
import asyncio, sys
from stream import Flow, Flows, Peer, rates
async def main():
    peer = await Peer().start()
    print(peer.port, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        connections, protocol, direction, port = line.split()
        async with Flows([Flow(int(port), protocol, direction) for _ in range(int(connections))], peer) as running:
            (rate,) = await rates([getattr(running, direction)], 2, 2)
        print(rate, flush=True)
asyncio.run(main())
"""


class Streams:
    """Streams of payload inside a container, from clients and a node there, through the virtual servers `HTTP` and
    `TCP` of it.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        container.docker("cp", str(STREAM), f"{container.name}:/tmp/stream.py")
        self._process = subprocess.Popen(
            ["docker", "exec", "-i", "-w", "/tmp", container.name, "python3", "-c", MEASURE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=container.docker.environment,
        )

    def line(self, text: str = "") -> str:
        """The next line, after `text` was written."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def serve(self) -> None:
        """Makes the virtual servers and waits until they answer."""
        self._container.put(
            "pools", "far", basic={"nodes_table": [{"node": f"127.0.0.1:{self.line().strip()}"}]}
        )
        for port, protocol in ((HTTP, "http"), (TCP, "stream")):
            self._container.put(
                "virtual_servers",
                protocol,
                basic={"enabled": True, "port": port, "protocol": protocol, "pool": "far"},
            )
        wait_for("it answers", lambda: self._container.fetch(HTTP, "/5")[0] == 200, LONG)

    def rate(self, connections: int, protocol: str, direction: str) -> float:
        """Mb/s of payload where it is received, over two seconds after the first two."""
        port = HTTP if protocol == "http" else TCP
        return float(self.line(f"{connections} {protocol} {direction} {port}\n"))

    def close(self) -> None:
        """Ends them."""
        self._process.kill()
        self._process.communicate(timeout=10)


@contextlib.contextmanager
def requests(container: Container) -> Iterator[list[int]]:
    """Requests one after the other, each on its own connection, while this lasts: their statuses."""
    seen: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            seen.append(container.fetch(HTTP, "/5")[0])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def send(container: Container, name: str, key: bytes) -> int:
    """PUT of a key; the status."""
    token = base64.b64encode(f"admin:{container.password}".encode()).decode()
    where = f"/api/tm/8.3/config/active/license_keys/{name}"
    kind = "application/octet-stream"
    return container.request("PUT", where, key, authorization=f"Basic {token}", content_type=kind)[0]


def in_force(container: Container) -> str:
    """The serial of the licence that is in use."""
    return str(container.rest("GET", "status/local_tm/licence")[1]["licence"]["source"])


def becomes(container: Container, serial: str) -> None:
    """Waits until that licence is in use, and the engine runs with it."""

    def settled() -> bool:
        conditions = container.rest("GET", "status/local_tm/conditions")[1]
        return in_force(container) == serial and conditions["revision"] == conditions["in_force"]

    wait_for(f"{serial} is in use", settled, LONG)


def test_keys_come_and_end_while_traffic_runs(containers: Containers) -> None:
    """R16, R62, R64, R65, R67: a key by URL, others over REST; the best counts; with the last one its freedom ends."""
    url_key = licence_key("BY-URL", bandwidth=200_000_000)
    network, prefix = containers.network()
    with node(url_key.decode()) as port:
        url = f"http://{prefix}.1:{port}/key"
        container = containers.run("--network", network, env={"ZEUS_LIC": url})
    assert f"downloading the licence key from {url}" in container.logs()
    assert in_force(container) == "BY-URL"
    streams = Streams(container)
    try:
        streams.serve()
        assert send(container, "SHORT", licence_key("SHORT", expires=int(time.time()) + LIVES)) == 201
        becomes(container, "SHORT")
        assert container.rest("DELETE", "config/active/license_keys/BY-URL")[0] == 204
        assert in_force(container) == "SHORT"
        assert streams.rate(1, "http", "down") > 20
        with requests(container) as statuses:
            becomes(container, "community")
            wait_for("more requests", lambda: len(statuses) > 20, LONG)
            already = len(statuses)
            wait_for("and more", lambda: len(statuses) > already + 20, LONG)
        assert set(statuses) == {200}
        for case in ((1, "http", "down"), (50, "http", "up"), (1, "tcp", "up"), (50, "tcp", "down")):
            rate = streams.rate(*case)
            assert 10 * (1 - ROOM) < rate < 11, (case, rate)
        for serial, bandwidth in (("A", 30_000_000), ("B", 0)):
            assert send(container, serial, licence_key(serial, bandwidth=bandwidth)) == 201
            becomes(container, serial)
        assert streams.rate(1, "tcp", "up") > 40
        assert container.rest("DELETE", "config/active/license_keys/B")[0] == 204
        becomes(container, "A")
    finally:
        streams.close()
