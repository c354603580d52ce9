"""What an import of documents makes of the stored configuration: the base snapshot with the documents on top, and
nothing else.

Pure. Invariant: planning again over what a plan leads to gives no change; either every change is given, each with the
complete settings to store, or `Invalid` names every fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.control.described import Edit
from pointsman.control.merge import canonical, secret_readback
from pointsman.document.difference import Objects, compare
from pointsman.document.secret_hash import resolve_hashes
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import Invalid, build
from pointsman.store import Change, Delete, Put


@dataclass(frozen=True)
class Desired:
    """The least `edit` that leads to what is desired, the `undo` that leads back, and what was passed over.

    `leads_to` are the objects as they are then.
    """

    edit: Edit
    undo: tuple[Change, ...]
    remarks: tuple[Problem, ...]
    leads_to: Objects


def plan_import(stored: Objects, base: Objects, described: Objects) -> Desired:
    """What leads from the `stored` objects to the `base` with the `described` ones merged in by field.

    Lists and tables are replaced. Objects of neither are deleted, but for traffic managers and types that imports
    keep; keys of neither go back to their defaults, secrets included. A secret that is written as its hash is the
    stored one or the one of the base; one that is left out, and that its object cannot be without, likewise. Hashes of
    passwords take 20 ms each. Raises `Invalid`.
    """
    described = _with_secrets(described, stored, base)
    problems: list[Problem] = []
    remarks: list[Problem] = []
    changes: list[Change] = []
    before: dict[ObjectId, Mapping[str, Any]] = {}
    after: dict[ObjectId, Mapping[str, Any]] = {}
    for identity in sorted({*stored, *base, *described}):
        kind = BY_PATH.get(identity.type)
        if kind is None:
            continue  # written by another version: nothing is known of it, it stays as it is
        held = stored.get(identity, {} if kind.kind is Kind.SINGLETON else None)
        settings = described.get(identity)
        if settings is None and kind.kept_by_import:
            continue
        if held is None and not kind.creatable:
            if settings is not None:
                message = f"there is no such {kind.title.lower()} here, it is passed over; correct the name"
                remarks.append(Problem(identity, (), "import.not_here", message))
            continue
        origin = _origin(kind, identity, held, base)
        if settings is None and origin is None:
            changes.append(Delete(identity))
            before[identity] = stored[identity]
            continue
        if settings is None and origin == held:
            continue
        if origin is None:
            origin = kind.factory.get(identity.name)
        try:
            wanted = canonical(
                kind, build(kind, identity.name, _merged(kind, origin or {}, settings or {}, held or {}))
            )
        except Invalid as error:
            problems.extend(error.problems)
            continue
        if wanted != held:
            changes.append(Put(identity, wanted))
            after[identity] = wanted
            if held is not None:
                before[identity] = held
    if problems:
        raise Invalid(tuple(problems))
    undo = tuple(
        Put(change.identity, before[change.identity])
        if change.identity in before
        else Delete(change.identity)
        for change in changes
    )
    return Desired(
        Edit(tuple(changes), compare(before, after, BY_PATH)),
        undo,
        tuple(remarks),
        outcome_of(stored, changes),
    )


def outcome_of(stored: Objects, changes: Iterable[Change]) -> Objects:
    """The stored objects as `changes` (without renames) make them."""
    made = dict(stored)
    for change in changes:
        match change:
            case Put(identity, settings):
                made[identity] = settings
            case Delete(identity):
                made.pop(identity, None)
    return made


def _with_secrets(described: Objects, stored: Objects, base: Objects) -> Objects:
    """The described objects with secrets in the place of their hashes. Raises `Invalid`."""
    try:
        return resolve_hashes(described, stored, BY_PATH)
    except Invalid as error:
        try:
            return resolve_hashes(described, {**stored, **base}, BY_PATH)
        except Invalid:
            raise error from None


def _origin(
    kind: ResourceType, identity: ObjectId, held: Mapping[str, Any] | None, base: Objects
) -> Mapping[str, Any] | None:
    """What the documents are laid over; None when there is nothing below them."""
    found = base.get(identity)
    if found is not None:
        return found
    if kind.kind is Kind.SINGLETON:
        return {}
    return None if kind.creatable else held


def _merged(
    kind: ResourceType, origin: Mapping[str, Any], settings: Mapping[str, Any], held: Mapping[str, Any]
) -> Mapping[str, Any]:
    if kind.kind is Kind.FILE:
        return dict(settings or origin)
    merged: dict[str, Any] = {section: dict(keys) for section, keys in origin.items()}
    for section, keys in settings.items():
        merged.setdefault(section, {}).update(keys)
    for key in kind.keys:
        if key.secret is None:
            continue
        target: dict[str, Any] = merged.get(key.section, {})
        known = [
            side[key.section][key.name] for side in (origin, held) if key.name in side.get(key.section, {})
        ]
        if key.required and key.name not in target and known:
            merged.setdefault(key.section, {})[key.name] = known[0]
        elif key.secret.readback == "hash" and key.name in target:
            given = target[key.name]
            target[key.name] = next((value for value in known if secret_readback(value) == given), given)
    return merged
