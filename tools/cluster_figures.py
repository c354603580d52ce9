"""Measures a cluster of real instances and prints one line per figure. Needs root.

    python -m tools.cluster_figures

Three members on a bridge: how soon an edit is visible on the others, what 10,000 objects cost (a join, a restart,
memory). Invariant: figures are printed, never asserted; all of it happens in a temporary directory and in network
namespaces of its own.
"""

from __future__ import annotations

import base64
import http.client
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.root.clustering import await_equal, in_force, join
from tests.root.lab import PASSWORD, Lab, obstacle

from pointsman.cli.instance import LocalInstance
from pointsman.schema.problem import ObjectId
from tools.instance import wait_for
from tools.store_figures import OBJECTS, pool

EDITS = 200
POOL = "/api/tm/8.3/config/active/pools/app"
_TOKEN = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
_HEADERS = {"Authorization": f"Basic {_TOKEN}", "Content-Type": "application/json"}


def main() -> int:
    """Prints the figures."""
    if why := obstacle():
        print(f"cluster: not measured: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="pm-") as directory, Lab(3, Path(directory)) as lab:
        lab.start()
        join(lab, 2, 1)
        join(lab, 3, 1)
        await_equal(lab, lab.ids)
        _edits(lab)
        _many(lab)
    return 0


class _Member:
    """A connection to the REST API of a member, kept open."""

    def __init__(self, lab: Lab, number: int) -> None:
        self._call = lab.hosts[number].call
        self._connection = http.client.HTTPConnection("127.0.0.1", 9070, timeout=30)

    def note(self) -> str:
        """The note of the pool."""
        return str(self._ask("GET", None)["properties"]["basic"]["note"])

    def put(self, note: str) -> None:
        """Sets it."""
        nodes = [{"node": "192.0.2.1:80"}]
        self._ask("PUT", {"properties": {"basic": {"note": note, "nodes_table": nodes}}})

    def _ask(self, method: str, body: object) -> dict[str, dict[str, dict[str, object]]]:
        def ask() -> dict[str, dict[str, dict[str, object]]]:
            self._connection.request(method, POOL, None if body is None else json.dumps(body), _HEADERS)
            found: dict[str, dict[str, dict[str, object]]] = json.loads(self._connection.getresponse().read())
            return found

        return self._call(ask)


def _edits(lab: Lab) -> None:
    first, *others = (_Member(lab, number) for number in lab.ids)
    first.put("begin")
    await_equal(lab, lab.ids)
    acknowledged, visible = [], []
    for number in range(EDITS):
        time.sleep(0.05)
        begun = time.monotonic()
        first.put(f"edit {number}")
        answered = time.monotonic()
        for other in others:
            while other.note() != f"edit {number}":
                pass
        acknowledged.append(answered - begun)
        visible.append(time.monotonic() - begun)
    for what, times in (("acknowledged", acknowledged), ("visible on both other members", visible)):
        low, high = statistics.median(times), statistics.quantiles(times, n=100)[98]
        _show(f"edit {what}, from the request, p50 / p99", f"{low * 1000:.0f} / {high * 1000:.0f} ms")


def _many(lab: Lab) -> None:
    wanted = {ObjectId("pools", f"pool {number}"): pool(number) for number in range(OBJECTS)}
    LocalInstance(lab.home(1)).apply(wanted, replace=False, reason="figures")
    begun = time.monotonic()
    for number in (2, 3):
        wait_for("all of it is everywhere", partial(_has_all, lab, number), 120)
    _show(f"{OBJECTS} pools on the other members after their commit", f"{time.monotonic() - begun:.1f} s")
    lab.stop(3)
    begun = time.monotonic()
    lab.start(3)
    _show(f"restart of a member with {OBJECTS} pools", f"{time.monotonic() - begun:.1f} s")
    wait_for("it is in force", partial(in_force, lab, 3), 120)
    lab.rest(1).ask("PUT", "status/local_tm/cluster/remove", {"name": lab.host_name(3)})
    lab.stop(3)
    lab.directory.joinpath("m3").rename(lab.directory / "m3.gone")
    lab.start(3)
    begun = time.monotonic()
    join(lab, 3, 1)
    _show(f"join of a cluster with {OBJECTS} pools, until in force", f"{time.monotonic() - begun:.1f} s")
    for number in lab.ids:
        _show(
            f"memory of the control plane on member {number} (resident)", f"{_resident(lab, number):.0f} MB"
        )


def _has_all(lab: Lab, number: int) -> bool:
    children = lab.rest(number).get("config/active/pools")["children"]
    return len(children) > OBJECTS and in_force(lab, number)


def _resident(lab: Lab, number: int) -> float:
    record = json.loads((lab.home(number) / "run" / "launcher.json").read_text())
    pid = record["children"]["control"]["pid"]
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def _show(what: str, figure: str) -> None:
    print(f"{what:<70} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
