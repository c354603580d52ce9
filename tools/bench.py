"""The same traffic through Pointsman and through a hand-written HAProxy, side by side in one run (`make bench`).

What is compared is the proxy's own CPU time per request, so that the client's cost does not blur it. Both use the same
binary, the same origins and the same load, in turns. Ratios are printed, never asserted; on a busy machine differences
under 1.3 mean nothing.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.certificates import self_signed

from pointsman.engine.haproxy.binary import find_binary
from tools.instance import Instance, free_port, wait_for
from tools.measure import answers, call, put, settled, show, web
from tools.traffic import Load, Origin

ROUNDS = 3
SECONDS = 5.0
TICKS = os.sysconf("SC_CLK_TCK")

HAND_WRITTEN = """\
global
    maxconn 4000
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 4s
    timeout client 300s
    timeout server 30s
    http-reuse always
frontend web
    bind 127.0.0.1:{web}
    default_backend app
frontend secure
    bind 127.0.0.1:{secure} ssl crt {certificate} alpn h2,http/1.1
    default_backend app
backend app
    balance roundrobin
{servers}
listen plain
    mode tcp
    option splice-request
    option splice-response
    bind 127.0.0.1:{plain}
    balance roundrobin
{large}
"""
LARGE_BODY = 1 << 20
IDLE_CONNECTIONS = 2000
"""Connections held open at once; clients, both proxies and origins share one machine's limit on files."""


@dataclass(frozen=True)
class Ports:
    """Where one proxy listens for HTTP, HTTPS and plain TCP."""

    web: int
    secure: int
    plain: int


def any_certificate() -> ssl.SSLContext:
    """TLS as a client that believes every server and takes up no session again."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of processes, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


@dataclass(frozen=True)
class Case:
    """One kind of traffic: which port it goes to, by what methods, and how many requests a connection carries."""

    what: str
    port: Literal["web", "secure", "plain"]
    methods: tuple[str, ...] = ("GET",)
    per_connection: int = 1_000_000

    async def cost(self, ports: Ports, pids: list[int]) -> float:
        """CPU microseconds of the proxy per request."""
        load = Load(
            getattr(ports, self.port),
            clients=16,
            methods=self.methods,
            requests_per_connection=self.per_connection,
            tls=any_certificate() if self.port == "secure" else None,
        )
        before = cpu_seconds(pids)
        report = await load.run(SECONDS)
        if report.failed:
            print(f"  failures: {dict(report.failed)}")
        return (cpu_seconds(pids) - before) * 1e6 / max(1, report.requests)


CASES = (
    Case("GET, kept connections", "web"),
    Case("GET, new connection each", "web", per_connection=1),
    Case("POST, kept connections", "web", ("POST",)),
    Case("GET over TLS, kept connections", "secure"),
    Case("GET over TLS, new connection and full handshake each", "secure", per_connection=1),
    Case("1 MB over plain TCP", "plain", per_connection=1),
)


def memory(pids: list[int]) -> float:
    """Resident memory of processes in MiB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def idle_memory(port: int, pids: list[int]) -> float:
    """MiB that the proxy grows by for `IDLE_CONNECTIONS` clients that have had one answer and stay connected."""
    before = memory(pids)
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(IDLE_CONNECTIONS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        return memory(pids) - before
    finally:
        for writer in writers:
            writer.close()


async def compare(case: Case, hand: tuple[Ports, list[int]], ours: tuple[Ports, list[int]]) -> None:
    """Measures one kind of traffic in turns and prints the medians."""
    pairs = [(await case.cost(*hand), await case.cost(*ours)) for _ in range(ROUNDS)]
    theirs = statistics.median(pair[0] for pair in pairs)
    mine = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    show(case.what, f"hand-written {theirs:.0f} us, pointsman {mine:.0f} us, ratio {ratio:.2f}")


def configure(
    instance: Instance, ports: Ports, origins: list[Origin], large: Origin, pem: tuple[str, str]
) -> None:
    """The same services through Pointsman."""
    put(instance, "pools", "app", {"basic": {"nodes_table": [{"node": o.node} for o in origins]}})
    put(instance, "pools", "large", {"basic": {"nodes_table": [{"node": large.node}]}})
    put(instance, "ssl/server_keys", "cert", {"basic": {"public": pem[0], "private": pem[1]}})
    secure, plain = web(ports.secure), web(ports.plain, "large")
    secure["basic"]["ssl_decrypt"] = True
    secure["ssl"] = {"server_cert_default": "cert"}
    plain["basic"]["protocol"] = "client_first"
    put(instance, "virtual_servers", "web", web(ports.web))
    put(instance, "virtual_servers", "secure", secure)
    put(instance, "virtual_servers", "plain", plain)


async def main() -> None:
    """All comparisons."""
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
        directory = Path(name)
        origins = [await Origin(letter).start() for letter in "abc"]
        large = await Origin("x" * LARGE_BODY).start()
        hand = Ports(free_port(), free_port(), free_port())
        ours = Ports(free_port(), free_port(), free_port())
        pem = self_signed("bench.example")
        certificate = directory / "bench.pem"
        certificate.write_text("".join(pem))
        servers = "\n".join(f"    server {o.name} {o.node}" for o in origins)
        config = directory / "hand.cfg"
        config.write_text(
            HAND_WRITTEN.format(
                **vars(hand), certificate=certificate, servers=servers, large=f"    server large {large.node}"
            )
        )
        process = subprocess.Popen([str(find_binary()), "-f", str(config)])
        instance = Instance(directory / "home")
        try:
            await call(instance.start)
            await call(configure, instance, ours, origins, large, pem)
            await call(wait_for, "in force", lambda: settled(instance))
            await call(wait_for, "the hand-written one answers", lambda: answers(hand.web))
            # A worker that was replaced ends when its last connection has.
            await call(wait_for, "one worker", lambda: len(instance.processes()["haproxy"]) == 2)
            worker = instance.processes()["haproxy"][1:]
            for case in CASES:
                await compare(case, (hand, [process.pid]), (ours, worker))
            theirs = await idle_memory(hand.web, [process.pid])
            mine = await idle_memory(ours.web, worker)
            show(
                f"{IDLE_CONNECTIONS} idle connections",
                f"hand-written {theirs:.1f} MiB, pointsman {mine:.1f} MiB",
            )
        finally:
            await call(instance.stop)
            process.terminate()
            process.wait()
            for origin in (*origins, large):
                await origin.stop()


if __name__ == "__main__":
    asyncio.run(main())
