"""What the real engine says, read by telemetry."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.certificates import self_signed

from pointsman.engine.haproxy.binary import find_binary
from pointsman.engine.haproxy.figures import parse_samples
from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.telemetry import figures
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.tracker import HealthTracker

PROXIES = {
    "vs": Proxy(ObjectId("virtual_servers", "web"), Role.LISTENER),
    "pool": Proxy(
        ObjectId("pools", "web"),
        Role.POOL,
        True,
        {"good": "good:80", "bad": "bad:80", "gone": "gone:80", "drained": "drained:80", "off": "off:80"},
    ),
}


@dataclass(frozen=True)
class Engine:
    """A running HAProxy, the port of its TLS listener, and its runtime socket."""

    process: subprocess.Popen[bytes]
    port: int
    socket: str

    def samples(self) -> list[Sample]:
        with socket.socket(socket.AF_UNIX) as runtime:
            runtime.connect(self.socket)
            runtime.sendall(b"show stat\n")
            text = b"".join(iter(lambda: runtime.recv(65536), b"")).decode()
        return list(parse_samples(text, "1", current=True))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "web.pem").write_text("".join(self_signed("web1")))
    port, good, bad, gone = (free_port() for _ in range(4))
    runtime = f"/tmp/pointsman-{os.getpid()}-{port}.sock"  # a socket's path has at most 107 bytes
    (tmp_path / "haproxy.cfg").write_text(
        f"""
global
    stats socket {runtime} mode 600 level admin
    max-spread-checks 10ms
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend vs
    bind 127.0.0.1:{port} ssl crt {tmp_path}/web.pem alpn h2,http/1.1
    default_backend pool
backend pool
    option httpchk GET /
    default-server check inter 50ms fall 2 rise 1
    server good 127.0.0.1:{good}
    server bad 127.0.0.1:{bad}
    server gone 127.0.0.1:{gone}
    server drained 127.0.0.1:{good} weight 0
    server off 127.0.0.1:{good} disabled
frontend good
    bind 127.0.0.1:{good}
    http-request return status 200 content-type text/plain string hello
frontend bad
    bind 127.0.0.1:{bad}
    http-request return status 503
"""
    )
    process = subprocess.Popen(
        [find_binary(), "-db", "-f", str(tmp_path / "haproxy.cfg")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        yield Engine(process, port, runtime)
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            Path(runtime).unlink()


async def request(port: int) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: web1\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_engines_rows_become_counters_health_and_events(engine: Engine) -> None:
    counters, tracker = Counters(), HealthTracker()
    tags: list[str] = []
    deadline = time.monotonic() + 10
    while tags.count("nodefail") < 2:
        assert time.monotonic() < deadline, f"tags {tags}, nodes {tracker.nodes}"
        with contextlib.suppress(OSError):
            events = tracker.observe(engine.samples(), PROXIES, {}, native={"web": "Simple"})
            tags += [event.tag for event in events]
        await asyncio.sleep(0.02)
    assert sorted(tags) == ["monitorfail", "monitorfail", "nodefail", "nodefail"]
    states = {node: (health.state, health.reason) for (_, node), health in tracker.nodes.items()}
    assert states == {
        "good:80": (NodeState.ALIVE, ""),
        "bad:80": (NodeState.DEAD, "status 503 is not what the monitor accepts"),
        "gone:80": (NodeState.DEAD, "connection refused"),
        "drained:80": (NodeState.DRAINING, "draining"),
        "off:80": (NodeState.DISABLED, "disabled"),
    }
    for _ in range(5):
        assert (await request(engine.port)).endswith(b"hello")
    samples = engine.samples()
    assert tracker.observe(samples, PROXIES, {}) == ()
    counters.absorb(samples, PROXIES)
    web = counters.virtual_server("web")
    assert (web["total_requests"], web["total_http1_requests"], web["http2xx_responses"]) == (5, 5, 5)
    assert web["ssl_new_session"] == 5
    assert counters.pool("web")["total_conn"] == 5
    node = counters.pool_node("web", "good:80")
    assert (node["total_conn"], node["new_conn"] + node["pooled_conn"]) == (5, 5)
    assert web["bytes_out"] >= node["bytes_from_node"] > 0
    for sample in samples:
        missing = {*figures.COLUMNS[sample.kind]} - set(figures.DERIVED) - sample.figures.keys()
        assert not missing, f"{sample.kind} rows have no column {missing}"
    good = next(sample.figures for sample in samples if sample.server == "good")
    assert good.keys() >= {"scur", "srv_icur", "qcur", "qtime", "rtime", "status", "check_status", "weight"}
