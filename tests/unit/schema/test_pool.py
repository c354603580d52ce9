"""Pools: nodes and defaults."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.pool import POOL, NodeRow, Pool
from pointsman.schema.validate import Invalid, build


def pool(*rows: dict[str, Any]) -> Pool:
    built = build(POOL, "one", {"basic": {"nodes_table": list(rows)}})
    assert isinstance(built, Pool)
    return built


def test_the_declaration_is_whole() -> None:
    assert len(POOL.keys) == 87
    assert [key.path for key in POOL.keys if key.required] == []
    assert [key.path for key in POOL.keys if key.hidden] == ["basic.lard_size"]


def test_a_pool_without_settings_has_defaults() -> None:
    made = build(POOL, "one", {})
    assert isinstance(made, Pool)
    assert made.basic.nodes_table == ()
    assert made.load_balancing.algorithm == "round_robin"
    assert (made.connection.max_connect_time, made.connection.max_reply_time) == (4, 30)
    assert (made.node.retry_fail_time, made.basic.node_connection_attempts) == (60, 3)


def test_a_node_takes_defaults_for_what_is_left_out() -> None:
    (row,) = pool({"node": "web1:80", "state": "draining"}).basic.nodes_table
    assert row == NodeRow(node="web1:80", priority=1, source_ip="", state="draining", weight=1)


def test_nodes_are_identified_by_their_address() -> None:
    key = POOL.key("basic", "nodes_table")
    assert key is not None
    assert (key.row_key, key.unordered) == ("node", True)
    assert [column.name for column in key.columns] == ["node", "priority", "source_ip", "state", "weight"]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"node": "web1"}, "node"),
        ({"node": "web1:0"}, "node"),
        ({"node": "web1:80 weight 5"}, "node"),
        ({"node": "web1:80", "weight": 101}, "weight"),
        ({"node": "web1:80", "priority": -1}, "priority"),
        ({"node": "web1:80", "state": "down"}, "state"),
        ({"node": "web1:80", "source_ip": "eth0"}, "source_ip"),
        ({"node": "web1:80", "source_ip": "10.0.0.256"}, "source_ip"),
    ],
)
def test_a_bad_row_is_named_by_its_node(row: dict[str, Any], column: str) -> None:
    with pytest.raises(Invalid) as refused:
        pool({"node": "other:80"}, row)
    (problem,) = refused.value.problems
    assert problem.path == ("basic", "nodes_table", row["node"], column)


def test_five_hundred_nodes() -> None:
    rows = [{"node": f"10.0.{index // 250}.{index % 250}:80"} for index in range(500)]
    assert len(pool(*rows).basic.nodes_table) == 500
