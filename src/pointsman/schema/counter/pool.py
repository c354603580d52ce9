"""Counters of what faces nodes: pools and the nodes themselves.

Invariant: response times are those of the last second, 0 when there was no request in it.
"""

from __future__ import annotations

from pointsman.schema.counter.declaration import Counter, StatisticType, gauge, state, total

NODE_STATES = ("alive", "dead", "unknown", "draining", "drainingtodelete")

POOLS = StatisticType(
    path="pools",
    per_object=True,
    help="Traffic between a pool and its nodes, and the state of the pool.",
    counters=(
        state(
            "algorithm",
            "How the pool chooses a node.",
            "roundrobin",
            "weightedRoundRobin",
            "perceptive",
            "leastConnections",
            "fastestResponseTime",
            "random",
            "weightedLeastConnections",
        ),
        total("bytes_in", "Data received from nodes.", "bytes"),
        total("bytes_out", "Data sent to nodes.", "bytes"),
        gauge("conns_queued", "Requests that wait for a node to become free."),
        gauge("disabled", "Nodes that are disabled."),
        gauge("draining", "Nodes that are draining."),
        total("http1xx_responses", "Answers of nodes with a 1xx status."),
        total("http2xx_responses", "Answers of nodes with a 2xx status."),
        total("http3xx_responses", "Answers of nodes with a 3xx status."),
        total("http4xx_responses", "Answers of nodes with a 4xx status."),
        total("http503_retries", "Requests sent to another node because one answered with status 503."),
        total("http5xx_responses", "Answers of nodes with a 5xx status."),
        gauge("max_queue_time", "The longest wait for a node in the last second.", "ms"),
        gauge("mean_queue_time", "The mean wait for a node in the last second.", "ms"),
        gauge("min_queue_time", "The shortest wait for a node in the last second.", "ms"),
        gauge("nodes", "Nodes of the pool, in whatever state."),
        state(
            "persistence",
            "How the pool keeps a session on one node by default.",
            "none",
            "ip",
            "rule",
            "transparent",
            "applicationCookie",
            "xZeusBackend",
            "ssl",
        ),
        total("queue_timeouts", "Requests that waited for a node in vain."),
        total("session_migrated", "Sessions that moved because their node was not available."),
        state(
            "state",
            "Whether the pool is in use by an enabled virtual server, and how.",
            "active",
            "disabled",
            "draining",
            "unused",
            "unknown",
        ),
        total("total_conn", "Requests sent to the pool."),
    ),
)


def _node_counters(port: str, *more: Counter, without: frozenset[str] = frozenset()) -> tuple[Counter, ...]:
    """The figures that the three views of nodes share; `port` is what the view calls the port number."""
    shared = (
        gauge("current_conn", "Connections to the node in use now, idle ones left out."),
        gauge("current_requests", "Connections to the node open now, idle ones included."),
        total(
            "errors",
            "Attempts at the node that failed: refused, timed out or broken off, also where another node then served.",
        ),
        total("failures", "How many times the node went from alive to dead."),
        gauge("idle_conns", "Idle connections to the node kept for reuse."),
        total("new_conn", "Requests for which a new connection to the node was made."),
        total("pooled_conn", "Requests for which an idle connection to the node was reused."),
        gauge("response_max", "The longest response time in the last second.", "ms"),
        gauge("response_mean", "The mean response time in the last second.", "ms"),
        gauge("response_min", "The shortest response time in the last second.", "ms"),
        state("state", "Health of the node.", *NODE_STATES),
        total("total_conn", "Requests sent to the node."),
        gauge(port, "Port of the node."),
    )
    kept = [counter for counter in (*shared, *more) if counter.name not in without]
    return tuple(sorted(kept, key=lambda counter: counter.name))


_BYTES = (
    total("bytes_from_node", "Data received from the node.", "bytes"),
    total("bytes_to_node", "Data sent to the node.", "bytes"),
)

NODES = StatisticType(
    path="nodes/node",
    per_object=True,
    help="Traffic of a node with an IPv4 address over all pools, as older clients read it.",
    counters=_node_counters(
        "port",
        total("bytes_from_node_hi", "Data received from the node: the upper 32 bits.", "bytes / 2^32"),
        total("bytes_from_node_lo", "Data received from the node: the lower 32 bits.", "bytes mod 2^32"),
        total("bytes_to_node_hi", "Data sent to the node: the upper 32 bits.", "bytes / 2^32"),
        total("bytes_to_node_lo", "Data sent to the node: the lower 32 bits.", "bytes mod 2^32"),
        without=frozenset({"idle_conns"}),
    ),
)

NODES_INET46 = StatisticType(
    path="nodes/node_inet46",
    per_object=True,
    help="Traffic of a node over all pools.",
    counters=_node_counters("port", *_BYTES),
)

PER_POOL_NODES = StatisticType(
    path="nodes/per_pool_node",
    per_object=True,
    help="Traffic of a node as part of one pool.",
    counters=_node_counters("node_port", *_BYTES),
)
