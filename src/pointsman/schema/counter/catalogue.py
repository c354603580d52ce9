"""Counters of the catalogue: rules, classes of bandwidth and rate, protection, service levels, locations,
events.

Invariant: a leaf is listed as soon as it is known here; it holds no object while nothing of its kind is
configured.
"""

from __future__ import annotations

from pointsman.schema.counter.declaration import StatisticType, gauge, state, total

_HEALTH = ("alive", "dead", "unknown")

ACTIONS = StatisticType(
    path="actions",
    per_object=True,
    help="An action that events set off.",
    counters=(total("processed", "How many times the action ran."),),
)

BANDWIDTH = StatisticType(
    path="bandwidth",
    per_object=True,
    help="A bandwidth class.",
    counters=(
        total("bytes_out", "Data sent by connections of the class.", "bytes"),
        gauge("guarantee", "Bandwidth that the class is sure of.", "kbit/s"),
        gauge("maximum", "Bandwidth that the class may use.", "kbit/s"),
    ),
)

CLOUD_CREDENTIALS = StatisticType(
    path="cloud_api_credentials",
    per_object=True,
    help="A cloud account by which machines are made and destroyed.",
    counters=(
        total("node_creations", "Machines made."),
        total("node_deletions", "Machines destroyed."),
        total("status_requests", "Questions about the state of machines."),
    ),
)

RATES = StatisticType(
    path="connection_rate_limit",
    per_object=True,
    help="A rate class.",
    counters=(
        total("conns_entered", "Requests that came to the class."),
        total("conns_left", "Requests that the class let go on."),
        gauge("current_rate", "Requests that go on now.", "per second"),
        total("dropped", "Requests that left before their turn."),
        gauge("max_rate_per_min", "Requests that may go on in a minute.", "per minute"),
        gauge("max_rate_per_sec", "Requests that may go on in a second.", "per second"),
        gauge("queue_length", "Requests that wait for their turn."),
    ),
)

EVENTS = StatisticType(
    path="events",
    per_object=True,
    help="An event type.",
    counters=(total("matched", "Events of the type."),),
)

USER_COUNTERS_32 = StatisticType(
    path="extras/user_counters_32",
    per_object=False,
    help="Counters of 32 bits that rules count in.",
    counters=(total("counter", "What rules counted."),),
)

USER_COUNTERS_64 = StatisticType(
    path="extras/user_counters_64",
    per_object=False,
    help="Counters of 64 bits that rules count in.",
    counters=(total("counter", "What rules counted."),),
)

GLB_SERVICES = StatisticType(
    path="glb_services",
    per_object=True,
    help="A globally load-balanced service.",
    counters=(
        total("discarded", "DNS answers dropped."),
        total("responses", "DNS answers changed."),
        total("unmodified", "DNS answers passed on as they were."),
    ),
)

LOCATIONS = StatisticType(
    path="locations",
    per_object=True,
    help="A location of global load balancing.",
    counters=(
        gauge("load", "Mean load of the location's services; higher is busier."),
        total("responses", "DNS answers that sent a client to the location."),
    ),
)

LOCATION_SERVICES = StatisticType(
    path="per_location_service",
    per_object=True,
    help="A globally load-balanced service at one location.",
    counters=(
        state("draining", "Whether the location gets no new clients for the service.", "draining", "active"),
        state("frontend_state", "Health of the location's traffic managers.", *_HEALTH),
        gauge("load", "Load of the service at the location; higher is busier."),
        state("monitor_state", "What the location's monitors say.", *_HEALTH),
        total("responses", "DNS answers that sent a client to the location for the service."),
        state("state", "Health of the service at the location.", *_HEALTH),
    ),
)


def _node_service_level(path: str, help: str) -> StatisticType:
    return StatisticType(
        path=path,
        per_object=True,
        help=help,
        counters=(
            gauge("node_port", "Port of the node."),
            gauge("response_max", "The longest response time in the last second.", "ms"),
            gauge("response_mean", "The mean response time in the last second.", "ms"),
            gauge("response_min", "The shortest response time in the last second.", "ms"),
            total("total_conn", "Requests that the service level monitor judged."),
            total("total_non_conf", "Requests that took longer than they should."),
        ),
    )


NODE_SERVICE_LEVELS = _node_service_level(
    "per_node_slm/per_node_service_level",
    "A node with an IPv4 address under a service level monitor, as older clients read it.",
)
NODE_SERVICE_LEVELS_INET46 = _node_service_level(
    "per_node_slm/per_node_service_level_inet46", "A node under a service level monitor."
)

RULES = StatisticType(
    path="rules",
    per_object=True,
    help="A rule.",
    counters=(
        total("aborts", "Runs that ended in an error."),
        total("discards", "Runs that dropped the connection."),
        total("execution_time_warnings", "Runs that took longer than is thought healthy."),
        total("executions", "Runs."),
        total("pool_select", "Runs that chose a pool."),
        total("responds", "Runs that answered the client."),
        total("retries", "Runs that had the request tried again."),
    ),
)

RULE_AUTHENTICATORS = StatisticType(
    path="rule_authenticators",
    per_object=True,
    help="An authenticator that rules ask.",
    counters=(
        total("errors", "Questions that could not be put or answered."),
        total("fails", "Logins turned down."),
        total("passes", "Logins accepted."),
        total("requests", "Questions."),
    ),
)

SERVICE_LEVELS = StatisticType(
    path="service_level_monitors",
    per_object=True,
    help="A service level monitor.",
    counters=(
        gauge("conforming", "Share of the requests that were fast enough.", "%"),
        gauge("current_conns", "Requests being judged now."),
        state("is_o_k", "Whether enough requests were fast enough.", "notok", "ok"),
        gauge("response_max", "The longest response time in the last second.", "ms"),
        gauge("response_mean", "The mean response time in the last second.", "ms"),
        gauge("response_min", "The shortest response time in the last second.", "ms"),
        total("total_conn", "Requests judged."),
        total("total_non_conf", "Requests that took longer than they should."),
    ),
)

PROTECTION = StatisticType(
    path="service_protection",
    per_object=True,
    help="A service protection class.",
    counters=(
        gauge("last_refusal_time", "Time since a connection was last refused.", "1/100 s"),
        total("refusal_binary", "Connections refused for bytes that text must not have."),
        total("refusal_conc10_ip", "Connections refused because ten clients together held too many."),
        total("refusal_conc1_ip", "Connections refused because one client held too many."),
        total("refusal_conn_rate", "Connections refused because one client made them too fast."),
        total("refusal_ip", "Connections refused because of the client's address."),
        total("refusal_rfc2396", "Connections refused for a malformed URL."),
        total("refusal_size", "Connections refused for a request that was too large."),
        total("total_refusal", "Connections refused."),
    ),
)
