"""The same traffic through Pointsman and through a hand-written HAProxy, side by side in one run (`make bench`).

What is compared is the proxy's own CPU time per request, so that the client's cost does not blur it. Both use the same
binary, the same origins and the same load, in turns. Ratios are printed, never asserted; on a busy machine differences
under 1.3 mean nothing.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

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
defaults
    mode http
    timeout connect 4s
    timeout client 300s
    timeout server 30s
    http-reuse always
frontend web
    bind 127.0.0.1:{port}
    default_backend app
backend app
    balance roundrobin
"""


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of processes, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


async def cost(port: int, pids: list[int], methods: tuple[str, ...], per_connection: int) -> float:
    """CPU microseconds of the proxy per request."""
    load = Load(port, clients=16, methods=methods, requests_per_connection=per_connection)
    before = cpu_seconds(pids)
    report = await load.run(SECONDS)
    if report.failed:
        print(f"  failures: {dict(report.failed)}")
    return (cpu_seconds(pids) - before) * 1e6 / max(1, report.requests)


async def main() -> None:
    """All comparisons."""
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
        directory = Path(name)
        origins = [await Origin(letter).start() for letter in "abc"]
        hand, ours = free_port(), free_port()
        servers = "".join(f"    server {o.name} {o.node}\n" for o in origins)
        config = directory / "hand.cfg"
        config.write_text(HAND_WRITTEN.format(port=hand) + servers)
        process = subprocess.Popen([str(find_binary()), "-f", str(config)])
        instance = Instance(directory / "home")
        try:
            await call(instance.start)
            await call(
                put, instance, "pools", "app", {"basic": {"nodes_table": [{"node": o.node} for o in origins]}}
            )
            await call(put, instance, "virtual_servers", "web", web(ours))
            await call(wait_for, "in force", lambda: settled(instance))
            await call(wait_for, "the hand-written one answers", lambda: answers(hand))
            worker = instance.processes()["haproxy"][1:]
            for what, methods, per_connection in (
                ("GET, kept connections", ("GET",), 1_000_000),
                ("GET, new connection each", ("GET",), 1),
                ("POST, kept connections", ("POST",), 1_000_000),
            ):
                pairs = [
                    (
                        await cost(hand, [process.pid], methods, per_connection),
                        await cost(ours, worker, methods, per_connection),
                    )
                    for _ in range(ROUNDS)
                ]
                theirs = statistics.median(pair[0] for pair in pairs)
                mine = statistics.median(pair[1] for pair in pairs)
                ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
                show(what, f"hand-written {theirs:.0f} us, pointsman {mine:.0f} us, ratio {ratio:.2f}")
        finally:
            await call(instance.stop)
            process.terminate()
            process.wait()
            for origin in origins:
                await origin.stop()


if __name__ == "__main__":
    asyncio.run(main())
