"""Priority lists: which nodes serve together while how many of them are up.

Invariant: each level holds all nodes of its priority and higher, the last level all nodes; a level is used while it
has enough nodes up, so deaths and recoveries need no decision of ours (HAProxy counts with `nbsrv`, which leaves out
draining and disabled servers).
"""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.compiler.node import Node
from pointsman.schema.pool import Pool


@dataclass(frozen=True)
class Level:
    """Nodes that serve together. `lowest` is the lowest priority among them, None in the level of all nodes; the level
    is used while `enough` of them are up.
    """

    lowest: int | None
    enough: int
    nodes: tuple[Node, ...]


def levels(pool: Pool, nodes: tuple[Node, ...]) -> tuple[Level, ...]:
    """The levels of a pool, best first; one of all nodes when priorities are off."""
    found: list[Level] = []
    if pool.load_balancing.priority_enabled:
        ranks = sorted({node.priority for node in nodes}, reverse=True)
        for rank in ranks[:-1]:
            members = tuple(node for node in nodes if node.priority >= rank)
            found.append(Level(rank, pool.load_balancing.priority_nodes, members))
    found.append(Level(None, 1, nodes))
    return tuple(found)
