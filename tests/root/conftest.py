"""A second machine for tests: a network namespace with an address of its own, whose answers can be swallowed.

Invariant: the addresses are of a range for documentation (RFC 5737) and exist on this machine alone; whatever a test
does, the namespace is gone afterwards, and with it the link and the processes in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.instance import Instance, free_port, wait_for

_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "3"); self.end_headers(); self.wfile.write(b"far")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


class FarMachine:
    """A namespace with the address `there`, linked to `here` in ours."""

    def __init__(self) -> None:
        network = 4 * (os.getpid() % 63)  # another run of the same tests has another one
        self.here, self.there = f"198.51.100.{network + 1}", f"198.51.100.{network + 2}"
        self.name = f"pointsman-{os.getpid()}"
        self.link = f"pm{os.getpid() % 100_000}"
        self._servers: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        """Makes namespace and link. Raises `CalledProcessError` where the kernel does not allow it."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "far", "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self.link)
        _ip("link", "set", self.link, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", "far")
        _ip("-n", self.name, "link", "set", "far", "up")
        _ip("-n", self.name, "link", "set", "lo", "up")

    def serve(self) -> int:
        """Starts an HTTP server that answers "far" and returns its port."""
        port = free_port()
        words = ["ip", "netns", "exec", self.name, sys.executable, "-c", _SERVER, self.there, str(port)]
        self._servers.append(subprocess.Popen(words))
        wait_for("the far server", lambda: self.fetch(f"http://{self.there}:{port}/") == "far")
        return port

    def fetch(self, url: str) -> str:
        """What a client on the far machine gets from a URL; "" when it gets nothing within 3 s."""
        client = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=3).read().decode(), end='')"
        words = ["ip", "netns", "exec", self.name, sys.executable, "-c", client, url]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout if done.returncode == 0 else ""

    def vanish(self) -> None:
        """Swallows every answer from now on: no reset, no ICMP error, as a machine that lost its power."""
        _ip("-n", self.name, "route", "add", "blackhole", f"{self.here}/32")

    def return_(self) -> None:
        """Answers again."""
        _ip("-n", self.name, "route", "del", "blackhole", f"{self.here}/32")

    def remove(self) -> None:
        """Ends its processes and takes it away."""
        for server in self._servers:
            server.kill()
            server.wait()
        for words in (("link", "del", self.link), ("netns", "del", self.name)):
            subprocess.run(["ip", *words], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, text=True, check=True)


@pytest.fixture
def far() -> Iterator[FarMachine]:
    """The far machine; skips with the reason where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        pytest.skip("the command ip is not installed (package iproute2)")
    machine = FarMachine()
    try:
        try:
            machine.make()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"the kernel does not allow network namespaces here: {error.stderr.strip()}")
        yield machine
    finally:
        machine.remove()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A traffic manager with nothing configured."""
    with Instance(tmp_path / "home") as running:
        yield running
