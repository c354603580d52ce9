"""From registers, as the database holds them, to the view of a moment.

Invariant: folding the whole log gives the view that the registers give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pointsman.store.database import Head, Stored
from pointsman.store.error import StoreDamaged
from pointsman.store.register import Cell, Entry, Register, merge
from pointsman.store.secret import DataKey, Undecipherable
from pointsman.store.shape import EXISTENCE
from pointsman.store.view import Shapes, Source, View, build


class Reader:
    """Decodes registers of one database."""

    def __init__(self, file: Path, key: DataKey, shapes: Shapes) -> None:
        self._file = file
        self._key = key
        self._shapes = shapes

    def source(self, key: str, stored: Stored) -> Source:
        """The registers of an object, decoded; raises `StoreDamaged`."""
        values = {}
        for name, register in stored.registers.items():
            if register.value is not None:
                try:
                    values[name] = self._key.open(Cell(key, name), register.stamp, register.value)
                except Undecipherable as error:
                    raise StoreDamaged(
                        self._file, f"the register {name!r} of {key} cannot be opened: {error}"
                    ) from None
        existence = stored.registers.get(EXISTENCE)
        deleted_at = existence.stamp.hlc if existence is not None and existence.value is None else 0
        return Source(values, deleted_at, stored.revision)

    def view(
        self, objects: Iterable[tuple[str, Stored]], revision: int, blob: Callable[[str], bytes]
    ) -> View:
        """The view of these objects; types that this version does not know are left out."""
        sources = {
            key: self.source(key, stored) for key, stored in objects if key.rpartition("/")[0] in self._shapes
        }
        return build(self._shapes, sources, revision, blob)

    def fold(self, entries: Iterable[tuple[Head, Entry]], blob: Callable[[str], bytes]) -> View:
        """The view after these entries of the log."""
        objects: dict[str, dict[str, Register]] = {}
        revisions: dict[str, int] = {}
        revision = 0
        for head, entry in entries:
            revision = max(revision, head.revision)
            present: Mapping[Cell, Register] = {
                cell: objects[cell.object][cell.property]
                for cell in entry.writes
                if cell.property in objects.get(cell.object, {})
            }
            for cell, register in merge(present, entry).items():
                objects.setdefault(cell.object, {})[cell.property] = register
                revisions[cell.object] = head.revision
        stored = ((key, Stored(registers, revisions[key])) for key, registers in objects.items())
        return self.view(stored, revision, blob)
