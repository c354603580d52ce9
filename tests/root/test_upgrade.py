"""A cluster that is upgraded member by member under load, and what mixed versions may and may not do meanwhile.

The older build is the wheel of the commit that `tests/upgrade-base` names: a schema level lower, without session
persistence and custom configuration sets, and with the engine's health port under its earlier name.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.root.clustering import assemble, await_equal, join, pointsman, serve_on
from tests.root.lab import Lab, obstacle
from tools.instance import wait_for
from tools.old_build import NoHistory, build, upgrade_base

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
    pytest.mark.timeout(400),
]

ADDRESS = "10.77.0.101"
PATIENCE = 5.0
"""Seconds that a client waits: more than the one after which TCP repeats what was not heard."""
HEALTH = 9081


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the older build is installed; skips with the reason where its commit is not in this clone."""
    try:
        return build(upgrade_base(), tmp_path_factory.mktemp("older"))
    except NoHistory as error:
        pytest.skip(str(error))


@pytest.fixture
def lab(tmp_path: Path, older: Path) -> Iterator[Lab]:
    """Hosts 1 to 3 as a cluster of the older build that serves on a traffic IP; host 4 is free."""
    with Lab(4, tmp_path) as made:
        made.versions = dict.fromkeys((1, 2, 3), older)
        assemble(made, "--traffic-ips", "none", members=(1, 2, 3))
        made.rest(1).put("global_settings", "", {"fault_tolerance": {"autofailback_delay": 1}})
        serve_on(made, ADDRESS, 1, 2, 3)
        made.rest(1).put("traffic_managers", made.host_name(2), {"basic": {"engine_health_port": HEALTH}})
        await_equal(made, (1, 2, 3))
        wait_for("a member serves", lambda: len(made.holders(ADDRESS)) == 1)
        yield made


def refused(lab: Lab, number: int) -> str:
    """Why a member does not take an edit; "" when it does."""
    note = {"properties": {"basic": {"note": f"at {time.time()}"}}}
    status, answer = lab.rest(number).ask("PUT", "config/active/pools/app", note)
    return "" if status in (200, 201) else f"{status} {answer}"


def versions(lab: Lab, number: int) -> dict[str, str]:
    """The members and their versions, as a member tells them."""
    members = lab.rest(number).get("status/local_tm/cluster")["cluster"]["members"]
    return {member["name"]: member["version"] for member in members}


def sees_two_versions(lab: Lab, number: int) -> bool:
    """Whether a member tells of two versions."""
    return len(set(versions(lab, number).values())) == 2


def replace(lab: Lab, old: int, new: int, through: int) -> None:
    """One step of an upgrade: a newer instance on `new` joins through a member, then the one on `old` is ended."""
    lab.versions.pop(new, None)
    shutil.rmtree(lab.home(new), ignore_errors=True)
    lab.start(new)
    join(lab, new, through, "--traffic-ips", "active")
    assert lab.stop(old) == 0
    done = pointsman(lab, new, "cluster", "remove", lab.host_name(old))
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_a_cluster_is_upgraded_member_by_member_under_load(lab: Lab) -> None:
    """R23, R53, R55, R57: newer instances join, older ones end; nothing fails, and people change nothing meanwhile."""
    with lab.load(f"{ADDRESS}:80", patience=PATIENCE) as load:
        replace(lab, 1, 4, through=1)
        for number in (2, 4):
            wait_for("two versions are seen", partial(sees_two_versions, lab, number))
            assert refused(lab, number).startswith("409"), "edits wait"
        replace(lab, 2, 1, through=4)
        replace(lab, 3, 2, through=1)
        wait_for("edits are taken again", lambda: not refused(lab, 4))
        await_equal(lab, (1, 2, 4))
        wait_for("one member holds the address", lambda: len(lab.holders(ADDRESS)) == 1)
        time.sleep(1)
    assert load.failures() == []
    print(f"{len(load.requests)} requests, slowest {max(request.seconds for request in load.requests):.3f} s")
    lab.rest(1).put("persistence", "by-address", {"basic": {"type": "ip"}})
    await_equal(lab, (1, 2, 4))


def test_an_upgrade_in_place_keeps_the_configuration(lab: Lab) -> None:
    """R54, R57: members that are started again as the newer version read what the older one wrote, by its new names."""
    with lab.load(f"{ADDRESS}:80", patience=PATIENCE) as load:
        for number in (1, 2, 3):
            assert lab.stop(number) == 0
            lab.versions.pop(number)
            lab.start(number)
        wait_for("edits are taken again", lambda: not refused(lab, 1))
        await_equal(lab, (1, 2, 3))
        time.sleep(1)
    assert load.failures() == []
    for number in (1, 2, 3):
        own: dict[str, Any] = lab.rest(number).get(f"config/active/traffic_managers/{lab.host_name(2)}")[
            "properties"
        ]
        assert own["engine_health"]["port"] == HEALTH
        assert "engine_health_port" not in own["basic"]


def test_an_older_instance_does_not_join_a_newer_cluster(tmp_path: Path, older: Path) -> None:
    """R61: it is refused with both versions named, and stays what it was."""
    with Lab(2, tmp_path) as lab:
        lab.versions = {2: older}
        lab.start()
        before = lab.rest(2).get("config/active")
        done = pointsman(
            lab, 2, "cluster", "join", "--peer", f"{lab.ip(1)}:9090", "--fingerprint", lab.ready(1)["sha256"],
            "--password-file", str(lab.directory / "password"),
        )  # fmt: skip
        assert done.returncode == 1
        assert "0.1.0" in done.stdout + done.stderr
        assert "0.2.0" in done.stdout + done.stderr
        assert lab.rest(2).get("config/active") == before


def test_a_backup_of_the_older_build_is_upgraded_when_it_is_restored(tmp_path: Path, older: Path) -> None:
    """R54, R61: the newer build reads it by its new names; the older one refuses the newer build's, nothing changed."""
    with Lab(2, tmp_path) as lab:
        lab.versions = {1: older}
        lab.start()
        own, other = lab.host_name(1), lab.host_name(2)
        lab.rest(1).put("traffic_managers", own, {"basic": {"engine_health_port": HEALTH}})
        lab.rest(1).put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})
        file, back = tmp_path / "older.tar", tmp_path / "newer.tar"
        for number, words in (
            (1, ("create", "older")),
            (1, ("export", "older", str(file))),
            (2, ("import", str(file))),
            (2, ("restore", "older", "--map", f"{own}={other}")),
            (2, ("create", "newer")),
            (2, ("export", "newer", str(back))),
        ):
            done = pointsman(lab, number, "backup", *words)
            assert done.returncode in (0, 2), (words, done.stdout, done.stderr)
        read = lab.rest(2).get(f"config/active/traffic_managers/{other}")["properties"]
        assert read["engine_health"]["port"] == HEALTH
        before = lab.rest(1).get("config/active/pools")
        done = pointsman(lab, 1, "backup", "import", str(back))
        assert done.returncode == 1, done.stdout
        assert "0.2.0" in done.stdout + done.stderr
        assert lab.rest(1).get("config/active/pools") == before
