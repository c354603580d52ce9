"""Measures pages with Lighthouse and by the clock, and prints one line per page.

    python -m tools.ui_figures [--lighthouse DIRECTORY]

DIRECTORY is where `npm install lighthouse` was run; without it only answers are timed, with 1,000 services and 5,000
nodes. Invariant: figures are printed, never asserted; everything happens in temporary homes, on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.e2e.reader import Reader

from pointsman.cli.instance import LocalInstance
from pointsman.schema.problem import ObjectId
from tools.instance import Instance
from tools.measure import show

SERVICES = 1000
NODES = 5
ROUNDS = 20
RUNS = 3
ATTEMPTS = 3
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --ignore-certificate-errors --disable-background-networking"
)
SMALL = (
    "/",
    "/services",
    "/services/virtual-servers",
    "/services/virtual-servers/shop",
    "/services/pools/web",
    "/catalogs/ssl/server-certificates",
    "/diagnose",
    "/activity",
    "/system/users",
    "/wizards/new-service",
)
"""Ten pages that Lighthouse looks at."""
LARGE = (
    "/",
    "/live",
    "/services",
    "/services?q=service+99",
    "/services/virtual-servers",
    "/services/virtual-servers/service%205",
    "/services/pools",
    "/services/pools/pool%205",
    "/activity",
    "/activity?node=127.0.0.1:10000",
    "/activity/history?span=90d",
    "/activity/stats",
    "/activity/stats/rows",
    "/activity/stats?of=nodes&sort=-total_conn",
    "/activity/stats.csv?of=nodes",
    "/activity/map",
    "/activity/connections",
    "/diagnose",
    "/search/found?q=service+99",
    "/system/global-settings",
)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lighthouse", type=Path)
    options = parser.parse_args()
    if options.lighthouse:
        _lighthouse(options.lighthouse / "node_modules" / ".bin" / "lighthouse")
    _answers()
    return 0


@contextmanager
def _running(wanted: dict[ObjectId, dict[str, Any]]) -> Iterator[tuple[Instance, Reader]]:
    with (
        tempfile.TemporaryDirectory(prefix="pm-") as directory,
        Instance(Path(directory) / "home") as instance,
    ):
        LocalInstance(Path(directory) / "home").apply(wanted, replace=False, reason="figures")
        with Reader(instance) as reader:
            reader.log_in()
            yield instance, reader


def _answers() -> None:
    wanted: dict[ObjectId, dict[str, Any]] = {}
    for number in range(SERVICES):
        nodes = [{"node": f"127.0.{number >> 8}.{at + 1}:{10_000 + number}"} for at in range(NODES)]
        wanted[ObjectId("pools", f"pool {number}")] = {"basic": {"nodes_table": nodes}}
        basic = {"enabled": True, "port": 20_000 + number, "pool": f"pool {number}"}
        wanted[ObjectId("virtual_servers", f"service {number}")] = {"basic": basic}
    with _running(wanted) as (_, reader):
        time.sleep(15)  # until the engine has settled; only figures depend on it
        for path in LARGE:
            times = []
            for _ in range(ROUNDS):
                begun = time.monotonic()
                answer = reader.client.get(path)
                times.append(time.monotonic() - begun)
                time.sleep(0.2)
            times.sort()
            middle, late = statistics.median(times), times[int(0.95 * ROUNDS) - 1]
            size = f"{len(answer.content) / 1000:.0f} kB"
            figure = f"{middle * 1000:.0f} / {late * 1000:.0f} ms, {size}, status {answer.status_code}"
            show(f"{SERVICES} services: {path}, median / 95 %", figure)


def _lighthouse(program: Path) -> None:
    nodes = [{"node": "127.0.0.1:9"}, {"node": "127.0.0.1:10"}]
    wanted: dict[ObjectId, dict[str, Any]] = {
        ObjectId("pools", "web"): {"basic": {"nodes_table": nodes}},
        ObjectId("virtual_servers", "shop"): {"basic": {"enabled": True, "port": 18_080, "pool": "web"}},
    }
    with _running(wanted) as (instance, reader):
        cookies = "; ".join(f"{name}={value}" for name, value in reader.client.cookies.items())
        headers = json.dumps({"Cookie": cookies})
        for path in SMALL:
            found = [_scores(program, instance.ready["ui"].rstrip("/") + path, headers) for _ in range(RUNS)]
            middle = {name: statistics.median(one[name] for one in found) for name in found[0]}
            figure = ", ".join(f"{name} {value:.2f}" for name, value in middle.items())
            show(f"Lighthouse, median of {RUNS}: {quote(path)}", figure)


def _scores(program: Path, address: str, headers: str) -> dict[str, float]:
    words = [
        str(program),
        address,
        "--quiet",
        "--output=json",
        "--only-categories=accessibility,performance",
        f"--extra-headers={headers}",
        f"--chrome-flags={FLAGS}",
    ]
    environment = {**os.environ, "CHROME_PATH": CHROMIUM}
    # A browser that does not start in time is Lighthouse's affair; a page that fails does so each time.
    for attempt in range(ATTEMPTS):
        done = subprocess.run(words, capture_output=True, check=False, env=environment, timeout=120)
        if done.returncode == 0:
            break
        if attempt == ATTEMPTS - 1:
            raise RuntimeError(done.stderr.decode("utf-8", "replace")[-2000:])
    report = json.loads(done.stdout)
    return {name: float(part["score"]) for name, part in report["categories"].items()}


if __name__ == "__main__":
    raise SystemExit(main())
