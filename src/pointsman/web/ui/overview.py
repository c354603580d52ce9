"""What the page shows, made from the status: what is in trouble first, and no more than a browser can carry.

Pure. Invariant: nothing is hidden silently: what does not fit on the page is counted on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pointsman.control.status import NodeView, PoolView, ServiceView, Status
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeState

SHOWN_SERVICES = 200
SHOWN_NODES = 500
SHOWN_CONDITIONS = 50
LONGEST_INTERVAL = 30.0
"""A rate over a longer time (nobody looked) would be called live and is not."""

Mark = Literal["ok", "warn", "error", "off"]
"""How bad a state is; the page gives each a shape of its own besides its colour, and always the word."""

_STATES: Mapping[NodeState, Mark] = {
    NodeState.ALIVE: "ok",
    NodeState.DEAD: "error",
    NodeState.DRAINING: "warn",
    NodeState.DISABLED: "off",
    NodeState.UNKNOWN: "warn",
}
_POOLS: Mapping[str, Mark] = {
    "active": "ok",
    "dead": "error",
    "draining": "warn",
    "disabled": "off",
    "unused": "off",
}
_BAD: Mapping[Mark, int] = {"error": 0, "warn": 1, "ok": 2, "off": 3}


@dataclass(frozen=True)
class NodeRow:
    """A node with its mark."""

    node: NodeView
    mark: Mark


@dataclass(frozen=True)
class PoolCard:
    """A pool with the nodes that fit; `more` nodes are left out. `word` is its state, with what mars it."""

    pool: PoolView
    mark: Mark
    word: str
    nodes: tuple[NodeRow, ...]
    more: int


@dataclass(frozen=True)
class ServiceRow:
    """A virtual server. `rate` is requests a second since the page last looked, None when that is not
    known.
    """

    service: ServiceView
    mark: Mark
    word: str
    rate: float | None


@dataclass(frozen=True)
class Overview:
    """Everything on the page; `more_*` count what does not fit. `now` is Unix time. `import_is_all`: a failed import,
    which has a banner of its own, is the worst there is to say.
    """

    status: Status
    mark: Mark
    word: str
    import_is_all: bool
    services: tuple[ServiceRow, ...]
    more_services: int
    pools: tuple[PoolCard, ...]
    more_pools: int
    conditions: tuple[Condition, ...]
    more_conditions: int
    now: float


def overview(status: Status, now: float, before: Status | None, elapsed: float) -> Overview:
    """The page for `status`; rates come from the status `elapsed` seconds `before`."""
    earlier = {service.name: service for service in before.services} if before else {}
    services = sorted(
        (_service(service, earlier.get(service.name), elapsed) for service in status.services),
        key=lambda row: _BAD[row.mark],
    )
    pools = sorted(status.pools, key=lambda pool: _BAD[_pool_mark(pool)])
    cards: list[PoolCard] = []
    room = SHOWN_NODES
    for pool in pools:
        if room <= 0:
            break
        cards.append(_card(pool, room))
        room -= max(1, len(cards[-1].nodes))
    told = sorted(
        (c for c in status.conditions if c.standing is not Standing.APPLIED),
        key=lambda c: (Standing.REJECTED, Standing.WARNING, Standing.NOTICE).index(c.standing),
    )
    mark: Mark = {"ok": "ok", "warn": "warn"}.get(status.level, "error")  # type: ignore[assignment]  # of three words
    return Overview(
        status=status,
        mark=mark,
        word={"ok": "All well", "warn": "Warning"}.get(status.level, "Error"),
        import_is_all=_import_is_all(status),
        services=tuple(services[:SHOWN_SERVICES]),
        more_services=max(0, len(services) - SHOWN_SERVICES),
        pools=tuple(cards),
        more_pools=len(pools) - len(cards),
        conditions=tuple(told[:SHOWN_CONDITIONS]),
        more_conditions=max(0, len(told) - SHOWN_CONDITIONS),
        now=now,
    )


def _import_is_all(status: Status) -> bool:
    documents = status.documents
    if documents is None or documents.outcome != "failed":
        return False
    return documents.sentence[1:] in status.sentence


def _service(service: ServiceView, before: ServiceView | None, elapsed: float) -> ServiceRow:
    mark: Mark = "off" if not service.enabled else "ok" if service.serving else "error"
    word = {"off": "disabled", "ok": "serving", "error": "down"}[mark]
    rate = None
    total = service.figures.get("total_requests")
    earlier = before.figures.get("total_requests") if before else None
    if (
        isinstance(total, int)
        and isinstance(earlier, int)
        and 0 < elapsed <= LONGEST_INTERVAL
        and total >= earlier
    ):
        rate = (total - earlier) / elapsed
    return ServiceRow(service, mark, word, rate)


def _pool_mark(pool: PoolView) -> Mark:
    mark = _POOLS.get(pool.state, "warn")
    return "warn" if mark == "ok" and any(node.state is NodeState.DEAD for node in pool.nodes) else mark


def _card(pool: PoolView, room: int) -> PoolCard:
    rows = sorted((NodeRow(node, _STATES[node.state]) for node in pool.nodes), key=lambda row: _BAD[row.mark])
    mark = _pool_mark(pool)
    word = pool.state
    if mark == "warn" and (down := sum(row.mark == "error" for row in rows)):
        word = f"{pool.state}, {down} of {len(rows)} nodes down"
    return PoolCard(pool, mark, word, tuple(rows[:room]), max(0, len(rows) - room))
