"""Faults of whole containers: processes that are killed, disks that are full, a home that is shared by mistake."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.container.docker import CONTROL_PLANE, Container, Containers
from tools.instance import wait_for

pytestmark = pytest.mark.root
HOME = "/usr/local/zeus/var"
KINDS = {
    "init": re.compile("/usr/bin/tini "),
    "launcher": re.compile(r"\S+/python -P -m pointsman\.launcher "),
    "control": CONTROL_PLANE,
    "engine": re.compile("/usr/sbin/haproxy "),
}
COMPLETE = {"init": 1, "launcher": 1, "control": 1, "engine": 2}


def pids(container: Container) -> dict[str, list[int]]:
    """The container's processes by what they are."""
    running = container.processes()
    return {kind: [one.pid for one in running if what.match(one.words)] for kind, what in KINDS.items()}


def wait_complete(container: Container) -> None:
    """Waits until one of each runs, and the engine's master and worker, with nothing left of former ones."""
    container.wait_ready()
    wait_for(
        "one of each", lambda: {kind: len(found) for kind, found in pids(container).items()} == COMPLETE, 30
    )


def write(directory: Path, content: Any) -> None:
    """Writes the one document of a configuration directory."""
    (directory / "config").mkdir(parents=True, exist_ok=True)
    (directory / "config" / "a").write_text(json.dumps(content))


def pool(name: str) -> dict[str, Any]:
    """A document with one pool."""
    return {"pools": [{"name": name, "properties": {"basic": {}}}]}


def test_killed_and_stopped_at_any_moment_of_the_first_start(containers: Containers, tmp_path: Path) -> None:
    """R13, R18, R25, R28, R29: the next start finishes the job, whole and once; a stop ends with 0 at any moment."""
    write(tmp_path / "base", pool("base"))
    write(tmp_path / "watched", pool("watched"))
    container = containers.run(
        env={"ZEUS_PASS": "", "ZEUS_BASE_CONFIG": "/base", "ZEUS_WATCHED_CONFIG": "/watched"},
        mounts={"/base": str(tmp_path / "base"), "/watched": str(tmp_path / "watched")},
        ready=False,
    )
    for number, delay in enumerate((0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.8)):
        time.sleep(delay)  # the moment is arbitrary on purpose; none may matter
        if number % 2:
            container.kill()
        else:
            assert container.stop() == 0
        container.start()
    wait_complete(container)
    wait_for("the end of the log", lambda: "connect to the admin server" in container.logs())
    container.password = re.findall(r"the last such line counts\): (\S+)", container.logs())[-1]
    status, pools = container.rest("GET", "config/active/pools")
    assert (status, [child["name"] for child in pools["children"]]) == (200, ["base", "watched"])
    snapshot = json.loads(container.file(f"{HOME}/import/base.json"))
    names = {item["name"] for item in snapshot["objects"] if item["type"] == "pools"}
    assert names == {"base"}
    assert json.loads(container.file(f"{HOME}/provision/order.json"))["state"] == "done"
    last = container.rest("GET", "status/local_tm/config_import")[1]["config_import"]["last"]
    assert last["outcome"] == "ok"


def test_killed_in_service(containers: Containers, origin: int) -> None:
    """R25: each process is back after `kill -9`; without its launcher the container ends, and the next start serves."""
    container = containers.run()
    container.serve([f"{container.host}:{origin}"])
    wait_complete(container)
    for kind in ("engine", "control"):
        ended = pids(container)[kind][0]
        container.exec("kill", "-9", str(ended))

        def replaced(kind: str = kind, ended: int = ended) -> bool:
            return ended not in pids(container)[kind]

        wait_for("another one", replaced)
        wait_complete(container)
        assert container.fetch()[0] == 200
    container.exec("kill", "-9", str(pids(container)["launcher"][0]), check=False)
    assert container.wait_end() == 137
    container.start()
    wait_complete(container)
    wait_for("the virtual server answers", lambda: container.fetch()[0] == 200)
    container.docker("pause", container.name)
    container.docker("unpause", container.name)
    for _ in range(5):
        container.docker("restart", "-t", "2", container.name)
    wait_complete(container)
    wait_for("the virtual server answers", lambda: container.fetch()[0] == 200)
    for _ in range(20):
        container.docker("exec", "-d", container.name, "sh", "-c", "(sleep 0.1 &); sleep 30 & kill -9 $!")
    wait_for("no zombies", lambda: "Z" not in container.shell("ps -eo stat --no-headers | cut -c1"))
    wait_complete(container)
    assert container.stop() == 0


def test_a_home_that_two_containers_share(containers: Containers, tmp_path: Path) -> None:
    """R3: the second is refused with 4 and does no harm; it takes over when the first was killed."""
    home = ("-v", f"{tmp_path}:{HOME}")
    first = containers.run(*home)
    second = containers.run(*home, ready=False)
    assert second.wait_end() == 4
    assert "is used by a running instance" in second.logs()
    assert first.healthz() == 200
    first.kill()
    second.start()
    wait_complete(second)


def test_a_home_without_space(containers: Containers, origin: int, tmp_path: Path) -> None:
    """R25, R29: a first start says so and ends; later the last good configuration serves, and all works with space."""
    small = containers.run("--tmpfs", f"{HOME}:size=64k,mode=711", ready=False)
    assert small.wait_end() in (1, 16)
    assert "free space" in small.logs()
    assert "Traceback" not in small.logs()
    full = containers.run(
        "--tmpfs", "/var/log:size=4k", "--tmpfs", f"{HOME}:size=16m,mode=711", mounts={"/docs": str(tmp_path)}
    )
    full.serve([f"{full.host}:{origin}"])
    write(tmp_path, pool("imported"))
    full.shell(f"pointsman config-snapshot; dd if=/dev/zero of={HOME}/filler bs=4k 2>/dev/null", check=False)
    refused = full.exec("pointsman", "config-import", "--chdir", "/docs", check=False)
    assert refused.returncode == 1
    assert "free space" in refused.stderr
    assert full.fetch()[0] == 200
    full.shell(f"rm {HOME}/filler")
    assert full.exec("pointsman", "config-import", "--chdir", "/docs", check=False).returncode == 0
    assert full.rest("GET", "config/active/pools/imported")[0] == 200
    assert "Traceback" not in full.logs()
