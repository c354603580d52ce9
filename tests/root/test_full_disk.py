"""A member of a cluster whose disk is full: nothing acknowledged is lost, traffic goes on, and it heals by itself.

Invariant: the disk is a small file system of its own that is taken away with the lab.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.root.clustering import assemble, await_equal, configuration, in_force, pointsman, serve_on
from tests.root.lab import Lab, obstacle
from tools.instance import wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
    pytest.mark.timeout(300),
]

ADDRESS = "10.77.0.101"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Three hosts, of which the second keeps everything on a disk of 24 MB."""
    home = tmp_path / "m2"
    home.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=24m", "pointsman-test", str(home)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        with Lab(3, tmp_path) as made:
            yield made
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


def fill(file: Path) -> None:
    """Takes what is left of a disk."""
    with file.open("ab", buffering=0) as output:
        for size in (65536, 512):
            try:
                while True:
                    output.write(bytes(size))
            except OSError:
                continue


def edit(lab: Lab, member: int, name: str) -> tuple[int, Any]:
    """Makes a pool at a member."""
    body: dict[str, Any] = {"properties": {"basic": {"nodes_table": []}}}
    return lab.rest(member).ask("PUT", f"config/active/pools/{name}", body)


def state(lab: Lab, member: int) -> Any:
    """The state that a member tells of itself."""
    return lab.rest(member).get("status/local_tm/state")["state"]


def says(lab: Lab, member: int, text: str) -> bool:
    """Whether a member has a complaint that begins so."""
    return any(said.startswith(text) for said in state(lab, member)["errors"])


def silent_of(lab: Lab, member: int, text: str) -> bool:
    """Whether it has none."""
    return not says(lab, member, text)


def test_a_member_with_a_full_disk_serves_on_and_catches_up(lab: Lab) -> None:
    """It refuses edits and keeps its address, the others take them and name it; once there is space it has all."""
    assemble(lab)
    target = serve_on(lab, ADDRESS, 2, 1)
    await_equal(lab, lab.ids)
    lab.await_holder(ADDRESS, 2)
    filler = lab.home(2) / "filler"
    acknowledged = []
    with lab.load(target) as load:
        fill(filler)
        for number in range(5):
            for member in (1, 2, 3):
                status, answer = edit(lab, member, f"pool{number}-{member}")
                if member == 2:
                    assert (status, answer["error_id"]) == (507, "storage.failed"), answer
                    assert "free space" in answer["error_text"]
                else:
                    assert status == 201, answer
                    acknowledged.append(f"pool{number}-{member}")
        name = lab.host_name(2)
        text = f"traffic_managers/{name}: {name} cannot store what is changed elsewhere"
        for member in lab.ids:
            wait_for(f"m{member} names it", partial(says, lab, member, text))
        assert "CANNOT STORE: database or disk is full" in pointsman(lab, 1, "cluster", "status").stdout
        full = state(lab, 2)
        assert full["error_level"] == "error"
        assert any("0 MB are free" in said for said in full["errors"])
        assert lab.holders(ADDRESS) == (2,)

        filler.unlink()
        await_equal(lab, lab.ids)
        wait_for("m2 serves it", lambda: in_force(lab, 2))
        for member in lab.ids:
            wait_for(f"m{member} names it no more", partial(silent_of, lab, member, text))
        assert edit(lab, 2, "afterwards")[0] == 201
    assert load.failures() == []
    assert {*acknowledged} <= {pool["name"] for pool in configuration(lab, 2)["pools"]}
    assert lab.holders(ADDRESS) == (2,)
