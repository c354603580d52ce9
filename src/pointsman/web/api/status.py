"""The status tree: what this traffic manager is, how it fares, its counters, and our additions to it.

`conditions`, `applies`, `history` and `events` are ours; the rest is the product's. Invariant: nothing here changes
anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pointsman.schema.condition import Condition, Standing
from pointsman.schema.counter import StatisticType
from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import ResourceType
from pointsman.web.answer import Answer, error_answer, json_answer
from pointsman.web.api.listing import list_children, not_allowed, not_found, read_only
from pointsman.web.api.ports import Control, PoolStatus, Status
from pointsman.web.api.request import SAFE, Request
from pointsman.web.api.statistics import StatisticsTree
from pointsman.web.api.tree import ConfigTree, Leaf

LOCAL = "local_tm"
_MOST = 1000

_BRANCHES = (
    ("applies", False),
    ("conditions", False),
    ("events", False),
    ("history", False),
    ("information", False),
    ("state", False),
    ("statistics", True),
)


class StatusHandler:
    """Answers requests below `status`."""

    def __init__(
        self, control: Control, types: Iterable[ResourceType], statistics: Iterable[StatisticType]
    ) -> None:
        self._control = control
        self._tree = ConfigTree(types)
        self._statistics = StatisticsTree(statistics)

    async def answer(self, request: Request, base: tuple[str, ...]) -> Answer:
        """The answer to a request whose path begins with `base`."""
        method, path = request.method, request.segments
        if method not in SAFE:
            return (
                read_only(method, path) if method in ("PUT", "DELETE") else not_allowed(method, sorted(SAFE))
            )
        match path[len(base) :]:
            case ():
                members = dict.fromkeys((LOCAL, self._control.identity.name))
                return list_children(path, ((name, True) for name in members))
            case (member, *_) if member not in (LOCAL, self._control.identity.name):
                return not_found(method, path)
            case (_,):
                return list_children(path, _BRANCHES)
            case (_, "information"):
                return self._information()
            case (_, "state"):
                return json_answer(200, {"state": _state(await self._control.status())})
            case (_, "statistics", *below):
                return self._answer_statistics(path, tuple(below))
            case (_, "conditions", *below):
                return self._conditions(request, tuple(below))
            case (_, "applies"):
                return self._applies(request)
            case (_, "history"):
                return await self._history(request)
            case (_, "events"):
                return await self._events(request)
            case _:
                return not_found(method, path)

    def _information(self) -> Answer:
        identity = self._control.identity
        information = {"tm_version": identity.version, "uuid": identity.uuid, "platform": identity.platform}
        return json_answer(200, {"information": information})

    def _answer_statistics(self, path: tuple[str, ...], below: tuple[str, ...]) -> Answer:
        # Objects that were just made have no figures yet, but exist.
        names = {kind: self._control.names(kind) for kind in ("pools", "virtual_servers")}
        return self._statistics.answer(path, below, self._control.live.figures, names)

    def _conditions(self, request: Request, below: tuple[str, ...]) -> Answer:
        identity: ObjectId | None = None
        if below:
            place = self._tree.find(below)
            if not isinstance(place, Leaf) or place.identity not in self._control.snapshot.objects:
                return not_found(request.method, request.segments)
            identity = place.identity
        conditions = self._control.conditions(identity)
        body = {
            "conditions": [_condition(condition) for condition in conditions],
            "revision": self._control.revision,
            "in_force": self._control.in_force,
        }
        return json_answer(200, body)

    def _applies(self, request: Request) -> Answer:
        limit = _number(request, "limit", 100)
        applies = [
            {
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
            for applied in self._control.applies(limit)
        ]
        return json_answer(200, {"applies": applies})

    async def _history(self, request: Request) -> Answer:
        """Changes, newest first; arguments `limit`, `before` (a revision) and `object` (type/name)."""
        subject: ObjectId | None = None
        if "object" in request.query:
            place = self._tree.find(tuple(request.query["object"][-1].split("/")))
            if not isinstance(place, Leaf):
                return error_answer(400, "query.invalid", "object must be a type and a name, like pools/web")
            subject = place.identity
        transactions = await self._control.transactions(
            limit=_number(request, "limit", 100),
            before=_number(request, "before", 0) or None,
            subject=subject,
        )
        history = [
            {
                "revision": transaction.revision,
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
                ],
            }
            for transaction in transactions
        ]
        return json_answer(200, {"history": history})


def _state(status: Status) -> dict[str, Any]:
    failed: dict[str, list[str]] = {}
    for pool in status.pools:
        for node in pool.nodes:
            if node.state is NodeState.DEAD:
                failed.setdefault(node.node, []).append(pool.name)
    return {
        "error_level": status.level,
        "errors": _errors(status),
        "failed_nodes": [{"node": node, "pools": pools} for node, pools in sorted(failed.items())],
        "license": "",
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
        "tip_errors": [],
        "virtual_servers": [
            {
                "name": service.name,
                "pool": service.pool,
                "port": service.port,
                "throughput": service.figures.get("throughput", 0),
                "ts_redirect_pools": [],
            }
            for service in status.services
        ],
    }
