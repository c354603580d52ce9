"""Which pool and which nodes a request may go to, and what decides between them.

Pure. Invariant: the pools are tried in the order in which the engine tries them (priority levels, then the failure
pool, that one's, and so on), and a node counts as available only while it is up and may take new work.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.control.explanation import Chance, Fact, Known, Mark, Request, Step
from pointsman.schema.condition import Standing
from pointsman.schema.health import NodeState
from pointsman.schema.persistence import Persistence
from pointsman.schema.pool import NodeRow, Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.virtual_server import VirtualServer

MOST_NODES = 100
_HOW = {
    "round_robin": "in turn",
    "weighted_round_robin": "in turn, more often those of greater weight",
    "random": "at random",
    "least_connections": "by the fewest open connections",
    "weighted_least_connections": "by the fewest open connections for their weight",
    "fastest_response_time": "by the fewest open connections, which slow nodes have more of",
    "perceptive": "by the fewest open connections, which slow nodes have more of",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_REPEATED = _SAFE | {"PUT", "DELETE"}
Availability = Literal["up", "session", "no"]


@dataclass(frozen=True)
class Routed:
    """The steps towards a node, and what comes of them."""

    steps: tuple[Step, ...]
    mark: Mark
    outcome: str


def explain_pools(request: Request, known: Known, name: str, server: VirtualServer) -> Routed:
    """What happens behind a virtual server."""
    steps: list[Step] = []
    http = server.basic.protocol == "http"
    asked: list[str] = []
    pool_name = server.basic.pool
    origin: tuple[ObjectId, tuple[str, ...]] = (ObjectId("virtual_servers", name), ("basic", "pool"))
    while pool_name and pool_name not in asked:
        asked.append(pool_name)
        pool = known.snapshot.get("pools", pool_name, Pool)
        if pool is None:
            text = f"there is no pool {pool_name}"
            steps.append(Step("The pool", "error", text, *origin))
            break
        subject = ObjectId("pools", pool_name)
        chosen = None if _left_out(known, subject) else _level(known, pool_name, pool)
        if chosen is not None:
            steps.append(_pool_step(known, pool_name, pool, chosen, origin, first=len(asked) == 1))
            steps.extend(_session(request, known, pool, subject, http=http))
            steps.append(_algorithm(pool, subject, len(chosen)))
            steps.append(_towards(request, pool, subject, http=http))
            count = len(chosen)
            which = f"the node {chosen[0].node}" if count == 1 else f"one of {count} nodes"
            outcome = f"The virtual server {name} hands it to {which} of the pool {pool_name}."
            return Routed(tuple(steps), "ok" if len(asked) == 1 else "warn", outcome)
        following = pool.basic.failure_pool
        why = _left_out(known, subject) or "no node of it can take the request"
        then = f"; its failure pool {following} takes over" if following else "; it has no failure pool"
        step = _pool_step(known, pool_name, pool, (), origin, first=len(asked) == 1)
        steps.append(
            Step(step.title, "error", f"{step.text}: {why}{then}", *origin, step.facts, step.chances)
        )
        origin = (subject, ("basic", "failure_pool"))
        pool_name = following
    if http:
        outcome = "The client gets the answer 503, Service Unavailable, from the traffic manager itself."
    else:
        outcome = "The connection is closed without an answer."
    return Routed(tuple(steps), "error", outcome)


def _left_out(known: Known, subject: ObjectId) -> str:
    """Why a pool is not in force; "" when it is."""
    for condition in known.conditions.get(subject, ()):
        if condition.standing is Standing.REJECTED:
            return f"it is left out: {condition.message}"
    return ""


def _availability(known: Known, pool_name: str, row: NodeRow) -> tuple[Availability, Mark, str, str]:
    """Whether a node can take a new request, with mark, state and reason."""
    seen = known.health.get((pool_name, row.node))
    state = seen.state if seen is not None else NodeState.UNKNOWN
    if row.state == "disabled":
        return "no", "off", "disabled", "it is switched off"
    if state is NodeState.DEAD:
        why = seen.reason if seen is not None else ""
        return "no", "error", "down", why or "it was found to be down"
    if row.state == "draining":
        return "session", "warn", "draining", "it gets only requests of sessions that it has"
    if state is NodeState.UNKNOWN:
        return "up", "off", "not checked yet", "nothing speaks against it"
    return "up", "ok", "up", "it can take the request"


def _level(known: Known, pool_name: str, pool: Pool) -> tuple[NodeRow, ...] | None:
    """The nodes that may get a new request: of the best priority level with enough nodes up; None where there are
    none.
    """
    up = [row for row in _rows(pool) if _availability(known, pool_name, row)[0] == "up"]
    if not up:
        return None
    balancing = pool.load_balancing
    if balancing.priority_enabled:
        for rank in sorted({row.priority for row in pool.basic.nodes_table}, reverse=True):
            members = [row for row in up if row.priority >= rank]
            if len(members) >= balancing.priority_nodes:
                return tuple(members)
    return tuple(up)


def _rows(pool: Pool) -> list[NodeRow]:
    return sorted(pool.basic.nodes_table, key=lambda row: row.node)


def _pool_step(
    known: Known,
    pool_name: str,
    pool: Pool,
    chosen: Sequence[NodeRow],
    origin: tuple[ObjectId, tuple[str, ...]],
    *,
    first: bool,
) -> Step:
    subject = ObjectId("pools", pool_name)
    facts = [Fact("Its nodes.", subject, ("basic", "nodes_table"))]
    balancing = pool.load_balancing
    if balancing.priority_enabled and chosen:
        lowest = min(row.priority for row in chosen)
        text = (
            f"Priorities are on: nodes of priority {lowest} and above serve, because {balancing.priority_nodes} of "
            f"them must be up and {len(chosen)} are."
        )
        facts.append(Fact(text, subject, ("load_balancing", "priority_enabled")))
    if pool.basic.monitors:
        text = f"Watched by {', '.join(sorted(pool.basic.monitors))}."
        facts.append(Fact(text, subject, ("basic", "monitors")))
    title = "The pool" if first else "The failure pool"
    text = f"the pool {pool_name} is asked"
    mark: Mark = "ok" if chosen else "error"
    return Step(title, mark, text, *origin, tuple(facts), tuple(_chances(known, pool_name, pool, chosen)))


def _chances(known: Known, pool_name: str, pool: Pool, chosen: Sequence[NodeRow]) -> Iterator[Chance]:
    among = {row.node for row in chosen}
    weighted = pool.load_balancing.algorithm.startswith("weighted_")
    even = pool.load_balancing.algorithm in ("round_robin", "random", "weighted_round_robin")
    whole = sum(row.weight if weighted else 1 for row in chosen)
    rows = sorted(_rows(pool), key=lambda row: row.node not in among)
    for row in rows[:MOST_NODES]:
        availability, mark, state, why = _availability(known, pool_name, row)
        share = None
        if row.node in among:
            open_now = None if even else known.connections(pool_name, row.node)
            if even:
                share = 100.0 * (row.weight if weighted else 1) / whole
            elif open_now is not None:
                why = f"it has {open_now} connections now" + (f" at weight {row.weight}" if weighted else "")
        elif availability == "up":
            mark, why = "off", f"its priority {row.priority} is not needed while those above are up"
        yield Chance(row.node, mark, state, why, share)


def _session(request: Request, known: Known, pool: Pool, subject: ObjectId, *, http: bool) -> Iterator[Step]:
    name = pool.basic.persistence_class
    if not name:
        return
    path = ("basic", "persistence_class")
    found = known.snapshot.get("persistence", name, Persistence)
    own = ObjectId("persistence", name)
    if found is None:
        yield Step("Session persistence", "warn", f"there is no class {name}", subject, path)
        return
    basic = found.basic
    facts = [Fact("Chosen by the pool.", subject, path)]
    gone = {
        "new_node": "another node is chosen",
        "url": f"the client is sent to {basic.url}",
        "close": "the client gets an error",
    }[basic.failure_mode]
    facts.append(Fact(f"Where the node of a session is down, {gone}.", own, ("basic", "failure_mode")))
    mark: Mark = "ok"
    match basic.type:
        case "ip":
            who = _network(request.client, basic.subnet_prefix_length_v4, basic.subnet_prefix_length_v6)
            text = f"{name} knows clients by their address: all of {who or 'one address'} go to one node"
            if not request.client:
                text += "; say the client's address to see which"
        case ("cookie" | "transparent") as kind:
            if not http:
                mark, text = "warn", f"{name} needs cookies, which this protocol has not: any node is taken"
            elif kind == "cookie":
                cookie = request.cookies.get(basic.cookie)
                text = f"{name} knows clients by the application's cookie {basic.cookie}: "
                text += (
                    "the request brings it, so it goes to the node of that session, if there is one"
                    if cookie is not None
                    else "the request brings none, so a node is chosen"
                )
            else:
                text = (
                    f"{name} gives clients a cookie that stands for their node: a request with it goes there, one "
                    "without gets a node and the cookie"
                )
        case other:
            mark, text = (
                "warn",
                f"{name} is of the type {other}, which is not acted on yet: any node is taken",
            )
    yield Step("Session persistence", mark, text, own, ("basic", "type"), tuple(facts))


def _network(client: str, bits4: int, bits6: int) -> str:
    """The clients that share a session with one."""
    if not client:
        return ""
    address = ipaddress.ip_address(client)
    bits = bits4 if address.version == 4 else bits6
    return str(ipaddress.ip_network((client, bits), strict=False)) if bits else client


def _algorithm(pool: Pool, subject: ObjectId, count: int) -> Step:
    algorithm = pool.load_balancing.algorithm
    how = _HOW[algorithm]
    text = (
        "there is nothing to choose: one node is available"
        if count == 1
        else f"{algorithm.replace('_', ' ')}: nodes are chosen {how}"
    )
    return Step("Which node", "ok", text, subject, ("load_balancing", "algorithm"))


def _towards(request: Request, pool: Pool, subject: ObjectId, *, http: bool) -> Step:
    connection, basic = pool.connection, pool.basic
    facts = [
        Fact(
            f"A node has {connection.max_connect_time} s to accept the connection.",
            subject,
            ("connection", "max_connect_time"),
        )
    ]
    if http:
        text = f"It has {connection.max_reply_time} s to begin its answer."
        facts.append(Fact(text, subject, ("connection", "max_reply_time")))
    attempts = basic.max_connection_attempts
    tried = f"{attempts} attempts" if attempts else "several nodes"
    facts.append(
        Fact(
            f"Where a connection fails, {tried} are tried.",
            subject,
            ("basic", "max_connection_attempts"),
        )
    )
    if http:
        repeated = request.method in _REPEATED
        text = (
            f"{request.method} may be sent again where an answer does not come."
            if repeated
            else f"{request.method} is sent once: it is not repeated where an answer does not come."
        )
        facts.append(Fact(text, subject, ("basic", "max_timed_out_connection_attempts")))
        if not pool.http.keepalive:
            facts.append(Fact("Each request opens a connection.", subject, ("http", "keepalive")))
        elif request.method not in _SAFE and not pool.http.keepalive_non_idempotent:
            text = "It opens a connection of its own, so that none is lost on one that just closes."
            facts.append(Fact(text, subject, ("http", "keepalive_non_idempotent")))
    limits = [
        limit
        for limit in (connection.max_connections_per_node, connection.max_transactions_per_node)
        if limit
    ]
    if limits:
        wait = f"{connection.queue_timeout} s" if connection.queue_timeout else "without end"
        text = f"A node gets at most {min(limits)} at once; more wait {wait}."
        facts.append(Fact(text, subject, ("connection", "max_connections_per_node")))
    if basic.bandwidth_class:
        text = f"What is sent to nodes is limited by the bandwidth class {basic.bandwidth_class}."
        facts.append(Fact(text, ObjectId("bandwidth", basic.bandwidth_class), ("basic", "maximum")))
    if pool.ssl.enable:
        verified = ", and the node's certificate is verified" if pool.ssl.strict_verify else ""
        text = f"encrypted with TLS{verified}"
        path: tuple[str, ...] = ("ssl", "enable")
    else:
        text, path = "in plain text", ("ssl", "enable")
    return Step("To the node", "ok", f"the connection to the node is {text}", subject, path, tuple(facts))
