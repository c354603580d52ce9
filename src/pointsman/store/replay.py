"""From registers, as the database holds them, to the view of a moment.

Invariant: folding the whole log gives the view that the registers give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pointsman.store.error import StoreDamaged
from pointsman.store.json_text import parsed
from pointsman.store.register import Cell, Entry, Register, merge
from pointsman.store.rows import Head, Stored
from pointsman.store.secret import MARK, KeyMissing, Keyring, Undecipherable
from pointsman.store.shape import EXISTENCE
from pointsman.store.view import Shapes, Source, View, build


class Reader:
    """Decodes registers of one database."""

    def __init__(self, file: Path, keys: Keyring, shapes: Shapes) -> None:
        self._file = file
        self.keys = keys
        self._shapes = shapes

    def fingerprint(self, value: Any) -> str:
        """What history shows of a secret."""
        return self.keys.fingerprint(value)

    def source(self, key: str, stored: Stored) -> Source:
        """The registers of an object, decoded; raises `StoreDamaged`.

        A value whose key is not here is left out, and named in `Source.sealed`.
        """
        values: dict[str, Any] = {}
        sealed: list[str] = []
        refers: dict[str, int] = {}
        claim = 0
        shape = self._shapes[key.rpartition("/")[0]]
        claiming = bool(shape.kind.claims)
        for known, name in shape.renamings.places(stored.registers).items():
            value, stamp = stored.registers[name]
            if claiming and shape.claims(known):
                claim = max(claim, stamp.hlc)
            if value is not None:
                try:
                    sealed_here = value.startswith(MARK)
                    found = self.keys.open(Cell(key, name), stamp, value) if sealed_here else parsed(value)
                    values[known] = found
                    for target in shape.targets(known, found):
                        refers[target] = max(refers.get(target, 0), stamp.hlc)
                except KeyMissing:
                    sealed.append(known)
                except (Undecipherable, ValueError) as error:
                    raise StoreDamaged(
                        self._file, f"the register {name!r} of {key} cannot be opened: {error}"
                    ) from None
        existence = stored.registers.get(EXISTENCE)
        deleted_at = existence.stamp.hlc if existence is not None and existence.value is None else 0
        return Source(values, deleted_at, stored.revision, tuple(sealed), refers, claim)

    def view(
        self, objects: Iterable[tuple[str, Stored]], revision: int, blob: Callable[[str], bytes]
    ) -> View:
        """The view of these objects; types that this version does not know are left out."""
        sources = {
            key: self.source(key, stored) for key, stored in objects if key.rpartition("/")[0] in self._shapes
        }
        return build(self._shapes, sources, revision, blob)

    def fold(
        self,
        base: Iterable[tuple[str, Stored]],
        entries: Iterable[tuple[Head, Entry]],
        blob: Callable[[str], bytes],
    ) -> View:
        """The view after these entries of the log, which begins after `base`."""
        return self.view(folded(base, entries).items(), 0, blob)


def folded(base: Iterable[tuple[str, Stored]], entries: Iterable[tuple[Head, Entry]]) -> Mapping[str, Stored]:
    """The registers after these entries of the log, which begins after `base`."""
    objects = {key: dict(stored.registers) for key, stored in base}
    revisions = dict.fromkeys(objects, 0)
    for head, entry in entries:
        present: Mapping[Cell, Register] = {
            cell: objects[cell.object][cell.property]
            for cell in entry.writes
            if cell.property in objects.get(cell.object, {})
        }
        for cell, register in merge(present, entry).items():
            objects.setdefault(cell.object, {})[cell.property] = register
            revisions[cell.object] = head.revision
    return {key: Stored(registers, revisions[key]) for key, registers in objects.items()}
