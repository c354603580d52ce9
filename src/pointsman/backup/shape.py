"""Whether settings have the shapes that their keys declare, so that what reads them may rely on it.

Pure. Invariant: settings that pass hold strings where strings belong, rows where rows belong, and each row its key;
whether the values are right is for validation, and so are keys that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.backup.secret import hidden_columns
from pointsman.schema.resource import Key, ResourceType, ValueKind


def misshapen(kind: ResourceType, settings: Mapping[str, Any]) -> str:
    """The first field whose value has the wrong shape, as "section.key"; "" when all are right."""
    index = kind.key_index
    for section, keys in settings.items():
        if not isinstance(keys, Mapping):
            return str(section)
        for name, value in keys.items():
            key = index.get((section, name))
            if key is not None and not _fits(key, value):
                return key.path
    return ""


def _fits(key: Key, value: Any) -> bool:
    if key.kind is ValueKind.TABLE:
        columns = {column.name: column for column in key.columns}
        needed = {key.row_key} - {""} - hidden_columns(key)
        return isinstance(value, list) and all(
            isinstance(row, dict)
            and needed <= row.keys()
            and all(name not in columns or _fits(columns[name], cell) for name, cell in row.items())
            for row in value
        )
    if key.kind is ValueKind.LIST:
        sort = str if key.reference else str | int | float
        return isinstance(value, list) and all(isinstance(element, sort) for element in value)
    if key.kind is ValueKind.STRING:
        return isinstance(value, str)
    return isinstance(value, int | float)
