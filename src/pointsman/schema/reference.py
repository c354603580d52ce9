"""Which objects an object refers to, read off the declarations.

Pure. Invariant: only names that need an object are given; special names ("discard") and empty ones are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import FileResource, Key, Resource, ResourceType, ValueKind, keys_of


@dataclass(frozen=True)
class Use:
    """One mention of `target` at `path` (section, key and, in a table, row and column).

    `loose`: the mention does not keep the target from being deleted.
    """

    path: tuple[str, ...]
    target: ObjectId
    loose: bool = False


def references(kind: ResourceType, settings: Mapping[str, Any]) -> Iterator[Use]:
    """The objects that an object of `kind` with `settings` mentions, in key order."""
    for key in _referring(kind.model):
        section = settings.get(key.section)
        value = section.get(key.name) if isinstance(section, Mapping) else None
        if value is None:
            continue
        if key.kind is ValueKind.TABLE:
            for row in value:
                label = str(row.get(key.row_key, ""))
                for column in key.columns:
                    yield from _uses(
                        column, (key.section, key.name, label, column.name), row.get(column.name)
                    )
        else:
            yield from _uses(key, (key.section, key.name), value)


@cache
def _referring(model: type[Resource] | type[FileResource]) -> tuple[Key, ...]:
    keys = () if issubclass(model, FileResource) else keys_of(model)
    return tuple(key for key in keys if key.reference or any(column.reference for column in key.columns))


def _uses(key: Key, path: tuple[str, ...], value: Any) -> Iterator[Use]:
    if key.reference is None or value is None:
        return
    for name in value if isinstance(value, (list, tuple)) else (value,):
        target = key.reference.target(name)
        if target is not None:
            yield Use(path, ObjectId(key.reference.type, target), key.reference.loose)
