"""Everything that is wrong, or soon will be, as one list: for the home page, the diagnosis and the light over all
pages.

Pure over what it is given. Invariant: each trouble is told once, with what it is about, since when where that is known,
and what to do; the worst come first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.cluster.view import ClusterView
from pointsman.control.disk_space import FULL, LOW, Disk
from pointsman.control.import_contest import CODE as CONTESTED
from pointsman.control.status import PoolView, Status
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.health import NodeState
from pointsman.schema.problem import ObjectId, Problem

Grade = Literal["error", "warn", "note"]
Group = Literal[
    "services",
    "nodes",
    "traffic_ips",
    "configuration",
    "cluster",
    "licence",
    "certificates",
    "disk",
    "clock",
    "import",
]
GROUPS: Mapping[Group, str] = {
    "services": "Services",
    "cluster": "Cluster members",
    "nodes": "Nodes",
    "traffic_ips": "Traffic IPs",
    "configuration": "Configuration",
    "licence": "Licence",
    "certificates": "Certificates",
    "disk": "Disk space",
    "clock": "Clock",
    "import": "Documents",
}
"""What is looked at, in words and in the order in which it is told."""

_CERTIFICATE = "ssl/server_keys"
_ENDS = ("certificate_expired", "certificate_expiring")
CERTIFICATE_DAYS = 30
DAY = 86_400.0
_RANK: Mapping[str, int] = {"error": 0, "warn": 1, "note": 2}
_STANDING: Mapping[Standing, Grade] = {
    Standing.REJECTED: "error",
    Standing.WARNING: "warn",
    Standing.NOTICE: "note",
}


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    `what` is a sentence without what it is about where `subject` (with the field's `path`) names that; `remedy` says
    what to do, "" where `what` does; `since` is Unix time, 0 when unknown; `member` is the traffic manager concerned,
    "" for all of them. `cause` is another object to look at.
    """

    grade: Grade
    group: Group
    what: str
    remedy: str = ""
    subject: ObjectId | None = None
    path: tuple[str, ...] = ()
    since: float = 0.0
    member: str = ""
    cause: ObjectId | None = None


@dataclass(frozen=True)
class Ending:
    """A certificate of the catalogue: when it ends (Unix time), and whether a service that is switched on uses it."""

    name: str
    ends: float
    used: bool


@dataclass(frozen=True)
class Around:
    """What the status does not tell. `stuck` is why the newest configuration is not in force; `lost_events` counts
    those that could not be stored; `choice_open` says that nobody chose a licence yet.
    """

    now: float
    stuck: Sequence[Problem] = ()
    cluster: ClusterView | None = None
    certificates: Sequence[Ending] = ()
    disk: Disk | None = None
    lost_events: int = 0
    choice_open: bool = False


def find_troubles(status: Status, around: Around) -> tuple[Trouble, ...]:
    """All troubles, the worst first, and of one grade in the order of the groups."""
    order = {group: place for place, group in enumerate(GROUPS)}
    return tuple(sorted(_all(status, around), key=lambda one: (_RANK[one.grade], order[one.group])))


def headline(status: Status, troubles: Sequence[Trouble]) -> str:
    """One sentence about all of it."""
    urgent = [one for one in troubles if one.grade != "note"]
    if not urgent or status.level == "fatal":
        return status.sentence
    if len(urgent) == 1:
        return sentence_of(urgent[0])
    parts = [part for group in GROUPS if (part := _counted(group, urgent))]
    text = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{text[:1].upper()}{text[1:]}."


def sentence_of(trouble: Trouble) -> str:
    """A trouble as a sentence of its own."""
    about = f"{_called(trouble.subject)}: " if trouble.subject is not None else ""
    text = f"{about}{trouble.what}"
    # An object's path is not written with a capital.
    return (text if about else text[:1].upper() + text[1:]) + ("" if text.endswith(".") else ".")


def _called(subject: ObjectId) -> str:
    match subject.type:
        case "virtual_servers":
            return f'Service "{subject.name}"'
        case "pools":
            return f'Pool "{subject.name}"'
        case "traffic_ip_groups":
            return f'Traffic IP group "{subject.name}"'
        case "traffic_managers":
            return f"Traffic manager {subject.name}"
    return str(subject)


