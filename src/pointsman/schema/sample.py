"""Raw figures and times as an engine reports them, and what the engine's names stand for.

Invariant: counters of one worker only grow; a new worker starts at zero. Summing over workers is the reader's work.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.schema.problem import ObjectId


class Role(enum.Enum):
    """What an engine's proxy stands for."""

    LISTENER = "listener"
    """A virtual server's client side."""
    POOL = "pool"
    """A pool, or one variant of it (idempotent or not, HTTP or TCP, a priority level)."""
    INTERNAL = "internal"
    """Ours: not shown."""


@dataclass(frozen=True)
class Proxy:
    """The object behind an engine's proxy name, and for a pool's variant which one.

    `primary` marks the variants whose servers are checked, and do not just follow another's: the health of a pool's
    nodes is read from these, and a node is dead as soon as one of them finds so.
    `nodes` maps the engine's server name to the node as the administrator wrote it ("host:port").
    """

    subject: ObjectId | None
    role: Role
    primary: bool = True
    nodes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Sample:
    """One row of figures: a listener, a pool variant, or one node in it.

    `worker` identifies the process the counters belong to; `current` is false for a worker that is finishing its last
    connections after a reload. `server` is "" for a proxy's own row. `kind` is "frontend", "backend" or "server".
    `figures` are HAProxy's `show stat` columns by name, as text.
    """

    worker: str
    current: bool
    proxy: str
    server: str
    kind: str
    figures: Mapping[str, str]


class Answered(NamedTuple):
    """How long one request of some took, as an engine tells of it. Times in ms.

    `listener` and `pool` are the engine's names. `waited` is from the request, complete, to the answer's beginning,
    with what went to queues, connects and retries; `responded` from the connection to a node to that node's answer. A
    request that no node answered took as long, for both, as its client waited for the error. `weight` is how many
    requests this one stands for, in hundredths.
    """

    listener: str
    pool: str
    waited: int
    responded: int
    weight: int
