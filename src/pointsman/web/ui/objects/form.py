"""A form about an object as a change, and an object as the sections of a form.

Invariant: a form changes the keys that it shows and no others; what is wrong with it is told beside its fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pointsman.control.merge import canonical, checked, merge, plain
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Resource, ResourceType
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.validate import Invalid, build
from pointsman.store import Put
from pointsman.web.ui.forms.field import FieldView, Names, field_view, fields
from pointsman.web.ui.forms.label import section_label

Typed = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SectionView:
    """A section of an object's page. `changed` counts its keys that differ from their defaults; `faulty`: a refused
    form is about it; `idle`: nothing acts on any of its keys yet.
    """

    name: str
    label: str
    fields: tuple[FieldView, ...]
    changed: int
    faulty: bool
    idle: bool


def section_views(
    kind: ResourceType,
    resource: Resource,
    names: Names,
    problems: Iterable[Problem] = (),
    typed: Typed | None = None,
    first: Sequence[str] = (),
) -> tuple[SectionView, ...]:
    """Every section of an object, with what a refused form held in the place of what is stored; the keys of `first`
    come before the others.
    """
    found = tuple(problems)
    order = {path: place for place, path in enumerate(first)}
    views = []
    for section in kind.sections:
        held = typed.get(section) if typed else None
        shown = fields(kind, section, resource, names, found, held)
        shown = tuple(sorted(shown, key=lambda view: order.get(view.name, len(order))))
        if shown:
            faulty = held is not None and bool(found)
            changed = sum(view.changed for view in shown)
            idle = all(view.idle for view in shown)
            views.append(SectionView(section, section_label(section), shown, changed, faulty, idle))
    return tuple(views)


def matching(sections: Iterable[SectionView], words: str) -> tuple[SectionView, ...]:
    """The fields whose name, key or help holds the words, in lower case, and the sections that have any."""
    found = []
    for section in sections:
        whole = words in section.label.lower()
        kept = tuple(
            view
            for view in section.fields
            if whole or words in f"{view.label} {view.key.path} {view.key.help}".lower()
        )
        if kept:
            found.append(replace(section, fields=kept))
    return tuple(found)


def essential_views(
    kind: ResourceType,
    essentials: Iterable[str],
    names: Names,
    problems: Iterable[Problem] = (),
    typed: Typed | None = None,
) -> tuple[FieldView, ...]:
    """The fields that a new object is asked for: those named, and those that must be given."""
    found = tuple(problems)
    wanted = set(essentials)
    views = []
    for key in kind.keys:
        if key.path not in wanted and not key.required:
            continue
        value = (typed or {}).get(key.section, {}).get(key.name, key.default)
        faults = [p for p in found if p.path[:2] == (key.section, key.name)]
        # Nothing of a new object was changed yet.
        views.append(replace(field_view(kind, key, plain(value), names, faults), changed=False))
    order = {path: place for place, path in enumerate(essentials)}
    return tuple(sorted(views, key=lambda view: order.get(view.name, len(order))))


def put_of(
    kind: ResourceType, name: str, stored: Mapping[str, Any] | None, typed: Mapping[str, Any]
) -> tuple[Put, AnyResource]:
    """The change that a form asks for, and the object that it makes; raises `Invalid` for values that are not
    allowed.
    """
    merged = dict(typed) if stored is None else merge(kind, stored, typed)
    built = build(kind, name, merged)
    return Put(ObjectId(kind.path, name), canonical(kind, built)), built


def judge(objects: Mapping[ObjectId, AnyResource], put: Put) -> tuple[Problem, ...]:
    """What the checks that span objects have against a change."""
    try:
        checked(objects, (put,))
    except Invalid as error:
        return error.problems
    return ()
