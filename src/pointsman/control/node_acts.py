"""What people do with the nodes of a pool, as changes: their state, their weights, new ones, removal.

Pure over the settings that are stored. Invariant: a change touches the rows that it names and nothing else of the
pool; a node that is not there (any more) is named in the refusal, and then nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from pointsman.control.error import ControlError
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.store import Put

NodeSetting = Literal["active", "draining", "disabled"]
Settings = Mapping[str, Any]
Row = dict[str, Any]


class NoSuchNode(ControlError):
    """A pool has no such node."""

    def __init__(self, pool: str, node: str) -> None:
        super().__init__(f'pool "{pool}" has no node {node} (any more); open the page again')
        self.node = node


class NodeTaken(ControlError):
    """A pool has a node already."""

    def __init__(self, pool: str, node: str) -> None:
        super().__init__(f'pool "{pool}" has the node {node} already; change that one instead')
        self.node = node


def takes_last(pool: Pool, nodes: Collection[str]) -> bool:
    """Whether a pool would be left without an active node if it lost these, and has one now."""
    active = {row.node for row in pool.basic.nodes_table if row.state == "active"}
    return bool(active) and active <= set(nodes)


def with_state(pool: str, settings: Settings, nodes: Iterable[str], state: NodeSetting) -> Put:
    """The pool with some nodes set to a state. Raises `NoSuchNode`."""
    return _each(pool, settings, nodes, lambda row: row | {"state": state})


def with_weights(pool: str, settings: Settings, weights: Mapping[str, tuple[int, int]]) -> Put:
    """The pool with weight and priority of some nodes changed. Raises `NoSuchNode`."""

    def changed(row: Row) -> Row:
        weight, priority = weights[row["node"]]
        return row | {"weight": weight, "priority": priority}

    return _each(pool, settings, weights, changed)


def with_nodes(pool: str, settings: Settings, nodes: Iterable[str], state: NodeSetting = "active") -> Put:
    """The pool with more nodes. Raises `NodeTaken`."""
    rows = _rows(settings)
    known = {row["node"] for row in rows}
    for node in dict.fromkeys(nodes):
        if node in known:
            raise NodeTaken(pool, node)
        rows.append({"node": node, "state": state})
    return _put(pool, settings, rows)


def without_nodes(pool: str, settings: Settings, nodes: Iterable[str]) -> Put:
    """The pool without some nodes. Raises `NoSuchNode`.

    The engine gives a removed node nothing new and lets the requests that it has end, so none is lost.
    """
    gone = frozenset(nodes)
    rows = _rows(settings)
    for node in sorted(gone - {row["node"] for row in rows}):
        raise NoSuchNode(pool, node)
    return _put(pool, settings, [row for row in rows if row["node"] not in gone])


def switched(name: str, settings: Settings, *, enabled: bool) -> Put:
    """A virtual server that is started or stopped."""
    basic = {**settings.get("basic", {}), "enabled": enabled}
    return Put(ObjectId("virtual_servers", name), {**settings, "basic": basic})


def _each(pool: str, settings: Settings, nodes: Iterable[str], change: Callable[[Row], Row]) -> Put:
    wanted = frozenset(nodes)
    rows = _rows(settings)
    for node in sorted(wanted - {row["node"] for row in rows}):
        raise NoSuchNode(pool, node)
    return _put(pool, settings, [change(row) if row["node"] in wanted else row for row in rows])


def _rows(settings: Settings) -> list[Row]:
    return [dict(row) for row in settings.get("basic", {}).get("nodes_table", ())]


def _put(pool: str, settings: Settings, rows: list[Row]) -> Put:
    basic = {**settings.get("basic", {}), "nodes_table": rows}
    return Put(ObjectId("pools", pool), {**settings, "basic": basic})
