"""Troubles as pages show them: what each is about, with ways to the object, the setting and its events.

Pure. Invariant: a link leads to a page that exists, or there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pointsman.console.language.choice import say
from pointsman.control.troubles import GROUPS, Group, Trouble
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.forms.label import section_label
from pointsman.web.ui.marks import Mark
from pointsman.web.ui.objects.pages import address_of

EVENT_LOG = "/diagnose/event-log"
MANY_NODES = 4
"""So many dead nodes of one pool are told as one trouble."""
NAMED_NODES = 3
_MARKS: Mapping[str, Mark] = {"error": "error", "warn": "warn", "note": "off"}
_WORDS = {"error": "Error", "warn": "Warning", "note": "Note"}
_PLACES: Mapping[Group, tuple[str, str]] = {
    "licence": ("Licenses", "/system/licenses"),
    "cluster": ("Traffic managers", "/system/traffic-managers"),
    "clock": ("Traffic managers", "/system/traffic-managers"),
    "import": ("Events of imports", f"{EVENT_LOG}?tag=configimportfailed"),
    "disk": ("Backups", "/system/backups"),
}
"""Where something is done about it that is not about an object with pages."""


@dataclass(frozen=True)
class ShownTrouble:
    """A trouble with its mark and word; `about` names the object, `links` are words with addresses."""

    trouble: Trouble
    mark: Mark
    word: str
    about: str
    about_link: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TroubleGroup:
    """The troubles of one kind; none of them means that it is in order. `more` are left out."""

    name: Group
    title: str
    mark: Mark
    shown: tuple[ShownTrouble, ...]
    more: int


def together(troubles: Iterable[Trouble]) -> list[Trouble]:
    """The dead nodes of a pool as one trouble, where they are many: a rack that fails must not hide all else."""
    found = list(troubles)
    pools: dict[ObjectId | None, list[Trouble]] = {}
    for one in found:
        if one.group == "nodes":
            pools.setdefault(one.subject, []).append(one)
    merged: list[Trouble] = []
    for one in found:
        of_pool = pools.get(one.subject, []) if one.group == "nodes" else []
        if len(of_pool) < MANY_NODES:
            merged.append(one)
        elif one is of_pool[0]:
            merged.append(_as_one(of_pool))
    return merged


def _as_one(nodes: Sequence[Trouble]) -> Trouble:
    """Dead nodes of one pool: how many, which, and why where that is the same of all."""
    reasons = {one.what.partition(" is down: ")[2] for one in nodes}
    why = f" ({reasons.pop()})" if len(reasons) == 1 and "" not in reasons else ""
    named = ", ".join(one.path[-1] for one in nodes[:NAMED_NODES])
    return replace(
        nodes[0],
        what=f"{len(nodes)} nodes are down{why}: {named} and {len(nodes) - NAMED_NODES} more",
        remedy="Look at those machines and the way there; disable nodes while they are being repaired.",
        path=nodes[0].path[:2],
        since=max(one.since for one in nodes),
    )


def shown_troubles(troubles: Iterable[Trouble]) -> tuple[ShownTrouble, ...]:
    """Troubles in their order."""
    return tuple(map(_shown, troubles))


def grouped(troubles: Sequence[Trouble], most: int) -> tuple[TroubleGroup, ...]:
    """Every group, the most of each first `most` of its troubles; notes do not count against it."""
    groups: dict[Group, list[Trouble]] = {name: [] for name in GROUPS}
    for trouble in together(troubles):
        groups[trouble.group].append(trouble)
    return tuple(
        TroubleGroup(
            name,
            GROUPS[name],
            _mark_of(found),
            shown_troubles(found[:most]),
            max(0, len(found) - most),
        )
        for name, found in groups.items()
    )


def _mark_of(found: Sequence[Trouble]) -> Mark:
    grades = {one.grade for one in found}
    return "error" if "error" in grades else "warn" if "warn" in grades else "ok"


def _shown(trouble: Trouble) -> ShownTrouble:
    subject = trouble.subject
    link = address_of(subject) if subject is not None else ""
    links: list[tuple[str, str]] = []
    if trouble.group == "nodes" and subject is not None:
        if len(trouble.path) > 2:
            links.append(("Why", f"/services/why/{segment(subject.name)}/{segment(trouble.path[2])}"))
        else:
            links.append(
                ("Which and why", f"/services/nodes{listed({'q': subject.name, 'state': 'trouble'})}")
            )
    # The object's own page opens with its basic settings.
    if subject is not None and link and trouble.path and trouble.path[0] != "basic":
        links.append((section_label(trouble.path[0]), f"{link}#section-{trouble.path[0]}"))
    if trouble.cause is not None and (cause := address_of(trouble.cause)):
        links.append((called(trouble.cause), cause))
    if trouble.group in _PLACES:
        links.append(_PLACES[trouble.group])
    if subject is not None:
        links.append(("Events", f"{EVENT_LOG}{listed({'about': str(subject)})}"))
    return ShownTrouble(
        trouble,
        _MARKS[trouble.grade],
        _WORDS[trouble.grade],
        called(subject) if subject is not None else trouble.member,
        link,
        tuple(links),
    )


def called(subject: ObjectId) -> str:
    """An object as people call it."""
    kind = BY_PATH.get(subject.type)
    return f"{say(kind.title)} {subject.name}".strip() if kind is not None else str(subject)
