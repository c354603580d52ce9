"""Settings that a lower level of the schema wrote, in the words of this one.

Pure. Invariant: what this level wrote comes back as it is; a value is never lost to a renaming, and one that stands
under the new name already wins over the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, RenamedKey, ResourceType


def upgrade(
    objects: Mapping[ObjectId, Mapping[str, Any]], level: int, registry: Mapping[str, ResourceType]
) -> dict[ObjectId, Mapping[str, Any]]:
    """Sparse settings of a schema `level` as this version understands them; unknown types stay as they are."""
    return {
        identity: settings
        if (kind := registry.get(identity.type)) is None or kind.kind is Kind.FILE
        else _upgraded(kind, settings, level)
        for identity, settings in objects.items()
    }


def upgraded_path(kind: ResourceType | None, path: tuple[str, ...], level: int) -> tuple[str, ...]:
    """A field's path (section, key and what is below) of that level, as it is today."""
    for key in _due(kind, level):
        if path[:2] == key.before:
            path = (*key.after, *path[2:])
    return path


def _upgraded(kind: ResourceType, settings: Mapping[str, Any], level: int) -> Mapping[str, Any]:
    for key in _due(kind, level):
        section, name = key.before
        if not isinstance(settings.get(section), Mapping) or name not in settings[section]:
            continue
        rest = {known: value for known, value in settings[section].items() if known != name}
        changed = {**settings, section: rest}
        changed[key.after[0]] = {key.after[1]: settings[section][name], **changed.get(key.after[0], {})}
        if not changed[section]:
            del changed[section]
        settings = changed
    return settings


def _due(kind: ResourceType | None, level: int) -> list[RenamedKey]:
    renamed = kind.renamed if kind is not None else ()
    return sorted((key for key in renamed if key.level > level), key=lambda key: key.level)