_COUNTED: Mapping[Group, tuple[str, str]] = {
    "services": ("service does not serve", "services do not serve"),
    "nodes": ("node is down", "nodes are down"),
    "traffic_ips": ("traffic IP is not where it belongs", "traffic IPs are not where they belong"),
    "configuration": ("remark on the configuration", "remarks on the configuration"),
    "cluster": ("cluster member needs attention", "cluster members need attention"),
    "licence": ("remark on the licence", "remarks on the licence"),
    "certificates": ("certificate needs renewal", "certificates need renewal"),
    "disk": ("remark on disk space", "remarks on disk space"),
    "clock": ("clock is wrong", "clocks are wrong"),
    "import": ("remark on the import of documents", "remarks on the import of documents"),
}


def _counted(group: Group, troubles: Sequence[Trouble]) -> str:
    count = sum(one.group == group for one in troubles)
    return f"{count} {_COUNTED[group][count > 1]}" if count else ""


def _all(status: Status, around: Around) -> Iterator[Trouble]:
    yield from _services(status, around)
    yield from _nodes(status)
    yield from _traffic_ips(status)
    yield from _conditions(status, around)
    yield from _members(status, around)
    if around.choice_open:
        text = "no licence was chosen yet; traffic is served within the limits of Community Edition"
        yield Trouble("warn", "licence", text, "Choose Community Edition or install a key.")
    yield from _certificates(status, around)
    yield from _lost_events(around)
    yield from _documents(status)


def _services(status: Status, around: Around) -> Iterator[Trouble]:
    if status.level == "fatal":
        yield Trouble("error", "services", status.sentence)
        return
    for problem in around.stuck:
        text = f"the newest configuration is refused and the last good one serves: {problem.message}"
        yield Trouble("error", "configuration", text, subject=problem.subject, path=problem.path)
    pools = {pool.name: pool for pool in status.pools}
    for service in status.services:
        if not service.enabled or service.serving:
            continue
        subject = ObjectId("virtual_servers", service.name)
        rejected = any(condition.standing is Standing.REJECTED for condition in service.conditions)
        pool = pools.get(service.pool)
        if rejected or pool is None or not service.reason.startswith("no node"):
            yield Trouble("error", "services", f"does not serve: {service.reason}", subject=subject)
            continue
        yield Trouble(
            "error",
            "services",
            f"does not serve: {service.reason}",
            "Bring one of its nodes back, or name a failure pool.",
            subject,
            since=_dead_since(pool),
            cause=ObjectId("pools", pool.name),
        )


def _dead_since(pool: PoolView) -> float:
    """When the last node that could answer died."""
    return max((node.since for node in pool.nodes if node.state is NodeState.DEAD), default=0.0)


def _nodes(status: Status) -> Iterator[Trouble]:
    for pool in status.pools:
        for node in pool.nodes:
            if node.state is not NodeState.DEAD:
                continue
            # Where nothing else answers either, the service that it is for is an error of its own.
            yield Trouble(
                "warn",
                "nodes",
                f"node {node.node} is down" + (f": {node.reason}" if node.reason else ""),
                "Look at that machine and the way there; disable the node while it is being repaired.",
                ObjectId("pools", pool.name),
                ("basic", "nodes_table", node.node),
                node.since,
            )


def _traffic_ips(status: Status) -> Iterator[Trouble]:
    for text in status.traffic_ip_errors:
        yield Trouble("error", "traffic_ips", text, member=status.traffic_manager)
    for ip in status.traffic_ips:
        subject = ObjectId("traffic_ip_groups", ip.group)
        if not ip.holder:
            text = f"nobody has the traffic IP {ip.address}"
            remedy = "Look at its traffic managers: one of them must run and serve."
            yield Trouble("error", "traffic_ips", text, remedy, subject, since=ip.since)
        elif ip.order and ip.holder != ip.order[0]:
            text = f"{ip.address} is at {ip.holder}, and belongs to {ip.order[0]}"
            remedy = f"It goes back once {ip.order[0]} is well, by itself or when that is asked for."
            yield Trouble("warn", "traffic_ips", text, remedy, subject, since=ip.since)


