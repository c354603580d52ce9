"""The status tree: what this traffic manager is, how it fares, its counters, and our additions to it.

`certificate`, `cluster`, `conditions`, `config_document`, `config_import`, `licence`, `name`, `superseded`,
`traffic_ips`, `applies`, `history` and `events` are ours; the rest is the product's; `backups` are in
`web.api.backups`. Invariant: nothing here changes anything but `PUT history/<revision>?restore`, which makes the
configuration what it was then, `PUT certificate`, `PUT name`, `PUT traffic_ips?failback`, `PUT cluster/...` and
backups. What is asked of another member is answered by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pointsman.control.control import Control
from pointsman.control.error import ControlError, Forbidden, Frozen
from pointsman.control.exports import export_configuration, read_wish
from pointsman.control.import_record import NoBase
from pointsman.schema.counter import StatisticType
from pointsman.schema.event import Severity
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import ResourceType
from pointsman.schema.validate import Invalid
from pointsman.telemetry.event_log import EventLog, EventQuery
from pointsman.telemetry.history import History
from pointsman.web.answer import JSON, Answer, error_answer, json_answer
from pointsman.web.api.backups import BackupHandler
from pointsman.web.api.certificate import replace_certificate, show_certificate
from pointsman.web.api.cluster import change_cluster, forward, members_of, show_cluster, show_superseded
from pointsman.web.api.insight import (
    BadArgument,
    applied_body,
    argument,
    condition_body,
    event_body,
    import_body,
    number,
    state_body,
    transaction_body,
)
from pointsman.web.api.listing import list_children, not_allowed, not_found, read_only
from pointsman.web.api.naming import replace_name, show_name
from pointsman.web.api.request import SAFE, Request
from pointsman.web.api.statistics import StatisticsTree
from pointsman.web.api.traffic_ips import act_on_traffic_ips, show_traffic_ips
from pointsman.web.api.tree import ConfigTree, Leaf

LOCAL = "local_tm"
THROUGHPUT_SECONDS = 10.0
"""What a virtual server's throughput is the mean of."""

MEDIA_TYPES = {"yaml": "application/yaml", "json": JSON}
_BRANCHES = (
    ("applies", False),
    ("backups", True),
    ("certificate", False),
    ("cluster", False),
    ("conditions", False),
    ("config_document", False),
    ("config_import", False),
    ("events", False),
    ("history", False),
    ("information", False),
    ("licence", False),
    ("name", False),
    ("state", False),
    ("statistics", True),
    ("superseded", False),
    ("traffic_ips", False),
)


