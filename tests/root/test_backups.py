"""Backups of a real cluster, restored into others of another size.

Invariant: what the clusters have in common when a test ends is the configuration; who their members are stays.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.root.clustering import await_equal, join, pointsman
from tests.root.lab import Lab, obstacle
from tools.instance import wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
    pytest.mark.timeout(300),
]

GROUP = "config/active/traffic_ip_groups/shop"


def backup(lab: Lab, number: int, *words: str) -> str:
    """`pointsman backup` on a host; what it wrote."""
    done = pointsman(lab, number, "backup", *words)
    assert done.returncode in (0, 2), (words, done.stdout, done.stderr)
    return done.stdout


def group(lab: Lab, number: int) -> dict[str, Any]:
    """The traffic IP group as a member shows it."""
    found: dict[str, Any] = lab.rest(number).get(GROUP)["properties"]["basic"]
    return found


def serves(lab: Lab, number: int) -> bool:
    """Whether a member has the service."""
    return bool(lab.rest(number).get("status/local_tm/state")["state"]["virtual_servers"])


def test_a_backup_goes_into_clusters_of_other_sizes(tmp_path: Path) -> None:
    """R58, R60: three members to two, by choice and by default, and two to three; not replicated; what answers on the
    network stays down.
    """
    with Lab(5, tmp_path) as lab:
        lab.start()
        name = lab.host_name
        for number, peer in ((2, 1), (3, 1), (5, 4)):
            join(lab, number, peer)
        rest = lab.rest(1)
        rest.put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})
        rest.put("virtual_servers", "web", {"basic": {"enabled": True, "port": 8000, "pool": "app"}})
        basic = {
            "ipaddresses": ["10.77.0.1", "10.77.0.101"],  # the first is the switch's, which answers
            "machines": [name(1), name(2), name(3)],
            "slaves": [name(3)],
            "ip_mapping": [{"ip": "10.77.0.101", "traffic_manager": name(2)}],
            "enabled": False,
        }
        rest.put("traffic_ip_groups", "shop", {"basic": basic})
        rest.put("traffic_managers", name(3), {"basic": {"location": "cellar"}})
        await_equal(lab, (1, 2, 3))
        backup(lab, 1, "create", "three")
        assert lab.rest(2).get("status/local_tm/backups/full")["children"] == [], "backups are not replicated"

        file = tmp_path / "three.tar"
        backup(lab, 1, "export", "three", str(file))
        backup(lab, 4, "import", str(file))
        said = backup(lab, 4, "restore", "three", "--map", f"{name(3)}={name(5)}")
        assert f"Nobody takes the place of {name(2)}." in said
        await_equal(lab, (4, 5))
        assert {*group(lab, 5)["machines"]} == {name(4), name(5)}
        assert group(lab, 5)["slaves"] == [name(5)]
        assert group(lab, 5)["ip_mapping"] == []
        assert {child["name"] for child in lab.rest(5).get("config/active/traffic_managers")["children"]} == {
            name(4),
            name(5),
        }
        there = lab.rest(4).get(f"config/active/traffic_managers/{name(5)}")["properties"]["basic"]
        assert there["location"] == "cellar"

        lab.rest(4).put(
            "traffic_ip_groups", "shop", {"basic": {"enabled": True, "ipaddresses": ["10.77.0.1"]}}
        )
        backup(lab, 4, "create", "two")
        lab.rest(4).put("traffic_ip_groups", "shop", {"basic": {"enabled": False}})
        back = tmp_path / "two.tar"
        backup(lab, 4, "export", "two", str(back))
        backup(lab, 1, "import", str(back))
        said = backup(lab, 1, "restore", "two")
        assert "10.77.0.1 answers on the network already" in said
        await_equal(lab, (1, 2, 3))
        found = group(lab, 3)
        assert {*found["machines"]} == {name(1), name(2)}
        assert found["enabled"] is False
        for number in (1, 2, 3):
            wait_for("the service in force everywhere", partial(serves, lab, number))
