"""The owner of the database: plans a transaction, writes it, and only then moves on to the view after it.

Everything here runs in one thread. Invariant: `view` is what the disk holds; when anything fails before the
end of a commit, `view`, clock and sequence stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pointsman.schema.resource import ResourceType
from pointsman.store.change import Author, Change
from pointsman.store.clock import Clock
from pointsman.store.database import Database, Head, Stored
from pointsman.store.directory import Directory
from pointsman.store.draft import Draft, draft
from pointsman.store.history import ChangeRecord, State, Transaction, compare, to_text
from pointsman.store.register import Cell, Entry, Register, Stamp, merge
from pointsman.store.replay import Reader
from pointsman.store.secret import DataKey
from pointsman.store.shape import Shape, canonical
from pointsman.store.view import Source, View, advance, identity_of


class Journal:
    """An open store, seen from its writer thread."""

    def __init__(
        self,
        directory: Directory,
        database: Database,
        key: DataKey,
        registry: Mapping[str, ResourceType],
        clock: Callable[[], float],
    ) -> None:
        self.file = database.file
        self._directory = directory
        self._database = database
        self._key = key
        self._shapes = {path: Shape(kind) for path, kind in registry.items()}
        self.reader = Reader(database.file, key, self._shapes)
        self._clock = clock
        self._origin = database.facts()["origin"]
        revision, hlc, self._sequence = database.position(self._origin)
        self._stamps = Clock(hlc)
        self.view = self.reader.view(database.everything(), revision, database.blob)

    @classmethod
    def open(cls, path: Path, registry: Mapping[str, ResourceType], clock: Callable[[], float]) -> Journal:
        """Opens the store in a directory, making it if need be; raises `StoreError`."""
        directory = Directory.take(path)
        try:
            database, key = directory.open()
            try:
                return cls(directory, database, key, registry, clock)
            except BaseException:
                database.close()
                raise
        except BaseException:
            directory.release()
            raise

    def close(self) -> None:
        """Closes the database and lets go of the directory."""
        self._database.close()
        self._directory.release()

    def commit(
        self, changes: Sequence[Change], author: Author, reason: str
    ) -> tuple[Transaction | None, View]:
        """Makes the changes last; gives the transaction (None when nothing changes) and the view after it.

        Raises `EditRefused` or `NotStored`; then nothing has changed.
        """
        now = float(self._clock())
        stamps = self._stamps.tick(now)
        stored: dict[str, Stored] = {}
        sources: dict[str, Source] = {}

        def load(key: str) -> Source:
            if key not in sources:
                stored[key] = self._database.object(key)
                sources[key] = self.reader.source(key, stored[key])
            return sources[key]

        plan = draft(self.view, self._shapes, changes, lambda key: load(key).values, stamp=stamps.last)
        if not plan.writes:
            return None, self.view
        head = Head(
            self.view.revision + 1, self._origin, self._sequence + 1, stamps.last, now, author, reason
        )
        entry = Entry(Stamp(stamps.last, self._origin), self._texts(plan, Stamp(stamps.last, self._origin)))
        present = {
            Cell(key, name): register
            for key in plan.objects
            for name, register in stored[key].registers.items()
        }
        won = merge(present, entry)
        after = self._after(head.revision, stored, won, plan, load)
        records = {key: self._records(key, after) for key in plan.objects}
        texts = {key: to_text(found) for key, found in records.items()}
        self._database.write(head, entry, won, texts, plan.blobs)
        self.view, self._stamps, self._sequence = after, stamps, head.sequence
        changed = tuple(record for key in sorted(records) for record in records[key])
        return transaction(head, changed), after

    def _texts(self, plan: Draft, stamp: Stamp) -> dict[Cell, str | None]:
        texts: dict[Cell, str | None] = {}
        for cell, value in plan.writes.items():
            shape = self._shapes[cell.object.rpartition("/")[0]]
            if value is None:
                texts[cell] = None
            elif shape.secret(cell.property):
                texts[cell] = self._key.seal(cell, stamp, value)
            else:
                texts[cell] = canonical(value)
        return texts

    def _after(
        self,
        revision: int,
        stored: Mapping[str, Stored],
        won: Mapping[Cell, Register],
        plan: Draft,
        load: Callable[[str], Source],
    ) -> View:
        registers = {key: dict(stored[key].registers) for key in plan.objects}
        for cell, register in won.items():
            registers[cell.object][cell.property] = register
        written = {key: self.reader.source(key, Stored(found, revision)) for key, found in registers.items()}

        def blob(digest: str) -> bytes:
            return plan.blobs[digest] if digest in plan.blobs else self._database.blob(digest)

        return advance(self.view, self._shapes, written, revision=revision, blob=blob, source=load)

    def _records(self, key: str, after: View) -> tuple[ChangeRecord, ...]:
        shape = self._shapes[key.rpartition("/")[0]]
        return tuple(compare(shape, _state(self.view, key), _state(after, key), self._key.fingerprint))


def transaction(head: Head, changes: tuple[ChangeRecord, ...]) -> Transaction:
    """A row of the log with its effect."""
    return Transaction(
        head.revision, head.origin, head.sequence, head.hlc, head.time, head.author, head.reason, changes
    )


def _state(view: View, key: str) -> State | None:
    if key not in view.names:
        return None
    identity = identity_of(key, view.names[key])
    return (identity, view.objects[identity]) if view.find(identity) == key.rpartition("/")[2] else None
