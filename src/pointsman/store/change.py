"""What a caller asks of the store: changes, and who asks.

Invariant: a `Put` holds the complete sparse settings of its object; what it leaves out is unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.schema.problem import ObjectId


@dataclass(frozen=True)
class Author:
    """Who makes a change ("admin"), from which address ("10.0.0.1"), through which surface ("rest")."""

    name: str
    address: str = ""
    surface: str = ""

    @property
    def surface_name(self) -> str:
        """The surface as sentences name it: "REST", "UI", or the word itself."""
        return self.surface.upper() if self.surface in ("rest", "ui") else self.surface


@dataclass(frozen=True)
class Put:
    """Makes the object exactly this: section -> key -> JSON value, or {"content": bytes} for a file."""

    identity: ObjectId
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """Deletes the object; references to it stay and name what is no longer there."""

    identity: ObjectId


@dataclass(frozen=True)
class Rename:
    """Gives the object another name, here and in every reference to it; its history goes on."""

    identity: ObjectId
    name: str


Change = Put | Delete | Rename
