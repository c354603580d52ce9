"""Changes of a pool's nodes touch what they name and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.control.node_acts import (
    NodeTaken,
    NoSuchNode,
    switched,
    with_nodes,
    with_state,
    with_weights,
    without_nodes,
)

SETTINGS: dict[str, Any] = {
    "basic": {
        "note": "kept",
        "nodes_table": [
            {"node": "a:1", "weight": 3, "source_ip": "10.0.0.1"},
            {"node": "b:1", "state": "draining"},
        ],
    },
    "load_balancing": {"algorithm": "random"},
}


def table(put: Any) -> list[dict[str, Any]]:
    """The rows of a change, which keeps everything else."""
    assert put.identity.type == "pools" and put.identity.name == "web"
    assert put.settings["load_balancing"] == SETTINGS["load_balancing"]
    assert put.settings["basic"]["note"] == "kept"
    rows: list[dict[str, Any]] = put.settings["basic"]["nodes_table"]
    return rows


def test_a_state_is_set_on_the_named_nodes_alone() -> None:
    first, second = table(with_state("web", SETTINGS, ["a:1"], "disabled"))
    assert first == {"node": "a:1", "weight": 3, "source_ip": "10.0.0.1", "state": "disabled"}
    assert second == SETTINGS["basic"]["nodes_table"][1]
    assert "state" not in SETTINGS["basic"]["nodes_table"][0], "what is stored was modified"


def test_weights_nodes_and_removal() -> None:
    weighed = table(with_weights("web", SETTINGS, {"b:1": (9, 2)}))
    assert weighed[1] == {"node": "b:1", "state": "draining", "weight": 9, "priority": 2}
    added = table(with_nodes("web", SETTINGS, ["c:1", "c:1", "d:1"], "disabled"))
    assert [row["node"] for row in added] == ["a:1", "b:1", "c:1", "d:1"]
    assert added[3]["state"] == "disabled"
    assert [row["node"] for row in table(without_nodes("web", SETTINGS, ["a:1"]))] == ["b:1"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(NoSuchNode, match="has no node x:1"):
        with_state("web", SETTINGS, ["a:1", "x:1"], "active")
    with pytest.raises(NoSuchNode, match="has no node x:1"):
        with_weights("web", SETTINGS, {"x:1": (1, 1)})
    with pytest.raises(NoSuchNode, match="has no node x:1"):
        without_nodes("web", {}, ["x:1"])
    with pytest.raises(NodeTaken, match="has the node a:1 already"):
        with_nodes("web", SETTINGS, ["a:1"])


def test_a_virtual_server_is_switched() -> None:
    put = switched("shop", {"basic": {"port": 80, "enabled": False}, "ssl": {"x": 1}}, enabled=True)
    assert put.settings == {"basic": {"port": 80, "enabled": True}, "ssl": {"x": 1}}
