"""What the control plane knows, as JSON data.

Pure. Invariant: every dataclass, enumeration and mapping of `control` becomes objects, arrays, strings and numbers.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from pointsman.schema.problem import ObjectId


def plain(value: Any) -> Any:
    """A value of dataclasses, enums and mappings as JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case enum.Enum():
            return value.value
        case ObjectId(type=kind, name=name):
            return {"type": kind, "name": name}
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [plain(inner) for inner in value]
    return value
