"""What the data plane tells, held for readers who must not wait.

Invariant: written by the watch loop and the composition root alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pointsman.control.status import Figures
from pointsman.control.traffic_ips import TrafficIps
from pointsman.schema.health import NodeHealth


class Live:
    """`health` by (pool, node); `figures` by (statistics type, object name); `engine` facts of the process.

    `serving` says whether the engine carries traffic at this moment; `traffic_ips` is None before the daemon has begun.
    """

    def __init__(self) -> None:
        self.health: Mapping[tuple[str, str], NodeHealth] = {}
        self.figures: Mapping[tuple[str, str], Figures] = {}
        self.engine: Mapping[str, str | int] = {}
        self.serving: Callable[[], bool] = lambda: True
        self.traffic_ips: TrafficIps | None = None
