"""What pending changes would mean: to objects, to the engine's configuration, to those who use what is deleted, in
calls of the REST API, and in the opinion of the engine itself.

Invariant: judging changes nothing; no secret is in what it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman.compiler.plan import Plan
from pointsman.control.control import Control
from pointsman.control.merge import checked
from pointsman.document.difference import KeyChange, ObjectChange, compare
from pointsman.engine.haproxy.trial import NotAsked, Trial
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.reference import references
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.store import Change, Delete, Put, Rename
from pointsman.web.local.engine import engine_difference
from pointsman.web.ui.change_list import ChangedObject, changed_objects
from pointsman.web.ui.changes.followers import with_followers
from pointsman.web.ui.changes.rest_calls import RestCall, calls_of

MOST_LINES = 2000
"""Lines of the engine's difference that a page shows."""
_MOST_USERS = 5
_MOST_REASONS = 8
_ACTS = {
    "nothing": "The engine's configuration stays as it is.",
    "runtime": "It takes effect at run time, without a reload.",
    "reload": "The engine reloads without losing a connection.",
    "start": "The engine starts with it.",
}


@dataclass(frozen=True)
class Verdict:
    """What changes would mean.

    `objects` are the first of `count`, `engine` lines of a unified diff with their classes, of which `more_lines` are
    left out. `problems` keep the changes from being applied. `asked` says what the engine itself says: "accepted",
    "refused", or "" when it was not asked, and then `why` says why.
    """

    objects: tuple[ChangedObject, ...]
    count: int
    problems: tuple[str, ...]
    engine: tuple[tuple[str, str], ...] = ()
    more_lines: int = 0
    act: str = ""
    reasons: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    asked: str = ""
    why: str = ""
    calls: tuple[RestCall, ...] = ()
    more_calls: int = 0


class Judge:
    """Judges changes to the configuration of an instance."""

    def __init__(self, control: Control, trial: Trial | None = None) -> None:
        self._control = control
        self._trial = trial or Trial()

    async def judge(self, changes: tuple[Change, ...]) -> Verdict:
        """Everything that can be said of changes before they are applied."""
        verdict, plan = await asyncio.to_thread(self._without_engine, changes)
        if plan is None:
            return verdict
        try:
            refused = await self._trial.ask(plan)
        except NotAsked as error:
            return replace(verdict, why=str(error))
        if refused:
            return replace(
                verdict, asked="refused", problems=(*verdict.problems, *(str(problem) for problem in refused))
            )
        return replace(verdict, asked="accepted")

    def _without_engine(self, changes: tuple[Change, ...]) -> tuple[Verdict, Plan | None]:
        control = self._control
        objects = control.objects
        calls = calls_of(changes, objects)
        asked, changes = len(changes), with_followers(objects, changes)
        shown = effect(objects, changes)
        verdict = Verdict(
            changed_objects(shown),
            len(shown),
            left_without(objects, changes),
            calls=calls,
            more_calls=asked - len(calls),
        )
        try:
            checked(control.snapshot.objects, changes)
            plan = control.preview(changes)
        except Invalid as error:
            problems = tuple(str(problem) for problem in error.problems)
            return replace(verdict, problems=(*verdict.problems, *problems)), None
        found = engine_difference(control, plan, changes)
        lines = found["engine"].splitlines()
        subjects = {change.identity for change in changes}
        subjects |= {ObjectId(one.identity.type, one.name) for one in changes if isinstance(one, Rename)}
        conditions = tuple(
            c for c in plan.conditions if c.subject in subjects and c.standing is not Standing.APPLIED
        )
        return replace(
            verdict,
            engine=tuple(map(_line, lines[:MOST_LINES])),
            more_lines=max(0, len(lines) - MOST_LINES),
            act=_ACTS[found["act"]],
            reasons=_first(tuple(found["reasons"])),
            conditions=conditions,
        ), plan


def effect(objects: Mapping[ObjectId, Any], changes: tuple[Change, ...]) -> tuple[ObjectChange, ...]:
    """What changes do to the objects that they name."""
    before: dict[ObjectId, Any] = {}
    after: dict[ObjectId, Any] = {}
    renamed: list[ObjectChange] = []
    for change in changes:
        identity = change.identity
        if identity in objects:
            before[identity] = objects[identity]
        match change:
            case Put(_, settings):
                after[identity] = settings
            case Delete():
                after.pop(identity, None)
            case Rename(_, name):
                moved = ObjectId(identity.type, name)
                after[moved] = after.pop(identity, objects.get(identity, {}))
                before[moved] = before.pop(identity, {})
                renamed.append(
                    ObjectChange(identity, "renamed", (KeyChange(("name",), identity.name, name),))
                )
    return (*renamed, *compare(before, after, BY_PATH))


def left_without(
    objects: Mapping[ObjectId, Mapping[str, Any]], changes: tuple[Change, ...]
) -> tuple[str, ...]:
    """A sentence for each object that changes delete while others would still need it."""
    gone = {change.identity for change in changes if isinstance(change, Delete)}
    gone -= {change.identity for change in changes if isinstance(change, Put)}
    if not gone:
        return ()
    put = {change.identity: change.settings for change in changes if isinstance(change, Put)}
    users: dict[ObjectId, list[ObjectId]] = {}
    for identity, settings in {**objects, **put}.items():
        if identity in gone or identity.type not in BY_PATH:
            continue
        for use in references(BY_PATH[identity.type], settings):
            if use.target in gone and not use.loose:
                users.setdefault(use.target, []).append(identity)
    return tuple(_needed(target, list(dict.fromkeys(found))) for target, found in sorted(users.items()))


def left_out(control: Control, changes: tuple[Change, ...]) -> tuple[Condition, ...]:
    """Why changes would put out of force what is in force now; nothing of what they are refused for anyhow."""
    there = control.snapshot.objects
    try:
        plan = control.preview(with_followers(control.objects, changes))
    except Invalid:
        return ()
    already = {one.subject for one in control.conditions() if one.standing is Standing.REJECTED}
    return tuple(
        one
        for one in plan.conditions
        if one.standing is Standing.REJECTED and one.subject in there and one.subject not in already
    )


def _first(reasons: tuple[str, ...]) -> tuple[str, ...]:
    more = len(reasons) - _MOST_REASONS
    return (*reasons[:_MOST_REASONS], *((f"and {more} more",) if more > 0 else ()))


def _needed(target: ObjectId, users: list[ObjectId]) -> str:
    named = ", ".join(map(str, users[:_MOST_USERS])) + (" and more" if len(users) > _MOST_USERS else "")
    return f"{target} would be deleted, and {named} still needs it; change that first."


def _line(text: str) -> tuple[str, str]:
    """A line of a unified diff with its class."""
    kind = {"+": "plus", "-": "minus", "@": "hunk"}.get(text[:1], "")
    return kind, text
