"""The tree below `config/active`, made from the registry: which path is a directory, a collection or an object.

Pure. Invariant: every type of the registry is reachable at its path, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, ResourceType


@dataclass(frozen=True)
class Directory:
    """A node that only leads further: names of its children, each with whether it is a directory itself."""

    children: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Collection:
    """All objects of a type."""

    kind: ResourceType


@dataclass(frozen=True)
class Leaf:
    """One object, which may exist or not."""

    kind: ResourceType
    identity: ObjectId


@dataclass(frozen=True)
class Nowhere:
    """No such node. `parent` says that the path is a child of a node that exists, but takes no children."""

    parent: bool


Place = Directory | Collection | Leaf | Nowhere


class ConfigTree:
    """Finds places in the tree of a registry."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self._types = {tuple(kind.path.split("/")): kind for kind in types}
        self._deepest = max(map(len, self._types), default=0)
        children: dict[tuple[str, ...], dict[str, bool]] = {(): {}}
        for path, kind in self._types.items():
            for depth in range(len(path)):
                below = depth + 1 < len(path) or kind.kind is not Kind.SINGLETON
                children.setdefault(path[:depth], {})[path[depth]] = below
        self._directories = {
            path: Directory(tuple(sorted(names.items()))) for path, names in children.items()
        }

    def find(self, segments: Sequence[str]) -> Place:
        """The place at the segments of a path below `config/active`."""
        path = tuple(segments)
        if directory := self._directories.get(path):
            return directory
        for depth in range(1, min(len(path), self._deepest) + 1):
            if kind := self._types.get(path[:depth]):
                return _inside(kind, path[depth:])
        return Nowhere(parent=path[:-1] in self._directories)


def _inside(kind: ResourceType, rest: tuple[str, ...]) -> Place:
    if kind.kind is Kind.SINGLETON:
        return Leaf(kind, ObjectId(kind.path, "")) if not rest else Nowhere(parent=len(rest) == 1)
    match rest:
        case ():
            return Collection(kind)
        case (name,):
            return Leaf(kind, ObjectId(kind.path, name))
        case _:
            return Nowhere(parent=len(rest) == 2)
