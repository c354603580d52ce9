"""Pools as HAProxy backends: one for each protocol mode, priority level, and kind of request.

Invariant: what finds a node dead can see the traffic to it, or asks it. A native monitor runs in one backend of a pool
(all nodes, first mode), which the servers of the others follow by `track`. Otherwise the servers of each backend are
judged each for themselves, by their own traffic and by our verdicts. No line but a server's depends on the number of
nodes, so that nodes come and go at run time.

Facts (HAProxy 2.8.25): `observe` does not work on a server with `track`, so a pool that gets only POST, or that uses
only its nodes of highest priority, would never lose a dead node if its servers followed a backend without traffic. A
request that goes out on a kept connection is lost when the node closes that connection at the same moment. One that may
be repeated is retried elsewhere; the others therefore go through a twin backend that opens a connection for each
(`http-reuse never` and `http-server-close`; either alone still loses some). Connection limits are counted per backend,
so a pool with one has no twin and keeps no connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.compiler.haproxy import monitor, name, node_tls
from pointsman.compiler.haproxy.bandwidth import Limit
from pointsman.compiler.haproxy.bandwidth import lines as bandwidth_lines
from pointsman.compiler.haproxy.persistence import Stickiness
from pointsman.compiler.haproxy.priority import Level, levels
from pointsman.compiler.haproxy.timeout import seconds
from pointsman.compiler.monitor import Watch
from pointsman.compiler.node import Node
from pointsman.compiler.plan import ConfigSection, Line, Origin, Server
from pointsman.compiler.remark import Remarks
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role

# RFC 9110, section 9.2: safe methods change nothing; idempotent ones may be repeated. Only safe ones are given kept
# connections, because the others often carry a body, which is gone once part of it was sent.
SAFE_METHODS = "GET HEAD OPTIONS TRACE"
_IDEMPOTENT_METHODS = "DELETE GET HEAD OPTIONS PUT TRACE"

# Leaves room for the headers in HAProxy's buffer of 16 KiB.
_REPEATABLE_BYTES = 8192

# "Every node" as a number: it must not depend on how many nodes there are.
_UNLIMITED_ATTEMPTS = 6
_MOST_ATTEMPTS = 100

_BALANCE = {
    "fastest_response_time": "leastconn",
    "least_connections": "leastconn",
    "perceptive": "leastconn",
    "random": "random",
    "round_robin": "roundrobin",
    "weighted_least_connections": "leastconn",
    "weighted_round_robin": "roundrobin",
}


@dataclass(frozen=True)
class Choice:
    """Where requests for a pool may go: to `backend` (those that must be sent once only, to `once`) while `enough` of
    its servers are up there. `once` equals `backend` where there is no twin. A request for which one of `elsewhere`
    holds belongs to a session on a node that is not in there.
    """

    backend: str
    once: str
    enough: int
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Backends:
    """What a pool becomes: its sections, a followed one before its followers; what their names stand for; and per mode
    the choices, best first, of which the last holds all nodes.
    """

    sections: tuple[ConfigSection, ...]
    proxies: Mapping[str, Proxy]
    choices: Mapping[str, tuple[Choice, ...]]


@dataclass(frozen=True)
class _Variant:
    """One backend of a pool. `reusing` says whether it keeps connections, `once` that it is a twin, `safe_only` that it
    has one and so gets nothing but safe methods.
    """

    mode: str
    level: Level
    reusing: bool = False
    once: bool = False
    safe_only: bool = False


def backends(
    pool_name: str,
    pool: Pool,
    nodes: tuple[Node, ...],
    watch: Watch,
    idle: Mapping[str, int],
    span: tuple[str, str] | None,
    limits: tuple[Limit, ...],
    stick: Stickiness | None,
    remarks: Remarks,
) -> Backends:
    """The backends of a pool in use.

    `idle` maps each mode it is used in ("http", "tcp") to how long its connections may be idle, in seconds (0: no
    limit); `span` are the TLS versions to its nodes, None without TLS; `limits` hold for what is sent to them; `stick`
    is how clients come back to their node, if they are to.
    """
    _remark(pool_name, pool, remarks)
    if stick is not None and not all(map(stick.serves, idle)):
        remarks.warn(
            ObjectId("pools", pool_name),
            "persistence_needs_http",
            "TCP services have no cookies, so their clients go to any node of this pool; use a class of the type ip",
            *("basic", "persistence_class"),
        )
    subject = ObjectId("pools", pool_name)
    ranked = levels(pool, nodes)
    names: dict[str, str] = {node.text: name.server(node.text) for node in nodes}
    sections: list[ConfigSection] = []
    proxies: dict[str, Proxy] = {}
    choices: dict[str, tuple[Choice, ...]] = {}
    followed = ""
    for mode in sorted(idle):
        offered: list[Choice] = []
        for level in reversed(ranked):
            variants = _variants(pool, mode, level)
            for variant in variants:
                backend = name.backend(pool_name, mode, level.lowest, variant.once)
                sections.append(
                    _section(
                        pool_name,
                        pool,
                        backend,
                        variant,
                        watch,
                        idle[mode],
                        span,
                        names,
                        limits,
                        stick,
                        followed,
                    )
                )
                shown = {names[node.text]: node.text for node in level.nodes}
                proxies[backend] = Proxy(subject, Role.POOL, primary=not followed, nodes=shown)
                if watch.native is not None:
                    followed = followed or backend
            first, last = (
                name.backend(pool_name, mode, level.lowest, v.once) for v in (variants[0], variants[-1])
            )
            elsewhere: tuple[str, ...] = ()
            if stick is not None and stick.serves(mode):
                elsewhere = stick.elsewhere([node for node in nodes if node not in level.nodes])
            offered.append(Choice(first, last, level.enough, elsewhere))
        choices[mode] = tuple(reversed(offered))
    return Backends(tuple(sections), proxies, choices)


def _remark(pool_name: str, pool: Pool, remarks: Remarks) -> None:
    key, most = "max_timed_out_connection_attempts", pool.basic.max_timed_out_connection_attempts
    if key in pool.basic.model_fields_set and 1 < most < _attempts(pool):
        remarks.notice(
            ObjectId("pools", pool_name),
            "timeouts_not_limited",
            f"basic.{key} {most} is not kept: the engine counts all attempts together, and {_attempts(pool)} may run "
            f"into a timeout. Set basic.max_connection_attempts to {most} as well, or {key} to 1",
            *("basic", key),
        )
    if pool.load_balancing.algorithm in ("perceptive", "fastest_response_time"):
        remarks.notice(
            ObjectId("pools", pool_name),
            "algorithm_approximated",
            f"{pool.load_balancing.algorithm} is not yet acted on in full: nodes are chosen by their open "
            "connections, which slow nodes have more of",
            *("load_balancing", "algorithm"),
        )


def _variants(pool: Pool, mode: str, level: Level) -> tuple[_Variant, ...]:
    if mode == "tcp" or not pool.http.keepalive:
        return (_Variant(mode, level),)
    if pool.http.keepalive_non_idempotent:
        return (_Variant(mode, level, reusing=True),)
    if _limit(pool):
        return (_Variant(mode, level),)
    return (_Variant(mode, level, reusing=True, safe_only=True), _Variant(mode, level, once=True))


def _limit(pool: Pool) -> int:
    """The most requests a node gets at once; 0 for no limit. To HAProxy both limits are one: it counts a connection
    while it carries a request.
    """
    limits = (pool.connection.max_connections_per_node, pool.connection.max_transactions_per_node)
    return min((limit for limit in limits if limit), default=0)


def _section(
    pool_name: str,
    pool: Pool,
    backend: str,
    variant: _Variant,
    watch: Watch,
    idle_seconds: int,
    span: tuple[str, str] | None,
    names: Mapping[str, str],
    limits: tuple[Limit, ...],
    stick: Stickiness | None,
    followed: str,
) -> ConfigSection:
    servers = tuple(
        _server(pool_name, pool, node, variant, watch, span, names[node.text], stick, followed)
        for node in variant.level.nodes
    )
    lines = [
        *_balance_lines(pool_name, pool),
        *_timeout_lines(pool_name, pool, variant.mode, idle_seconds),
        *bandwidth_lines(variant.mode, limits),
        *(_http_lines(pool_name, pool, variant) if variant.mode == "http" else ()),
        *(stick.lines(variant.mode, variant.level.nodes, names) if stick is not None else ()),
        *_queue_lines(pool_name, pool, variant.mode),
        *_retry_lines(pool_name, pool, variant.mode),
        *monitor.check_lines(pool_name, pool, watch),
    ]
    origin = Origin(ObjectId("pools", pool_name))
    header = Line(f"backend {backend} from {variant.mode}", origin)
    return ConfigSection(header, tuple(lines), servers, backend, pool_name)


def _line(pool_name: str, text: str, *path: str) -> Line:
    return Line(text, Origin(ObjectId("pools", pool_name), path))


def _balance_lines(pool_name: str, pool: Pool) -> tuple[Line, ...]:
    algorithm = pool.load_balancing.algorithm
    return (_line(pool_name, f"balance {_BALANCE[algorithm]}", "load_balancing", "algorithm"),)


def _timeout_lines(pool_name: str, pool: Pool, mode: str, idle_seconds: int) -> tuple[Line, ...]:
    connect = _line(
        pool_name, f"timeout connect {pool.connection.max_connect_time}s", "connection", "max_connect_time"
    )
    if mode == "tcp":
        return connect, _line(pool_name, f"timeout server {seconds(idle_seconds)}")
    reply = pool.connection.max_reply_time
    return (
        connect,
        _line(pool_name, f"timeout server {seconds(reply)}", "connection", "max_reply_time"),
        # Upgraded connections (WebSocket) are idle as long as their virtual server permits.
        _line(pool_name, f"timeout tunnel {seconds(idle_seconds)}"),
    )


def _http_lines(pool_name: str, pool: Pool, variant: _Variant) -> list[Line]:
    lines: list[Line] = []
    if variant.reusing:
        lines.append(_line(pool_name, "http-reuse always", "http", "keepalive"))
    else:
        path = ("http", "keepalive_non_idempotent" if variant.once else "keepalive")
        lines.append(_line(pool_name, "http-reuse never", *path))
        lines.append(_line(pool_name, "option http-server-close", *path))
    failures = ["conn-failure", "empty-response", "response-timeout", "0rtt-rejected"]
    if pool.basic.max_timed_out_connection_attempts == 1:
        failures.remove("response-timeout")
    path = ("basic", "max_timed_out_connection_attempts")
    lines.append(_line(pool_name, f"retry-on {' '.join(failures)}", *path))
    if not variant.safe_only:
        # Without the first, HAProxy would send a POST twice when the first answer got lost. It repeats only what it
        # holds completely, so a short body is awaited before the request is sent.
        lines.append(
            _line(pool_name, f"http-request disable-l7-retry unless {{ method {_IDEMPOTENT_METHODS} }}")
        )
        short = f"{{ req.hdr(content-length) -m found }} {{ req.body_size le {_REPEATABLE_BYTES} }}"
        lines.append(
            _line(pool_name, f"http-request wait-for-body time 30s if {{ method DELETE PUT }} {short}")
        )
    return lines


def _queue_lines(pool_name: str, pool: Pool, mode: str) -> list[Line]:
    connection = pool.connection
    lines = [
        _line(pool_name, f"timeout queue {seconds(connection.queue_timeout)}", "connection", "queue_timeout")
    ]
    if connection.max_queue_size:
        full = f"if {{ queue ge {connection.max_queue_size} }}"
        text = (
            f"http-request return status 503 {full}"
            if mode == "http"
            else f"tcp-request content reject {full}"
        )
        lines.append(_line(pool_name, text, "connection", "max_queue_size"))
    return lines


def _attempts(pool: Pool) -> int:
    return min(pool.basic.max_connection_attempts or _UNLIMITED_ATTEMPTS, _MOST_ATTEMPTS)


def _retry_lines(pool_name: str, pool: Pool, mode: str) -> tuple[Line, ...]:
    return (_line(pool_name, f"retries {_attempts(pool) - 1}", "basic", "max_connection_attempts"),)


def _server(
    pool_name: str,
    pool: Pool,
    node: Node,
    variant: _Variant,
    watch: Watch,
    span: tuple[str, str] | None,
    server_name: str,
    stick: Stickiness | None,
    followed: str,
) -> Server:
    options: list[str] = []
    if stick is not None and stick.serves(variant.mode):
        options += stick.server_words(node)
    if span is not None:
        options += node_tls.server_words(pool, node, variant.mode, span)
    if node.source_ip:
        options += ("source", f"[{node.source_ip}]" if ":" in node.source_ip else node.source_ip)
    if limit := _limit(pool):
        options += ("maxconn", str(limit))
    if variant.reusing:
        options += ("pool-max-conn", str(pool.basic.max_idle_connections_pernode))
    checks = monitor.server_options(pool, watch)
    on_death = ("on-marked-down", "shutdown-sessions") if pool.node.close_on_death and checks else ()
    follows = f"{followed}/{server_name}" if followed else ""
    weighted = pool.load_balancing.algorithm.startswith("weighted_")
    return Server(
        name=server_name,
        node=node.text,
        address=node.address,
        port=node.port,
        weight=0 if node.state == "draining" else node.weight if weighted else 1,
        enabled=node.state != "disabled",
        options=(*options, *(("track", follows) if follows else checks), *on_death),
        dynamic_options=(*options, *checks, *on_death),
        judged=watch.judged,
        checked="check" in checks,
        tracks=follows,
        origin=Origin(ObjectId("pools", pool_name), ("basic", "nodes_table", node.text)),
    )
