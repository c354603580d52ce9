"""Properties that the levels of the schema called differently: which name counts, and which is written.

Pure. Invariant: a register is read whatever level wrote it, and what is written, all members of that level can read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pointsman.schema.resource import ResourceType
from pointsman.store.register import Register


class Renamings:
    """Those of one resource type. Raises ValueError for one that cannot be."""

    def __init__(self, kind: ResourceType) -> None:
        self._renamed = tuple(_renamings(kind))

    @property
    def none(self) -> bool:
        """Whether no property was ever called otherwise."""
        return not self._renamed

    def today(self, property: str) -> str:
        """What a property is called that a lower level of the schema may have named."""
        head, slash, rest = property.partition("/")
        for before, after, _ in self._renamed:
            if head == before:
                head = after
        return f"{head}{slash}{rest}"

    def at_level(self, property: str, level: int) -> str:
        """What a property was called at a level of the schema."""
        head, slash, rest = property.partition("/")
        for before, after, since in reversed(self._renamed):
            if head == after and since > level:
                head = before
        return f"{head}{slash}{rest}"

    def places(self, registers: Mapping[str, Register]) -> dict[str, str]:
        """For each property, as it is called today, the one of these registers that counts."""
        if not self._renamed:
            return {name: name for name in registers}
        found: dict[str, str] = {}
        for name in sorted(registers):
            known = self.today(name)
            other = found.get(known)
            # Of two with one stamp today's name counts: `places` must not depend on any order.
            if other is None or (registers[name].stamp, name == known) > (
                registers[other].stamp,
                other == known,
            ):
                found[known] = name
        return found


def _renamings(kind: ResourceType) -> Iterable[tuple[str, str, int]]:
    """Renamed properties: before, after and since which level, in the order of levels."""
    for key in sorted(kind.renamed, key=lambda key: key.level):
        if kind.key(*key.before) is not None or {key.before[0], key.after[0]} & kind.together:
            raise ValueError(f"{kind.path}: {'.'.join(key.before)} cannot be a name of before")
        yield ".".join(key.before), ".".join(key.after), key.level
