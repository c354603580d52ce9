"""Pending changes that somebody else was faster than: both edits put together, and what is to be decided.

Invariant: nothing of either edit is lost unseen; a field that both touched is asked about, by whom and when it was
changed, and everything else is kept of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman.control.control import Control
from pointsman.control.error import NoSuchRevision
from pointsman.control.fate import fate_of
from pointsman.control.three_way import WHOLE, Choice, Clash, Settings, merge_three
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind
from pointsman.schema.rule import RULE
from pointsman.store import Change, Delete, Put, Rename, Transaction
from pointsman.web.ui.changes.lines import difference
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.value_text import value_text

_LONGEST = 600
Lines = list[tuple[str, str]]
"""Lines of a difference with their classes."""


@dataclass(frozen=True)
class ClashView:
    """A field to be decided about. `field` names it in the form; `subject` is the object in words, `path` is "" where
    it is about the object itself; `by`, `where` and `time` are of the other edit.
    """

    field: str
    subject: str
    path: str
    was: str
    theirs: str
    mine: str
    by: str
    where: str
    time: float
    lines: tuple[Lines, Lines] | None = None
    """Of a rule: what they, and what I, made of it, line by line."""


@dataclass(frozen=True)
class Rebased:
    """Pending changes over what is stored now, and the clashes; `others` are the objects that somebody else changed."""

    pending: Pending
    clashes: tuple[ClashView, ...]
    others: tuple[ObjectId, ...]


def overtaken(control: Control, pending: Pending) -> tuple[ObjectId, ...]:
    """The objects of a pending change that somebody changed since it was prepared."""
    base = pending.base
    if base is None:
        return ()
    subjects = dict.fromkeys(change.identity for change in pending.changes)
    return tuple(identity for identity in subjects if control.changed_at(identity) > base)


async def followed(control: Control, pending: Pending) -> Pending:
    """The pending changes with objects that somebody renamed since under the names that they have now."""
    base = pending.base
    gone = [
        one
        for one in pending.changes
        if isinstance(one, (Put, Delete)) and one.identity not in control.objects
    ]
    if base is None or not gone:
        return pending
    then, renamed = await control.objects_at(base), dict[ObjectId, ObjectId]()
    for change in gone:
        fate = await fate_of(control, change.identity, base) if change.identity in then else None
        if fate is not None and fate.now is not None:
            renamed[change.identity] = fate.now
    changes = tuple(
        one if isinstance(one, Rename) else replace(one, identity=renamed.get(one.identity, one.identity))
        for one in pending.changes
    )
    formerly = {now: pending.formerly.get(before, before) for before, now in renamed.items()}
    return (
        replace(pending, changes=changes, formerly={**pending.formerly, **formerly}) if renamed else pending
    )


async def rebase(control: Control, pending: Pending, picked: Mapping[str, str]) -> Rebased:
    """The pending changes over the configuration of now; `picked` says "theirs" or "mine" by the names of fields.

    Raises `NoSuchRevision` where the log no longer knows what the changes were made from.
    """
    base, revision, now = pending.base, control.revision, control.objects
    if base is None:
        raise NoSuchRevision("the change does not say what it was made from; prepare it again")
    then = await control.objects_at(base)
    others = set(overtaken(control, pending))
    changes: list[Change] = []
    views: list[ClashView] = []
    for change in pending.changes:
        identity = change.identity
        if identity not in others or not isinstance(change, (Put, Delete)):
            changes.append(change)
            continue
        kind = BY_PATH[identity.type]
        empty: Mapping[str, Any] | None = {} if kind.kind is Kind.SINGLETON else None
        theirs = now.get(identity, empty)
        mine = change.settings if isinstance(change, Put) else None
        sides = (then.get(pending.formerly.get(identity, identity), empty), theirs, mine)
        clashes = merge_three(kind, *sides).clashes
        choices: dict[str, Choice] = {}
        for clash in clashes:
            field = f"pick{len(views)}"
            choices[clash.name] = "theirs" if picked.get(field) == "theirs" else "mine"
            view = await _view(control, identity, clash, field)
            views.append(replace(view, lines=_lines(*sides) if kind is RULE and clash.path else None))
        merged = merge_three(kind, *sides, choose=choices).settings
        if merged is not None:
            changes.append(Put(identity, merged))
        elif theirs is not None:
            changes.append(Delete(identity))
    return Rebased(
        replace(pending, changes=tuple(changes), base=revision, formerly={}),
        tuple(views),
        tuple(sorted(others)),
    )


def _lines(was: Settings | None, theirs: Settings | None, mine: Settings | None) -> tuple[Lines, Lines]:
    then, other, own = (
        (side or {}).get("content", b"").decode("utf-8", "replace") for side in (was, theirs, mine)
    )
    return difference(then, other), difference(then, own)


async def _view(control: Control, identity: ObjectId, clash: Clash, field: str) -> ClashView:
    found: Transaction | None = None
    if identity in control.objects:
        found = await control.last_change(identity, clash.path[:2])
    if found is None:
        told = await control.transactions(limit=1, subject=identity)
        found = told[0] if told else None
    theirs, mine = text_of(clash.theirs), text_of(clash.mine)
    if clash.path == WHOLE:
        theirs = "deleted" if clash.theirs is None else "kept"
        mine = "deleted" if clash.mine is None else "made again, with my change"
    return ClashView(
        field=field,
        subject=f"{BY_PATH[identity.type].title} {identity.name}".strip(),
        path=".".join(clash.path),
        was=text_of(clash.was),
        theirs=theirs,
        mine=mine,
        by=found.author.name if found else "",
        where=" from ".join(filter(None, (found.author.surface_name, found.author.address))) if found else "",
        time=found.time if found else 0.0,
    )


def text_of(value: Any) -> str:
    """One side of a clash for people."""
    if value is None:
        return "not there"
    if value == "":
        return "empty"
    return value_text(value, _LONGEST)
