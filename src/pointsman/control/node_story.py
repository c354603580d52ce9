"""Why a node is down: what found it so, since when, what happened before, who changed what, and what to try.

Invariant: the words are those of what failed, never a guess; what is a guess is called something to try.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.compiler.plan import Check
from pointsman.control.advice import Step, steps
from pointsman.control.checking import Checking, asks
from pointsman.control.error import ControlError
from pointsman.control.live import Live
from pointsman.control.status import NodeView, PoolView
from pointsman.schema.address import split_node
from pointsman.schema.condition import Condition
from pointsman.schema.health import NodeState, Verdict
from pointsman.schema.problem import ObjectId
from pointsman.store import ChangeRecord, Transaction
from pointsman.telemetry.event_log import EventQuery, LoggedEvent

SHOWN_EVENTS = 20
SHOWN_CHANGES = 10
_SEARCHED = 500


@dataclass(frozen=True)
class Word:
    """What one monitor says. `up` is None before it said anything; `monitor` is "" for what is found by traffic itself;
    `native`: the engine runs it.
    """

    monitor: str
    asked: str
    up: bool | None
    words: str
    since: float
    native: bool = False


@dataclass(frozen=True)
class Story:
    """Everything there is to say about a node's state. `found` is a sentence about what found it so."""

    pool: PoolView
    node: NodeView
    found: str
    words: tuple[Word, ...]
    conditions: tuple[Condition, ...]
    events: tuple[LoggedEvent, ...]
    changes: tuple[Transaction, ...]
    steps: tuple[Step, ...]


async def story(
    pool: PoolView,
    node: NodeView,
    *,
    live: Live,
    checking: Checking,
    native: str,
    transactions: tuple[Transaction, ...],
) -> Story:
    """The story of a node; `native` is the monitor that the engine runs for its pool, "" when it runs none, and
    `transactions` are the last ones that touched the pool.
    """
    try:
        checks = checking.checks(pool.name, node.node)
    except ControlError:
        checks = ()
    words = _words(pool, node, checks, live.verdicts, native)
    host, port = split_node(node.node)
    told = tuple(c for c in pool.conditions if c.path[:3] == ("basic", "nodes_table", node.node))
    down = node.state is NodeState.DEAD or (node.state is NodeState.UNKNOWN and bool(told))
    reason = node.reason if node.state is NodeState.DEAD else " ".join(c.message for c in told)
    return Story(
        pool=pool,
        node=node,
        found=_found(node, words, native),
        words=words,
        conditions=told,
        events=await _events(live, pool.name, node.node),
        changes=tuple(
            found
            for found in transactions
            if any(
                record.identity.type == "pools" and is_about(record, node.node) for record in found.changes
            )
        )[:SHOWN_CHANGES],
        steps=steps(reason, host, port, checks) if down else (),
    )


def _words(
    pool: PoolView,
    node: NodeView,
    checks: tuple[Check, ...],
    verdicts: Mapping[tuple[str, str, str], Verdict],
    native: str,
) -> tuple[Word, ...]:
    found = []
    for check in checks:
        if not check.monitor:
            continue
        if check.monitor == native:
            dead = node.state is NodeState.DEAD
            by_traffic = "requests of clients" in node.reason
            up = None if node.state in (NodeState.UNKNOWN, NodeState.DISABLED) else not dead or by_traffic
            said = node.reason if dead and not by_traffic else ""
            found.append(Word(check.monitor, asks(check), up, said, node.since, native=True))
            continue
        verdict = verdicts.get((pool.name, node.node, check.monitor)) or verdicts.get(
            (pool.name, "", check.monitor)
        )
        if verdict is None:
            found.append(Word(check.monitor, asks(check), None, "it has not run yet", 0.0))
        else:
            found.append(Word(check.monitor, asks(check), verdict.up, verdict.reason, verdict.since))
    return tuple(found)


def _found(node: NodeView, words: tuple[Word, ...], native: str) -> str:
    """What found it so."""
    match node.state:
        case NodeState.DISABLED:
            return "It is disabled: it gets no traffic and is not watched."
        case NodeState.DRAINING:
            return "It drains: it gets nothing new, and finishes what it has."
        case NodeState.ALIVE:
            return "It works."
        case NodeState.UNKNOWN:
            return "Nothing is known of it yet: the engine has not used or checked it."
        case _:
            pass
    if "requests of clients" in node.reason:
        return "Requests of clients failed on it, several in a row (passive monitoring)."
    against = [word.monitor for word in words if word.up is False]
    if against:
        named = " and ".join(f"“{name}”" for name in against)
        return f"The monitor{'s' if len(against) > 1 else ''} {named} found it down."
    if native:
        return f"The monitor “{native}” found it down."
    return "Connections to it fail (passive monitoring)."


def is_about(record: ChangeRecord, node: str) -> bool:
    """Whether a record is about a node, or about something of its pool that is not another node's."""
    return record.path[:2] != ("basic", "nodes_table") or len(record.path) < 3 or record.path[2] == node


async def _events(live: Live, pool: str, node: str) -> tuple[LoggedEvent, ...]:
    """What the event log knows of the node, newest first."""
    if live.events is None:
        return ()
    query = EventQuery(subject=ObjectId("pools", pool), text=node, limit=_SEARCHED)
    try:
        found = await live.events.find(query)
    except sqlite3.Error:
        return ()  # what is known of now is shown all the same
    return tuple(logged for logged in found if logged.event.detail == node)[:SHOWN_EVENTS]
