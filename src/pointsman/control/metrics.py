"""What a running traffic manager tells Prometheus: itself, its configuration, licence and certificate, and its traffic.

Invariant: nothing secret and nothing without bound becomes a label; a counter here is the figure that the statistics
tree of REST has under the name that stands beside it. Percentiles of response times, which REST has not, are gauges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

# Costs some 50 ms: who offers metrics imports this module when they are first asked for.
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from pointsman.control.control import Control
from pointsman.control.status import Figures
from pointsman.schema.condition import Standing
from pointsman.schema.health import NodeState
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.virtual_server import VirtualServer

CAUSE_LENGTH = 300
"""Characters of an import's cause that become a label."""
_STATES = tuple(state.value for state in NodeState)
_UP = (NodeState.ALIVE.value, NodeState.DRAINING.value)
_CLASSES = tuple((f"{number}xx", f"http{number}xx_responses") for number in range(2, 6))


@dataclass(frozen=True)
class Series:
    """A metric of each object of one kind. `sources` are counters by the value of the further label `label`.

    `scale` turns a counter's unit into that of the name.
    """

    name: str
    help: str
    sources: Mapping[str, str]
    label: str = ""
    total: bool = True
    scale: float = 1


def _one(name: str, help: str, counter: str, *, total: bool = True, scale: float = 1) -> Series:
    return Series(name, help, {"": counter}, total=total, scale=scale)


_TIMES = Series(
    "response_seconds",
    "Response times of HTTP requests of the last half minute, by the share of requests that did not exceed them.",
    {"0.5": "response_p50", "0.95": "response_p95", "0.99": "response_p99"},
    "quantile",
    total=False,
    scale=0.001,
)
VIRTUAL_SERVER: Sequence[Series] = (
    _one("connections", "Connections of clients open now.", "current_conn", total=False),
    _one("requests", "Requests of clients, of TCP connections.", "total_requests"),
    _one("received_bytes", "Data received from clients.", "bytes_in"),
    _one("sent_bytes", "Data sent to clients.", "bytes_out"),
    _one("connection_errors", "Requests that failed for an error of transport.", "connection_errors"),
    Series("responses", "HTTP answers by the class of their status.", dict(_CLASSES), "status"),
    _TIMES,
)
POOL: Sequence[Series] = (
    _one("requests", "Requests sent to the pool.", "total_conn"),
    _one("received_bytes", "Data received from nodes.", "bytes_in"),
    _one("sent_bytes", "Data sent to nodes.", "bytes_out"),
    _one("queued_requests", "Requests that wait for a node.", "conns_queued", total=False),
    Series("responses", "HTTP answers of nodes by the class of their status.", dict(_CLASSES), "status"),
    _TIMES,
)
NODE: Sequence[Series] = (
    _one("requests", "Requests sent to the node.", "total_conn"),
    _one("errors", "Requests that failed: refused, timed out or broken off.", "errors"),
    _one("failures", "How many times the node went from alive to dead.", "failures"),
    _one("connections", "Connections in use now.", "current_conn", total=False),
    _one(
        "response_mean_seconds",
        "The mean response time of the last second.",
        "response_mean",
        total=False,
        scale=0.001,
    ),
)
GLOBAL: Sequence[Series] = (
    _one("client_connections", "Connections of clients open now.", "total_current_conn", total=False),
    _one("requests", "Requests of clients to all virtual servers.", "total_requests"),
    _one("received_bytes", "Data received from clients.", "total_bytes_in"),
    _one("sent_bytes", "Data sent to clients.", "total_bytes_out"),
    _TIMES,
)


CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Collected(Collector):
    """Everything there is to tell at the moment it is made."""

    def __init__(self, control: Control) -> None:
        self._metrics = (
            *_instance(control),
            *_configuration(control),
            *_import(control),
            *_licence(control),
            *_certificate(control),
            *_traffic(control),
        )

    def collect(self) -> Sequence[Metric]:
        """The metrics, in the order they are shown."""
        return self._metrics

    def text(self) -> bytes:
        """The same in Prometheus's text format. May be called in a thread."""
        return generate_latest(self)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pointsman_{name}", help, value=value)


def _info(name: str, help: str, words: Mapping[str, str]) -> Metric:
    return InfoMetricFamily(f"pointsman_{name}", help, value=dict(words))


def _instance(control: Control) -> Iterator[Metric]:
    identity, engine = control.identity, control.live.engine
    words = {
        "traffic_manager": identity.name,
        "version": identity.version,
        "uuid": identity.uuid,
        "platform": identity.platform,
        "engine": str(engine.get("name", "")),
        "engine_version": str(engine.get("version", "")),
    }
    yield _info("instance", "Who this traffic manager is, and which engine moves its traffic.", words)
    yield _gauge("engine_serving", "1 while the engine carries traffic.", control.live.serving())
    yield _gauge("start_time_seconds", "When the control plane started, in Unix time.", control.started)


