"""Edits without pause at a cluster of three instances, and what is left of them: `python -m tools.flood`.

    python -m tools.flood --rate 200 --seconds 60 --kind nodes

Writers at all three members change pools at a steady rate, by REST, each its own ones, so that what was acknowledged
last is what must be there in the end. Figures are printed; asserted is that nothing that was acknowledged is lost and
that all members agree afterwards. With `--kill` one member is killed in the middle (`kill -9`) and started again ten
seconds later. Invariant: everything lives in a temporary directory and on loopback, and is ended by pid.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from pointsman.cli.instance import LocalInstance
from pointsman.schema.problem import ObjectId
from tools.instance import SOURCE, Instance, free_port, wait_for
from tools.store_figures import pool

_CONFIG = "/api/tm/8.3/config/active"
_WRITERS = 4
"""Writers at each member."""
_POOLS = 5
"""Pools of each writer."""
_HEADERS = {
    "Authorization": "Basic " + base64.b64encode(b"admin:secret-for-tests").decode(),
    "Content-Type": "application/json",
}


@dataclass
class _Writer:
    """What one writer did: the last value of each of its pools that was acknowledged."""

    instance: Instance
    name: str
    kind: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def run(self, interval: float, ends: float) -> None:
        """Edits until `ends`, one each `interval`; what is late is made up for."""
        connection: http.client.HTTPConnection | None = None
        due, number = time.monotonic(), 0
        while (now := time.monotonic()) < ends:
            if now < due:
                time.sleep(due - now)
            due += interval
            number += 1
            changed = f"{self.name}-{number % _POOLS}"
            begun = time.monotonic()
            try:
                connection = connection or _connection(self.instance)
                connection.request(
                    "PUT", f"{_CONFIG}/pools/{changed}", json.dumps(self._body(number)), _HEADERS
                )
                response = connection.getresponse()
                said = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._count(type(error).__name__)
                connection = None
                time.sleep(0.2)
                continue
            if response.status in (200, 201):
                self.acknowledged[changed] = number
                self.seconds.append(time.monotonic() - begun)
            else:
                self._count(f"{response.status} {said[:300].decode()}")

    def _body(self, number: int) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = [{"node": "127.0.0.1:9"}]
        if self.kind == "nodes" and number // _POOLS % 2:
            nodes.append({"node": "127.0.0.2:9"})
        return {"properties": {"basic": {"note": str(number), "nodes_table": nodes}}}

    def _count(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    def lost(self, notes: dict[str, int]) -> list[str]:
        """The pools whose value is older than what was acknowledged."""
        return [name for name, number in self.acknowledged.items() if notes.get(name, 0) < number]


@click.command()
@click.option("--rate", default=200.0, show_default=True, help="Edits a second, at all members together.")
@click.option("--seconds", default=60.0, show_default=True, help="For how long.")
@click.option("--kind", type=click.Choice(["note", "nodes"]), default="nodes", show_default=True)
@click.option("--objects", default=0, show_default=True, help="Pools that are there before.")
@click.option("--kill", is_flag=True, help="Kill one member in the middle, and start it again.")
def flood(rate: float, seconds: float, kind: str, objects: int, kill: bool) -> None:
    """Edits at three members without pause, and compares what is left with what was acknowledged."""
    with tempfile.TemporaryDirectory(prefix="pmf-") as directory:
        made = [
            Instance(Path(directory) / f"i{n}", "--name", f"pm{n}", "--listen", f"127.0.0.{n + 1}")
            for n in (1, 2, 3)
        ]
        try:
            for instance in made:
                instance.start()
            for instance in made[1:]:
                _join(instance, made[0])
            _fill(made[0], objects)
            _serve(made[0], [f"i1-0-{number}" for number in range(_POOLS)])
            _flood(made, rate, seconds, kind, kill)
        finally:
            for instance in made:
                if instance.process is not None:
                    instance.stop()


def _flood(made: list[Instance], rate: float, seconds: float, kind: str, kill: bool) -> None:
    writers = [_Writer(i, f"{i.home.name}-{n}", kind) for i in made for n in range(_WRITERS)]
    before = [_state(instance) for instance in made]
    ends = time.monotonic() + seconds
    threads = [threading.Thread(target=w.run, args=(len(writers) / rate, ends)) for w in writers]
    answers: list[float] = []
    threads.append(threading.Thread(target=_look, args=(made[0], ends, answers)))
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    if kill:
        time.sleep(seconds / 3)
        _kill(made[2])
        time.sleep(10)
        made[2].start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    done = sum(len(writer.seconds) for writer in writers)
    _show("edits acknowledged, a second", f"{done} in {took:.0f} s: {done / took:.0f}")
    times = [one for writer in writers for one in writer.seconds]
    _show("an edit's answer, p50 / p99 / most", _spread(times))
    _show("GET of a pool meanwhile, p50 / p99 / most", _spread(answers))
    for writer in writers:
        for why, count in writer.refused.items():
            _show(f"not acknowledged at {writer.name}: {why}", str(count))
    stopped = time.monotonic()
    last = wait_for("all have the same", partial(_agreed, made), 120)
    _show("until all members have the same", f"{time.monotonic() - stopped:.1f} s")
    wait_for("it is in force", lambda: all(_in_force(instance) for instance in made), 120)
    _show("until it is in force everywhere", f"{time.monotonic() - stopped:.1f} s")
    lost = [name for writer in writers for name in writer.lost(last)]
    _show("acknowledged and lost", str(len(lost)))
    for instance, was in zip(made, before, strict=True):
        now = _state(instance)
        for what, figure in now.items():
            _show(f"{instance.home.name}: {what}, before / after", f"{was[what]:.1f} / {figure:.1f}")
    assert not lost, lost


def _connection(instance: Instance) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", urlsplit(instance.ready["rest"]).port or 0, timeout=30)


def _look(instance: Instance, ends: float, answers: list[float]) -> None:
    while time.monotonic() < ends:
        begun = time.monotonic()
        instance.get("config/active/pools/i1-0-0")
        answers.append(time.monotonic() - begun)
        time.sleep(0.2)


def _join(instance: Instance, peer: Instance) -> None:
    where = urlsplit(peer.ready["ui"]).netloc
    subprocess.run(
        [sys.executable, "-m", "pointsman", "cluster", "join", "--home", str(instance.home), "--peer", where,
         "--fingerprint", peer.ready["sha1"], "--password-file", str(peer.password_file)],
        check=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip


def _fill(instance: Instance, objects: int) -> None:
    wanted = {ObjectId("pools", f"other {number}"): pool(number) for number in range(objects)}
    if wanted:
        LocalInstance(instance.home).apply(wanted, replace=False, reason="many")


def _serve(instance: Instance, pools: list[str]) -> None:
    """Makes services of some pools, so that changes of them reach an engine."""
    for name in pools:
        made = instance.put("pools", name, {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})
        assert made[0] == 201, made
        basic = {"enabled": True, "port": free_port(), "pool": name, "listen_on_any": False}
        made = instance.put("virtual_servers", name, {"basic": {**basic, "listen_on_hosts": ["127.0.0.1"]}})
        assert made[0] == 201, made
    wait_for("it is in force", lambda: _in_force(instance))


def _kill(instance: Instance) -> None:
    for pids in instance.processes().values():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert instance.process is not None
    instance.process.wait(20)


def _notes(instance: Instance) -> dict[str, int]:
    document = instance.get("status/local_tm/config_document?format=json")
    return {
        found["name"]: int(found["properties"]["basic"].get("note", 0) or 0)
        for found in document["pools"]
        if not found["name"].startswith("other ")
    }


def _agreed(made: list[Instance]) -> dict[str, int] | None:
    first, *others = (_notes(instance) for instance in made)
    return first if all(other == first for other in others) else None


def _in_force(instance: Instance) -> bool:
    applies = instance.get("status/local_tm/applies?limit=1")
    return bool(applies["in_force"] == applies["revision"])


def _state(instance: Instance) -> dict[str, float]:
    control = instance.processes()["control"][0]
    status = Path(f"/proc/{control}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    store = sum(file.stat().st_size for file in (instance.home / "store").glob("store.db*"))
    applies = instance.get("status/local_tm/applies?limit=1000")
    logs = sum(file.stat().st_size for file in (instance.home / "log").rglob("*") if file.is_file())
    acts = [record["act"] for record in applies["applies"]]
    fields = Path(f"/proc/{control}/stat").read_text().rsplit(")", 1)[1].split()
    return {
        "CPU of the control plane (s)": (int(fields[11]) + int(fields[12])) / 100,
        "memory of the control plane (MB)": resident / 1000,
        "store and its log (MB)": store / 1e6,
        "log/ (MB)": logs / 1e6,
        "applies": float(applies["applies"][0]["number"]),
        **{f"{act}, of the last 1000": float(acts.count(act)) for act in ("nothing", "runtime", "reload")},
        "revision": float(applies["revision"]),
    }


def _spread(times: list[float]) -> str:
    if len(times) < 2:
        return "-"
    high = statistics.quantiles(times, n=100)[98]
    return " / ".join(f"{1000 * one:.0f}" for one in (statistics.median(times), high, max(times))) + " ms"


def _show(what: str, figure: str) -> None:
    print(f"{what:<70} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(flood())
