"""How bad a state is, as a mark and a word, the same on every page.

Pure. Invariant: a mark never stands alone: the page gives each a shape of its own besides its colour, and always the
word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pointsman.control.status import PoolView
from pointsman.schema.health import NodeState

Mark = Literal["ok", "warn", "error", "off"]

NODE_MARKS: Mapping[NodeState, Mark] = {
    NodeState.ALIVE: "ok",
    NodeState.DEAD: "error",
    NodeState.DRAINING: "warn",
    NodeState.DISABLED: "off",
    NodeState.UNKNOWN: "off",
}
_POOLS: Mapping[str, Mark] = {
    "active": "ok",
    "dead": "error",
    "draining": "warn",
    "disabled": "off",
    "unused": "off",
    "without nodes": "error",
}
BAD: Mapping[Mark, int] = {"error": 0, "warn": 1, "ok": 2, "off": 3}
"""The order in which things are listed: what is in trouble first."""


def pool_mark(pool: PoolView) -> Mark:
    """A pool with its nodes."""
    mark = _POOLS.get(pool.state, "warn")
    return "warn" if mark == "ok" and any(node.state is NodeState.DEAD for node in pool.nodes) else mark


def pool_word(pool: PoolView) -> str:
    """A pool's state, with what mars it."""
    if pool_mark(pool) == "warn" and (down := sum(node.state is NodeState.DEAD for node in pool.nodes)):
        return f"{pool.state}, {down} of {len(pool.nodes)} nodes down"
    return pool.state
