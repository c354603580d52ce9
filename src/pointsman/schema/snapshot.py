"""The whole configuration at one moment, validated and immutable: what the compiler reads.

Invariant: every object in a snapshot passed its own model; references may dangle and are the compiler's to report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import FileResource, Resource

AnyResource = Resource | FileResource
R = TypeVar("R", bound=AnyResource)


@dataclass(frozen=True)
class Snapshot:
    """Objects by identity, and the number of the store's transaction they come from.

    `claims` tell since when objects claim what only one can have (`ResourceType.claims`), as numbers that rise with
    time and are the same on all members of a cluster.
    """

    objects: Mapping[ObjectId, AnyResource] = field(default_factory=dict)
    revision: int = 0
    claims: Mapping[ObjectId, int] = field(default_factory=dict)

    def all(self, type_path: str, model: type[R]) -> Iterator[tuple[str, R]]:
        """Name and object of each object of a type, in name order (so that output is deterministic)."""
        for identity in self._by_type.get(type_path, ()):
            yield identity.name, cast(R, self.objects[identity])

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[ObjectId, ...]]:
        found: dict[str, list[ObjectId]] = {}
        for identity in sorted(self.objects):
            found.setdefault(identity.type, []).append(identity)
        return {type_path: tuple(identities) for type_path, identities in found.items()}

    def get(self, type_path: str, name: str, model: type[R]) -> R | None:
        """One object, or None; a singleton's name is ""."""
        return cast("R | None", self.objects.get(ObjectId(type_path, name)))
