"""What the data plane tells, held for readers who must not wait.

Invariant: written by the watch loop and the composition root alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pointsman.control.connections import ConnectionsNow
from pointsman.control.log_files import LogFiles
from pointsman.control.sessions import SessionsNow
from pointsman.control.status import Figures
from pointsman.control.traffic_ips import TrafficIps
from pointsman.schema.health import NodeHealth, Verdict
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.history import History
from pointsman.telemetry.response_times import ResponseTimes


class Live:
    """`health` by (pool, node); `figures` by (statistics type, object name); `engine` facts of the process.

    `read_at` is when the figures were read from the engine, in Unix time; they do not change between two readings.
    `serving` says whether the engine carries traffic at this moment; `verdicts` are what our own monitors last said, by
    (pool, node, monitor). `events` and `history` are what happened and how much there was, `times` how long requests
    took; `connections`, `sessions` and `logs` are who is connected, who comes back and what was logged; they and
    `traffic_ips` are None before the daemon has begun.
    """

    def __init__(self) -> None:
        self.health: Mapping[tuple[str, str], NodeHealth] = {}
        self.figures: Mapping[tuple[str, str], Figures] = {}
        self.read_at = 0.0
        self.engine: Mapping[str, str | int] = {}
        self.serving: Callable[[], bool] = lambda: True
        self.verdicts: Mapping[tuple[str, str, str], Verdict] = {}
        self.events: EventLog | None = None
        self.history: History | None = None
        self.times: ResponseTimes | None = None
        self.traffic_ips: TrafficIps | None = None
        self.connections: ConnectionsNow | None = None
        self.sessions: SessionsNow | None = None
        self.logs: LogFiles | None = None

    def response_times(self, identity: ObjectId) -> Figures:
        """Percentiles of an object's response times of late in ms, by name; empty where nothing is known."""
        return self.times.figures(identity) if self.times is not None else {}
