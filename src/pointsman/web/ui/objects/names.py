"""The names of all objects by type, gathered once for each revision.

Invariant: what is given is of the configuration of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pointsman.control.control import Control


class Names:
    """Sorted names of the objects of a type."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._known: tuple[int, Mapping[str, list[str]]] = (-1, {})

    def __call__(self, type_path: str) -> Sequence[str]:
        """The names; none for a type that has no objects, or that this version does not know."""
        snapshot = self._control.snapshot
        if self._known[0] != snapshot.revision:
            found: dict[str, list[str]] = {}
            for identity in snapshot.objects:
                found.setdefault(identity.type, []).append(identity.name)
            for names in found.values():
                names.sort()
            self._known = (snapshot.revision, found)
        return self._known[1].get(type_path, [])