def _configuration(control: Control) -> Iterator[Metric]:
    yield _gauge("config_revision", "Number of the last change of the configuration.", control.revision)
    yield _gauge("config_revision_in_force", "The revision that the engine serves.", control.in_force)
    yield _gauge(
        "config_refused", "1 while the engine refuses the newest configuration.", bool(control.stuck)
    )
    standings = [condition.standing for condition in control.conditions()]
    remarks = GaugeMetricFamily("pointsman_conditions", "Remarks on objects.", labels=["standing"])
    for standing in (Standing.REJECTED, Standing.WARNING, Standing.NOTICE):
        remarks.add_metric([standing.value], standings.count(standing))
    yield remarks


def _import(control: Control) -> Iterator[Metric]:
    last = control.importer.last
    if last is None:
        return
    words = {"outcome": last.outcome, "trigger": last.trigger, "cause": last.cause[:CAUSE_LENGTH]}
    yield _info("config_import_last", "The last import of documents, and why it failed.", words)
    yield _gauge(
        "config_import_last_success", "0 when the last import of documents failed.", last.outcome != "failed"
    )
    yield _gauge("config_import_last_timestamp_seconds", "When it ended, in Unix time.", last.time)
    yield _gauge("config_import_last_duration_seconds", "How long it took.", last.seconds)
    yield _gauge("config_import_last_objects", "Objects that the documents describe.", last.objects)


def _licence(control: Control) -> Iterator[Metric]:
    view = control.licensing.view()
    yield _info("license", "Which licence is in force.", {"source": view.source})
    yield _gauge(
        "license_bandwidth_bits_per_second",
        "What all services may carry in each direction; 0 without limit.",
        view.bandwidth,
    )
    yield _gauge(
        "license_cluster_members", "How many traffic managers a cluster may have.", view.cluster_size
    )
    yield _gauge(
        "license_expiry_timestamp_seconds", "When the licence ends, in Unix time; 0 never.", view.expires
    )


def _certificate(control: Control) -> Iterator[Metric]:
    ends = control.certificate.view.not_after.timestamp()
    text = "When the certificate of this instance ends, in Unix time."
    yield _gauge("certificate_expiry_timestamp_seconds", text, ends)


@dataclass
class _Table:
    """The metrics of one kind of object: families that grow by a row for each object."""

    prefix: str
    labels: Sequence[str]
    series: Sequence[Series]
    rows: list[tuple[Callable[[Sequence[str], float], None], str, str, float, bool]] = field(
        default_factory=list
    )
    families: list[Metric] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one in self.series:
            labels = [*self.labels, one.label] if one.label else list(self.labels)
            kind = CounterMetricFamily if one.total else GaugeMetricFamily
            family = kind(f"pointsman_{self.prefix}{one.name}", one.help, labels=labels)
            self.families.append(family)
            self.rows += [
                (family.add_metric, counter, value, one.scale, bool(one.label))
                for value, counter in one.sources.items()
            ]

    def add(self, labels: Sequence[str], figures: Figures) -> None:
        """Adds an object with its figures; what they do not hold is left out."""
        for add, counter, value, scale, has_label in self.rows:
            figure = figures.get(counter)
            if isinstance(figure, int):
                add([*labels, value] if has_label else labels, figure * scale)


def _traffic(control: Control) -> Iterator[Metric]:
    snapshot, plan = control.snapshot, control.plan
    whole = _Table("", (), GLOBAL)
    whole.add((), _figures(control, "globals", ""))
    yield from whole.families
    listening = plan.serving if plan else frozenset()
    up = GaugeMetricFamily(
        "pointsman_virtual_server_listening",
        "1 while it takes connections, 0 when it is disabled or left out.",
        labels=["virtual_server"],
    )
    table = _Table("virtual_server_", ("virtual_server",), VIRTUAL_SERVER)
    serving = control.live.serving()
    for name, _ in snapshot.all("virtual_servers", VirtualServer):
        up.add_metric([name], serving and name in listening)
        table.add((name,), _figures(control, "virtual_servers", name))
    yield up
    yield from table.families
    yield from _pools(control)


def _figures(control: Control, type_path: str, name: str) -> Figures:
    times = control.live.response_times(ObjectId(type_path, name))
    return {**control.live.figures.get((type_path, name), {}), **times}


def _pools(control: Control) -> Iterator[Metric]:
    figures, health = control.live.figures, control.live.health
    pools = _Table("pool_", ("pool",), POOL)
    nodes = _Table("node_", ("pool", "node"), NODE)
    states = GaugeMetricFamily(
        "pointsman_pool_nodes", "Nodes of the pool by their state.", labels=["pool", "state"]
    )
    up = GaugeMetricFamily("pointsman_node_up", "1 while the node is found alive.", labels=["pool", "node"])
    for name, pool in control.snapshot.all("pools", Pool):
        pools.add((name,), _figures(control, "pools", name))
        counts = dict.fromkeys(_STATES, 0)
        for row in pool.basic.nodes_table:
            seen = health.get((name, row.node))
            state = (seen.state if seen is not None else NodeState.UNKNOWN).value
            counts[state] += 1
            up.add_metric([name, row.node], state in _UP)
            nodes.add((name, row.node), figures.get(("nodes/per_pool_node", f"{name}-{row.node}"), {}))
        for state, count in counts.items():
            states.add_metric([name, state], count)
    yield states
    yield from pools.families
    yield up
    yield from nodes.families