def _conditions(status: Status, around: Around) -> Iterator[Trouble]:
    expired = {ending.name for ending in around.certificates if ending.used and ending.ends <= around.now}
    told = {
        (ObjectId("virtual_servers", service.name), service.reason)
        for service in status.services
        if service.enabled and not service.serving
    }
    for condition in dict.fromkeys(status.conditions):
        grade = _STANDING.get(condition.standing)
        if grade is None or (grade == "error" and (condition.subject, condition.message) in told):
            continue
        member = condition.subject.name if condition.subject.type == "traffic_managers" else ""
        if condition.subject.type == _CERTIFICATE and condition.subject.name in expired:
            grade = "error"
        if condition.code == FULL:
            grade = "error"
        yield Trouble(
            grade,
            _group_of(condition),
            condition.message,
            subject=condition.subject,
            path=condition.path,
            member=member,
        )


def _of_a_certificate(condition: Condition) -> bool:
    return condition.subject.type == _CERTIFICATE and condition.code in _ENDS


def _group_of(condition: Condition) -> Group:
    code = condition.code
    if code == "cluster.clock":
        return "clock"
    if code in (LOW, FULL):
        return "disk"
    if code == "cluster.licence" or condition.subject.type == "license_keys":
        return "licence"
    if code == CONTESTED:
        return "import"
    if code.startswith("cluster."):
        return "cluster"
    if code in _ENDS:
        return "certificates"
    if condition.subject.type == "traffic_ip_groups" and code == "not_raised":
        return "traffic_ips"
    return "configuration"


def _members(status: Status, around: Around) -> Iterator[Trouble]:
    """What members tell of themselves; who cannot be reached is a condition already."""
    for member in around.cluster.members if around.cluster is not None else ():
        if member.state != "alive":
            continue
        subject = ObjectId("traffic_managers", member.name)
        if member.tells.get("serving") is False:
            text, remedy = "its traffic engine does not run", f"Look at the diagnosis of {member.name}."
            yield Trouble("error", "cluster", text, remedy, subject, member=member.name)


def _certificates(status: Status, around: Around) -> Iterator[Trouble]:
    """Those of which no condition tells already."""
    told = {one.subject.name for one in status.conditions if _of_a_certificate(one)}
    for ending in around.certificates:
        left = ending.ends - around.now
        if left > CERTIFICATE_DAYS * DAY or ending.name in told:
            continue
        subject = ObjectId(_CERTIFICATE, ending.name)
        day = time.strftime("%Y-%m-%d", time.gmtime(ending.ends))
        if left <= 0:
            grade: Grade = "error" if ending.used else "warn"
            text = f"expired on {day}"
            yield Trouble(grade, "certificates", text, "Replace it by a new one.", subject, since=ending.ends)
        else:
            grade = "warn" if ending.used else "note"
            days = int(left // DAY)
            when = "today" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
            text = f"expires on {day}, {when}"
            yield Trouble(grade, "certificates", text, "Have it issued anew and replace it.", subject)


def _lost_events(around: Around) -> Iterator[Trouble]:
    if around.lost_events:
        text = f"{around.lost_events} events could not be stored and are in the program's log alone"
        yield Trouble("warn", "disk", text, "Free space on the disk of this traffic manager.")


def _documents(status: Status) -> Iterator[Trouble]:
    documents = status.documents
    if documents is None:
        return
    if documents.outcome == "failed":
        text = f"the documents were not imported and the last good configuration serves: {documents.cause}"
        yield Trouble(
            "error", "import", text, "Correct the document; it is read again at once.", since=documents.time
        )
    for text in documents.pending:
        yield Trouble("note", "import", text)


def worst(troubles: Iterable[Trouble]) -> Literal["ok", "warn", "error"]:
    """The light that all of them make."""
    grades = {one.grade for one in troubles}
    return "error" if "error" in grades else "warn" if "warn" in grades else "ok"
