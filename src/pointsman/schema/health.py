"""The health of nodes as values: what one monitor found, and what a node is as a whole.

Invariant: a value says what was found once and never changes; news is a new value.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What one monitor last said of one node of one pool.

    `node` is "" for a monitor that speaks for the whole pool. `since` is Unix time of the last change of `up`.
    """

    pool: str
    node: str
    monitor: str
    up: bool
    reason: str
    since: float


class NodeState(enum.Enum):
    """A node's state in the product's words (statistics `state`)."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"
    DRAINING = "draining"
    DISABLED = "disabled"


@dataclass(frozen=True)
class NodeHealth:
    """A node of a pool as the data plane treats it. `reason` says why it is dead; `since` is Unix time."""

    pool: str
    node: str
    state: NodeState
    reason: str
    since: float
