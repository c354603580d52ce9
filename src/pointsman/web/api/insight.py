"""The bodies of the status tree: state in the product's shape, and our records of changes, applies and events.

Pure. Invariant: text that came from outside is only ever a JSON string here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.control.apply import Applied
from pointsman.control.import_report import sentence
from pointsman.control.importer import Importer
from pointsman.control.status import PoolView, Status
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeState
from pointsman.schema.registry import INTERNAL_TYPES
from pointsman.store.history import Transaction
from pointsman.telemetry.event_log import LoggedEvent

_INTERNAL = frozenset(kind.path for kind in INTERNAL_TYPES)

MOST = 1000
"""Records that one answer holds at most."""


class BadArgument(Exception):
    """An argument of the query that is not understood; the text says what is."""


def argument(query: Mapping[str, Sequence[str]], name: str) -> str:
    """The last value of an argument, "" when it is absent."""
    return query[name][-1] if name in query else ""


def number(query: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    """A whole number of an argument, `MOST` at most for `limit`. Raises `BadArgument`."""
    text = argument(query, name)
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadArgument(f'the argument "{name}" must be a whole number')
    return min(int(text), MOST) if name == "limit" else int(text)


def state_body(status: Status, throughput: Callable[[str], int]) -> dict[str, Any]:
    """`state` as the product has it; `throughput` gives a virtual server's bytes per second, both ways together."""
    failed: dict[str, list[str]] = {}
    for pool in status.pools:
        for node in pool.nodes:
            if node.state is NodeState.DEAD:
                failed.setdefault(node.node, []).append(pool.name)
    return {
        "error_level": status.level,
        "errors": errors_of(status),
        "failed_nodes": [{"node": node, "pools": pools} for node, pools in sorted(failed.items())],
        "license": str(status.engine.get("licence", "")),
        "pools": [
            {
                "name": pool.name,
                "active_nodes": _nodes(pool, "active"),
                "disabled_nodes": _nodes(pool, "disabled"),
                "draining_nodes": _nodes(pool, "draining"),
                "failure_pool": pool.failure_pool,
            }
            for pool in status.pools
        ],
        "tip_errors": list(status.traffic_ip_errors),
        "virtual_servers": [
            {
                "name": service.name,
                "pool": service.pool,
                "port": service.port,
                "throughput": throughput(service.name),
                "ts_redirect_pools": [],
            }
            for service in status.services
        ],
    }


def errors_of(status: Status) -> list[str]:
    """What is wrong, a sentence each, as the other members are told."""
    wrong = [
        f"{condition.subject}: {condition.message}"
        for condition in status.conditions
        if condition.standing in (Standing.REJECTED, Standing.WARNING)
    ]
    silent = [
        f"virtual_servers/{service.name}: {service.reason}"
        for service in status.services
        if service.enabled and not service.serving
    ]
    dead = [
        f"pools/{pool.name}: node {node.node} is down: {node.reason}"
        for pool in status.pools
        for node in pool.nodes
        if node.state is NodeState.DEAD
    ]
    documents = status.documents
    unread = [documents.sentence] if documents is not None and documents.outcome == "failed" else []
    return list(dict.fromkeys((*wrong, *silent, *dead, *unread)))


def _nodes(pool: PoolView, setting: str) -> list[str]:
    return [node.node for node in pool.nodes if node.setting == setting]


def condition_body(condition: Condition) -> dict[str, Any]:
    """One remark on one object."""
    return {
        "object": str(condition.subject),
        "standing": condition.standing.value,
        "code": condition.code,
        "message": condition.message,
        "path": condition.path,
    }


def applied_body(applied: Applied) -> dict[str, Any]:
    """One record of the loop that brings the configuration into force."""
    return {
        "number": applied.number,
        "revision": applied.revision,
        "reasons": applied.reasons,
        "act": applied.act,
        "because": applied.because,
        "problems": [str(problem) for problem in applied.problems],
        "started": applied.started,
        "seconds": applied.seconds,
        "generation": applied.generation,
    }


def import_body(importer: Importer) -> dict[str, Any]:
    """How the instance fares with configuration documents; `last` is None when none were ever imported."""
    last = importer.last
    return {
        "managed": importer.watched is not None,
        "directory": str(importer.watched or ""),
        "pending_restart": list(importer.pending()),
        "last": None if last is None else {**last.encoded(), "text": sentence(last), "cause": last.cause},
    }


def transaction_body(transaction: Transaction) -> dict[str, Any]:
    """One change of the configuration, field by field."""
    return {
        "revision": transaction.revision,
        "origin": transaction.origin,
        "time": transaction.time,
        "author": {
            "name": transaction.author.name,
            "address": transaction.author.address,
            "surface": transaction.author.surface,
        },
        "reason": transaction.reason,
        "changes": [
            {
                "object": str(change.identity),
                "path": change.path,
                "before": change.before,
                "after": change.after,
            }
            for change in transaction.changes
            if change.identity.type not in _INTERNAL
        ],
    }


def event_body(logged: LoggedEvent) -> dict[str, Any]:
    """One event."""
    event = logged.event
    return {
        "number": logged.number,
        "time": logged.time,
        "severity": event.severity.value,
        "section": event.section,
        "tag": event.tag,
        "object": str(event.subject) if event.subject else "",
        "detail": event.detail,
        "reason": event.reason,
        "author": event.author,
    }
