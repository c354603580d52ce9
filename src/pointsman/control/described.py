"""What described objects (configuration documents) would change in the stored configuration: merged in, or
replacing it.

Pure. Invariant: either every change is given, each with the complete settings to store, or `Invalid` names
every fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.control.merge import canonical, merge
from pointsman.document.difference import ObjectChange, Objects, compare
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import Invalid, build
from pointsman.store import Change, Delete, Put


@dataclass(frozen=True)
class Edit:
    """The changes for the store, and what they mean for people."""

    changes: tuple[Change, ...]
    shown: tuple[ObjectChange, ...]


def plan_edit(stored: Objects, described: Objects, *, replace: bool) -> Edit:
    """What leads from the `stored` objects to the `described` ones.

    Without `replace` each key that is described is set and everything else stays. With it the described
    objects are the whole configuration: others are deleted, objects that always exist go back to what they
    were when new, keys that are not described go back to their defaults. Three things stay then: secrets
    that are not written down, the settings of traffic managers that are not mentioned, and licence keys. Raises
    `Invalid`.
    """
    problems: list[Problem] = []
    changes: list[Change] = []
    before: dict[ObjectId, Mapping[str, Any]] = {}
    after: dict[ObjectId, Mapping[str, Any]] = {}
    targets = {**always_there(), **described} if replace else described
    for identity, settings in targets.items():
        kind = BY_PATH.get(identity.type)
        if kind is None:
            message = "there is no such resource type; remove it"
            problems.append(Problem(identity, (), "document.unknown_type", message))
            continue
        known = stored.get(identity, {} if kind.kind is Kind.SINGLETON else None)
        if known is None and not kind.creatable:
            message = f"a {kind.title.lower()} cannot be made by a document; it joins the cluster"
            problems.append(Problem(identity, (), "resource.not_creatable", message))
            continue
        try:
            wanted = canonical(
                kind, build(kind, identity.name, _wanted(kind, known or {}, settings, replace))
            )
        except Invalid as error:
            problems.extend(error.problems)
            continue
        if known is None or wanted != known:
            changes.append(Put(identity, wanted))
            after[identity] = wanted
            if known is not None:
                before[identity] = known
    if replace:
        for identity in sorted(stored.keys() - targets.keys()):
            kind = BY_PATH.get(identity.type)
            if kind is not None and kind.creatable and not kind.kept_by_import:
                changes.append(Delete(identity))
                before[identity] = stored[identity]
    if problems:
        raise Invalid(tuple(problems))
    return Edit(tuple(changes), compare(before, after, BY_PATH))


def _wanted(
    kind: ResourceType, stored: Mapping[str, Any], settings: Mapping[str, Any], replace: bool
) -> Mapping[str, Any]:
    if kind.kind is Kind.FILE:
        return dict(settings or stored)
    if not replace:
        return merge(kind, stored, settings)
    wanted: dict[str, dict[str, Any]] = {section: dict(keys) for section, keys in settings.items()}
    for key in kind.keys:
        held = stored.get(key.section, {})
        if key.secret is not None and key.name in held:
            wanted.setdefault(key.section, {}).setdefault(key.name, held[key.name])
    return wanted


def always_there() -> dict[ObjectId, Mapping[str, Any]]:
    """What every instance has when it is new: settings that there is one of, and factory objects."""
    found: dict[ObjectId, Mapping[str, Any]] = {}
    for kind in RESOURCE_TYPES:
        if kind.kind is Kind.SINGLETON:
            found[ObjectId(kind.path, "")] = {}
        for name, settings in kind.factory.items():
            found[ObjectId(kind.path, name)] = settings
    return found