class StatusHandler:
    """Answers requests below `status`."""

    def __init__(
        self,
        control: Control,
        events: EventLog,
        history: History,
        types: Iterable[ResourceType],
        statistics: Iterable[StatisticType],
    ) -> None:
        self._control = control
        self._events = events
        self._traffic = history
        self._tree = ConfigTree(types)
        self._statistics = StatisticsTree(statistics)
        self._backups = BackupHandler(control)

    async def answer(self, request: Request, base: tuple[str, ...]) -> Answer:
        """The answer to a request whose path begins with `base`."""
        method, path = request.method, request.segments
        match path[len(base) :]:
            case (member, "backups", *below) if member in (LOCAL, self._control.identity.name):
                return await self._backups.answer(request, tuple(below))
        if method == "PUT" and "restore" in request.query:
            match path[len(base) :]:
                case (member, "history", revision) if member in (LOCAL, self._control.identity.name):
                    return await self._restore(request, revision)
        if method == "PUT" and path[len(base) :] in (
            (LOCAL, "certificate"),
            (self._control.identity.name, "certificate"),
        ):
            return await replace_certificate(self._control, request)
        if method == "PUT" and (clustering := self._control.clustering) is not None:
            match path[len(base) :]:
                case (member, "cluster", what) if member in (LOCAL, self._control.identity.name):
                    if (changed := await change_cluster(clustering, request, what)) is not None:
                        return changed
        if method == "PUT" and path[len(base) :] in (
            (LOCAL, "name"),
            (self._control.identity.name, "name"),
        ):
            return await replace_name(self._control, request)
        if method == "PUT" and path[len(base) :] in (
            (LOCAL, "traffic_ips"),
            (self._control.identity.name, "traffic_ips"),
        ):
            return await act_on_traffic_ips(self._control, request)
        if method not in SAFE:
            return (
                read_only(method, path) if method in ("PUT", "DELETE") else not_allowed(method, sorted(SAFE))
            )
        match path[len(base) :]:
            case ():
                others = members_of(self._control.clustering)
                members = dict.fromkeys((LOCAL, self._control.identity.name, *others))
                return list_children(path, ((name, True) for name in members))
            case (member, *below) if (
                member not in (LOCAL, self._control.identity.name)
                and member in members_of(self._control.clustering)
                and (clustering := self._control.clustering) is not None
            ):
                return await forward(clustering, member, request, below)
            case (member, *_) if member not in (LOCAL, self._control.identity.name):
                return not_found(method, path)
            case (_,):
                return list_children(path, _BRANCHES)
            case (_, "information"):
                return self._information()
            case (_, "state"):
                return json_answer(200, {"state": state_body(await self._control.status(), self._throughput)})
            case (_, "traffic_ips"):
                return await show_traffic_ips(self._control)
            case (_, "certificate"):
                return show_certificate(self._control)
            case (_, "cluster") if self._control.clustering is not None:
                return show_cluster(self._control.clustering)
            case (_, "superseded") if self._control.clustering is not None:
                try:
                    return await show_superseded(self._control.clustering, request)
                except BadArgument as error:
                    return error_answer(400, "query.invalid", str(error))
            case (_, "name"):
                return show_name(self._control)
            case (_, "licence"):
                return json_answer(200, {"licence": asdict(self._control.licensing.view())})
            case (_, "statistics", *below):
                return self._answer_statistics(path, tuple(below))
            case (_, "conditions", *below):
                return self._conditions(request, tuple(below))
            case (_, "config_import"):
                return json_answer(200, {"config_import": import_body(self._control.importer)})
            case (_, "config_document"):
                return await self._document(request)
            case (_, "applies" | "history" | "events" as branch):
                try:
                    return await self._ours(branch, request)
                except BadArgument as error:
                    return error_answer(400, "query.invalid", str(error))
            case _:
                return not_found(method, path)

    async def _restore(self, request: Request, revision: str) -> Answer:
        if (
            not revision.isascii()
            or not revision.isdecimal()
            or not 0 < int(revision) <= self._control.revision
        ):
            text = f"there is no revision {revision}; give one from 1 to {self._control.revision}"
            return error_answer(404, "resource.not_found", text)
        try:
            restored = await self._control.restore(request.caller, int(revision))
        except Invalid as error:
            return error_answer(400, "resource.validation_error", "; ".join(map(str, error.problems)), {})
        except Frozen as error:
            return error_answer(409, "cluster.frozen", str(error), {})
        except Forbidden as error:
            return error_answer(403, "auth.forbidden", str(error), {})
        except ControlError as error:
            return error_answer(507, "storage.failed", str(error), {})
        return json_answer(200, {"revision": restored})

    async def _document(self, request: Request) -> Answer:
        try:
            wish = read_wish({name: values[-1] for name, values in request.query.items()})
        except ValueError as error:
            return error_answer(400, "query.invalid", str(error))
        try:
            exported = await export_configuration(self._control, wish, request.caller)
        except NoBase as error:
            return error_answer(500, "storage.failed", str(error))
        attachment = ("content-disposition", f'attachment; filename="configuration.{wish.form}"')
        return Answer(200, exported.text.encode(), MEDIA_TYPES[wish.form], (attachment,))

    async def _ours(self, branch: str, request: Request) -> Answer:
        query = request.query
        limit, before = number(query, "limit", 100), number(query, "before", 0) or None
        subject = self._subject(argument(query, "object"))
        match branch:
            case "applies":
                shown: list[Any] = [applied_body(applied) for applied in self._control.applies(limit)]
            case "history":
                found = await self._control.transactions(limit=limit, before=before, subject=subject)
                shown = [transaction_body(transaction) for transaction in found]
            case _:
                wanted = EventQuery(
                    severities=_severities(argument(query, "severity")),
                    section=argument(query, "section"),
                    tag=argument(query, "tag"),
                    subject=subject,
                    text=argument(query, "text"),
                    before=before,
                    limit=limit,
                    without_tag="" if request.audit else "audit",
                )
                shown = [event_body(logged) for logged in await self._events.find(wanted)]
        body: dict[str, Any] = {branch: shown}
        if branch == "applies":
            body |= {"revision": self._control.revision, "in_force": self._control.in_force}
        return json_answer(200, body)

    def _subject(self, text: str) -> ObjectId | None:
        if not text:
            return None
        words = text.split("/")
        # A type has one word or two; the name is all the rest, whatever slashes it has.
        for depth in (1, 2):
            name = "/".join(words[depth:])
            place = self._tree.find((*words[:depth], name) if name else tuple(words[:depth]))
            if isinstance(place, Leaf):
                return place.identity
        raise BadArgument('the argument "object" must be a type and a name, like pools/web')

    def _throughput(self, name: str) -> int:
        points = self._traffic.recent(ObjectId("virtual_servers", name), THROUGHPUT_SECONDS)
        total = sum(point.bytes_in + point.bytes_out for point in points)
        return round(total / len(points)) if points else 0

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
        body = {
            "conditions": [condition_body(condition) for condition in self._control.conditions(identity)],
            "revision": self._control.revision,
            "in_force": self._control.in_force,
        }
        return json_answer(200, body)


def _severities(text: str) -> frozenset[Severity]:
    try:
        return frozenset(Severity(word) for word in text.upper().split(",") if word)
    except ValueError as error:
        known = ", ".join(severity.value for severity in Severity)
        raise BadArgument(f'the argument "severity" takes {known}') from error
