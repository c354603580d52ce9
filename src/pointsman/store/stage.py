"""Transactions that are carried out in memory, before all of them reach the disk together.

Invariant: a stage touches neither the database nor the view that it began with; what it leaves is complete (rows, view,
ends), so it is either written and published whole or dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.store.change import Author
from pointsman.store.database import Database
from pointsman.store.entry_text import encode
from pointsman.store.history import ChangeRecord, State, Transaction, compare, to_text
from pointsman.store.register import Cell, Entry, Register, Stamp, merge
from pointsman.store.replay import Reader
from pointsman.store.rows import START, End, Head, Row, Stored, link
from pointsman.store.shape import EXISTENCE
from pointsman.store.view import Shapes, Source, View, advance

Lost = frozenset[tuple[Cell, Stamp]]


class Stage:
    """Transactions on top of a view. `rows` are what has to be written, `view` and `ends` what holds then."""

    def __init__(
        self, database: Database, reader: Reader, shapes: Shapes, view: View, ends: Mapping[str, End]
    ) -> None:
        self._database = database
        self._reader = reader
        self._shapes = shapes
        self._stored: dict[str, Stored] = {}
        self._blobs: dict[str, bytes] = {}
        self.view = view
        self.ends = dict(ends)
        self.rows: list[Row] = []
        self.transactions: list[Transaction] = []

    def stored(self, key: str) -> Stored:
        """The registers of an object after what was applied so far."""
        if key not in self._stored:
            self._stored[key] = self._database.object(key)
        return self._stored[key]

    def source(self, key: str) -> Source:
        """The same, decoded."""
        return self._reader.source(key, self.stored(key))

    def saw(self, writes: Mapping[Cell, object]) -> dict[Cell, Stamp]:
        """The stamps of the registers that an entry with these writes overwrites.

        Who deletes an object has seen all of it, which is what the newest stamp of the object says.
        """
        found: dict[Cell, Stamp] = {}
        for cell, value in writes.items():
            registers = self.stored(cell.object).registers
            if cell.property in registers:
                found[cell] = registers[cell.property].stamp
                if cell.property == EXISTENCE and value is None:
                    found[cell] = max(register.stamp for register in registers.values())
        return found

    def apply(
        self,
        entry: Entry,
        *,
        time: float,
        author: Author,
        reason: str,
        blobs: Mapping[str, bytes],
        ops: str | None = None,
    ) -> None:
        """Carries out the next transaction of the entry's origin; `ops` is its text where it is known."""
        origin = entry.stamp.origin
        end = self.ends.get(origin, End(0, 1, START))
        text = encode(entry) if ops is None else ops
        head = Head(self.view.revision + 1, origin, end.sequence + 1, entry.stamp.hlc, time, author, reason)
        chain = link(end.chain, head, text)
        keys = tuple(dict.fromkeys(cell.object for cell in entry.writes))
        before = {key: self.stored(key) for key in keys}
        present = {
            cell: before[cell.object].registers[cell.property]
            for cell in entry.writes
            if cell.property in before[cell.object].registers
        }
        won = merge(present, entry)
        self._blobs.update(blobs)
        view = self.view
        self._settle(before, won, head.revision)
        self.view = advance(
            view,
            self._shapes,
            {key: self.source(key) for key in {cell.object: None for cell in won} if self._known(key)},
            revision=head.revision,
            blob=self._blob,
            source=self.source,
        )
        records = {key: self._records(key, view) for key in sorted(keys) if self._known(key)}
        if entry.resealed:  # nothing but keys changed, which is no part of an object's history
            records = {key: found for key, found in records.items() if found}
        lost, settled = self._contest(entry, present, before)
        self.rows.append(
            Row(
                head,
                chain,
                text,
                won,
                {key: to_text(found) for key, found in records.items()},
                blobs,
                lost,
                settled,
            )
        )
        self.ends[origin] = End(head.sequence, end.floor, chain)
        self.transactions.append(
            transaction(head, tuple(record for found in records.values() for record in found))
        )

    def _known(self, key: str) -> bool:
        return key.rpartition("/")[0] in self._shapes

    def _settle(self, before: Mapping[str, Stored], won: Mapping[Cell, Register], revision: int) -> None:
        after: dict[str, dict[str, Register]] = {}
        for cell, register in won.items():
            if cell.object not in after:
                after[cell.object] = dict(before[cell.object].registers)
            after[cell.object][cell.property] = register
        for key, registers in after.items():
            self._stored[key] = Stored(registers, revision)

    def _contest(
        self, entry: Entry, present: Mapping[Cell, Register], before: Mapping[str, Stored]
    ) -> tuple[Lost, Lost]:
        """The writes that lost although neither writer knew of the other's, and those that this one knew of."""
        lost: set[tuple[Cell, Stamp]] = set()
        settled: set[tuple[Cell, Stamp]] = set()
        for cell in entry.writes.keys() - entry.resealed:
            seen = entry.saw.get(cell)
            if seen is not None:
                settled.add((cell, seen))
            held = present.get(cell)
            if held is not None and held.stamp > entry.stamp:
                # What was written with knowledge of this came after it, so would have come here after it.
                lost.add((cell, entry.stamp))
            elif held is not None and held.stamp != entry.stamp and (seen is None or seen < held.stamp):
                lost.add((cell, held.stamp))
            existence = self.stored(cell.object).registers.get(EXISTENCE)
            if existence is None or existence.value is not None:
                continue
            if cell.property != EXISTENCE:
                if existence.stamp != entry.stamp:
                    lost.add((cell, entry.stamp))  # an edit of what somebody deleted meanwhile
            elif entry.writes[cell] is None:
                for name, register in before[cell.object].registers.items():
                    if (seen is None or register.stamp > seen) and name != EXISTENCE and register.value:
                        lost.add((Cell(cell.object, name), register.stamp))
        return frozenset(lost), frozenset(settled)

    def _records(self, key: str, before: View) -> tuple[ChangeRecord, ...]:
        shape = self._shapes[key.rpartition("/")[0]]
        return tuple(compare(shape, _state(before, key), _state(self.view, key), self._reader.fingerprint))

    def _blob(self, digest: str) -> bytes:
        return self._blobs[digest] if digest in self._blobs else self._database.blob(digest)


def transaction(head: Head, changes: tuple[ChangeRecord, ...]) -> Transaction:
    """A row of the log with its effect."""
    return Transaction(
        head.revision, head.origin, head.sequence, head.hlc, head.time, head.author, head.reason, changes
    )


def _state(view: View, key: str) -> State | None:
    if not view.in_force(key):
        return None
    identity = view.identity(key)
    return identity, view.objects[identity]
