"""How a virtual server fares with what mars its pools, the same on every page.

Pure. Invariant: a service that serves with less than was asked for is never called well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pointsman.control.status import PoolView, ServiceView, Status
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeState
from pointsman.web.ui.marks import Mark


@dataclass(frozen=True)
class ServiceState:
    """A mark with its word, and why it is not better, "" where there is nothing to say."""

    mark: Mark
    word: str
    why: str = ""


def service_states(status: Status) -> Mapping[str, ServiceState]:
    """The states of all virtual servers by name."""
    pools = {pool.name: pool for pool in status.pools}
    return {view.name: service_state(view, pools) for view in status.services}


def service_state(view: ServiceView, pools: Mapping[str, PoolView]) -> ServiceState:
    """The state of one; `pools` are all by name."""
    if not view.enabled:
        return ServiceState("off", "disabled")
    if not view.serving:
        return ServiceState("error", "down", view.reason)
    if why := _mars(view, pools.get(view.pool)):
        return ServiceState("warn", "impaired", why)
    return ServiceState("ok", "serving")


def answers(pool: PoolView) -> bool:
    """Whether a node of a pool may answer."""
    return any(node.state in (NodeState.ALIVE, NodeState.UNKNOWN) for node in pool.nodes)


def _mars(view: ServiceView, pool: PoolView | None) -> str:
    """What is wrong with a service that serves, or ""."""
    if pool is not None:
        dead = sum(node.state is NodeState.DEAD for node in pool.nodes)
        if not answers(pool):
            return f'its failure pool serves: no node of pool "{pool.name}" can answer'
        if dead:
            return f'{dead} of {len(pool.nodes)} nodes of pool "{pool.name}" are down'
    return _warning(view.conditions)


def _warning(conditions: Iterable[Condition]) -> str:
    return next((c.message for c in conditions if c.standing is Standing.WARNING), "")
