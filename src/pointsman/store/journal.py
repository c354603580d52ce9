"""The owner of the database: plans a transaction or takes one from another member, writes it, and only then moves on to
the view after it.

Everything here runs in one thread. Invariant: `state` is what the disk holds; when anything fails before the end of a
commit, it stays as it was, with clock and numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pointsman.schema.level import LEVEL
from pointsman.schema.resource import ResourceType
from pointsman.store.change import Author, Change
from pointsman.store.clock import Clock
from pointsman.store.conflict import Conflict, Losses, Superseded, conflicts_of
from pointsman.store.database import Database
from pointsman.store.directory import Directory, new_origin
from pointsman.store.draft import Draft, draft
from pointsman.store.entry_text import MOST_CHARACTERS, STAMP_LIMIT, blob_named, encode
from pointsman.store.error import (
    EditRefused,
    KeyRefused,
    OriginForked,
    Outdated,
    ParcelRefused,
    StateRefused,
    StoreDamaged,
)
from pointsman.store.history import Transaction
from pointsman.store.json_text import canonical
from pointsman.store.parcel import Parcel, check_blobs, checked
from pointsman.store.register import Cell, Entry, Stamp, generation_of
from pointsman.store.replay import Reader
from pointsman.store.rescue import rescue, set_aside
from pointsman.store.rows import START, End, Head, link
from pointsman.store.secret import KEY_BYTES, KeyMissing, Keyring, Undecipherable
from pointsman.store.shape import Shape
from pointsman.store.stage import Stage
from pointsman.store.upkeep import DAY_SECONDS, LOG_CHARACTERS, bounds_at, forget, overdue, trim
from pointsman.store.view import Source, View, advance, without
from pointsman.store.whole import Whole, vector_of

SKEW_SECONDS = 60.0
"""How far our clock may be ahead of the other members' before we stamp with theirs."""


@dataclass(frozen=True)
class State:
    """What holds after a step: the view, how far each origin is known, and the origin of our next transaction."""

    view: View
    ends: Mapping[str, End]
    origin: str
    conflicts: tuple[Conflict, ...] = ()

    @property
    def vector(self) -> dict[str, int]:
        """The last number seen of each origin."""
        return {origin: end.sequence for origin, end in self.ends.items()}


@dataclass(frozen=True)
class Outcome:
    """The state after a step and what happened in it. `remote`: it came from another member; `missing`: something
    before the rest of it has not come; `reloaded`: the view is new altogether; `overdue`: `tidy` has something to do.
    """

    state: State
    transactions: tuple[Transaction, ...] = ()
    remote: bool = False
    missing: bool = False
    reloaded: bool = False
    overdue: bool = False


class Journal:
    """An open store, seen from its writer thread."""

    def __init__(
        self,
        directory: Directory,
        database: Database,
        keys: Keyring,
        registry: Mapping[str, ResourceType],
        clock: Callable[[], float],
        log_characters: int,
    ) -> None:
        self.file = database.file
        self._directory = directory
        self._database = database
        self._shapes = {path: Shape(kind) for path, kind in registry.items()}
        self._clock = clock
        self._steady = time.monotonic
        self._theirs: float | None = None
        self._level = LEVEL
        self._log_characters = log_characters
        self._tidied_at = 0.0
        self.reader = Reader(database.file, keys, self._shapes)
        facts = database.facts()
        revision, hlc = database.position()
        self._stamps = Clock(hlc)
        # Others may hold more of this origin than a disk that was restored, so a number could be used twice.
        self._shared = "shared" in facts
        self._stored_origin = facts["origin"]
        origin = new_origin() if self._shared else facts["origin"]
        view = self.reader.view(database.everything(), revision, database.blob)
        self.state = self._state(view, database.ends(), origin)

    @classmethod
    def open(
        cls,
        path: Path,
        registry: Mapping[str, ResourceType],
        clock: Callable[[], float],
        log_characters: int = LOG_CHARACTERS,
    ) -> Journal:
        """Opens the store in a directory, making it if need be; raises `StoreError`."""
        directory = Directory.take(path)
        try:
            database, keys = directory.open()
            try:
                return cls(directory, database, keys, registry, clock, log_characters)
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

    @property
    def keys(self) -> Keyring:
        """The data keys."""
        return self.reader.keys

    def set_reference(self, ahead: float | None) -> None:
        """Takes note of how many seconds our clock is ahead of the other members' now; None where there are none."""
        self._theirs = None if ahead is None else self._clock() - ahead - self._steady()

    def set_level(self, level: int) -> None:
        """Takes note of the level of the schema that all members know."""
        self._level = level

    def commit(
        self, changes: Sequence[Change], author: Author, reason: str, expected: int | None = None
    ) -> Outcome:
        """Makes the changes last; an outcome without transaction when nothing changes.

        Raises `EditRefused`, `NotStored`, or `Outdated` when the revision is not the expected one; then nothing has
        changed.
        """
        if expected is not None and self.state.view.revision != expected:
            raise Outdated(expected, self.state.view.revision)
        stage = self._stage()
        stamps = self._stamps.tick(self._now())
        plan = draft(
            self.state.view, self._shapes, changes, lambda key: stage.source(key).values, stamp=stamps.last
        )
        if plan.writes:
            entry, blobs = self._entry(stage, plan, stamps.last), plan.blobs
            del plan  # which is large when thousands of objects come at once, as is all that follows
            self._extend(stage, entry, author, reason, blobs)
            del entry
        return self._conclude(stage, stamps)

    def receive(self, parcels: Sequence[Parcel], blobs: Mapping[str, bytes]) -> Outcome:
        """Takes transactions of other members, all that are new and follow on what is here.

        Raises `ParcelRefused`, and then takes none, or `NotStored`.
        """
        entries = [checked(parcel) for parcel in parcels]
        check_blobs(blobs, parcels)
        stage = self._stage()
        stamps = self._stamps
        now = self._now()
        missing = False
        for parcel, entry in zip(parcels, entries, strict=True):
            end = stage.ends.get(parcel.origin, End(0, 1, START))
            if parcel.sequence <= end.sequence:
                self._compare(parcel, stage)
                continue
            if parcel.sequence > end.sequence + 1:
                # What follows may rest on what is missing, so it has to wait, too.
                missing = True
                break
            self._take(stage, parcel, entry, end, blobs)
            stamps = stamps.receive(parcel.hlc, now)
        outcome = self._conclude(stage, stamps, {"shared": "1"} if parcels else {})
        return replace(outcome, remote=True, missing=missing)

    def heard(self, vector: Mapping[str, int]) -> Outcome:
        """Takes note of what another member has: when it knows more of our origin than we do, we need another one."""
        self.share()
        origin = self.state.origin
        known = self.state.ends.get(origin)
        if vector.get(origin, 0) > (known.sequence if known else 0):
            self.state = replace(self.state, origin=new_origin())
        return Outcome(self.state)

    def adopt(self, packed: bytes, secrets: Mapping[int, bytes], *, replace_ours: bool) -> Outcome:
        """Puts the state of another member, with its keys, in the place of ours; see `Store.adopt`."""
        keys = Keyring(secrets if replace_ours else self._joint(secrets))
        theirs = vector_of(packed)
        ours = [
            found
            for found in (() if replace_ours else Whole(self._database).parcels())
            if found[0].sequence > theirs.get(found[0].origin, 0)
        ]
        named = self._directory.keep(keys)
        reader = Reader(self.file, keys, self._shapes)
        origin = new_origin()
        try:
            with self._database.transaction():
                if not replace_ours:
                    set_aside(self._database)
                Whole(self._database).unpack(packed, after=self.state.view.revision)
                self._database.write((), {"keys": named, "shared": "1", "origin": origin})
                stage, hlc = self._adopted(reader)
                for parcel, blobs in ours:
                    end = stage.ends.get(parcel.origin, End(0, 1, START))
                    if parcel.sequence == end.sequence + 1 and self._links(end, parcel, stage):
                        self._apply(stage, parcel, checked(parcel), blobs)
                        hlc = max(hlc, parcel.hlc)
                self._database.write(stage.rows, {})
                # A copy has nothing of ours, so a wrong clock of ours is forgotten with it.
                stamps = Clock(hlc if replace_ours else max(hlc, self._stamps.last))
                if not replace_ours:
                    stamps = self._rescue(stage, stamps, origin, keys)
        except BaseException:
            self._directory.forget_others(self.keys)
            raise
        self.reader = reader
        self._shared = True
        self._stamps = stamps
        self._stored_origin = origin
        self.state = self._state(stage.view, stage.ends, origin)
        self._directory.forget_others(keys)
        return Outcome(self.state, tuple(stage.transactions), remote=True, reloaded=True)

    def _joint(self, secrets: Mapping[int, bytes]) -> dict[int, bytes]:
        """Our keys and those of the others."""
        ours = self.keys.secrets
        for generation, secret in secrets.items():
            if ours.get(generation, secret) != secret:
                raise KeyRefused(generation, "there is another one of that number")
        return {**ours, **secrets}

    def _rescue(self, stage: Stage, stamps: Clock, origin: str, keys: Keyring) -> Clock:
        """Writes what only we have; gives the clock after that."""
        now = self._now()
        ticked = stamps.tick(now)
        rescued = rescue(self._database, Stamp(ticked.last, origin), now, self.keys, keys)
        if rescued is None:
            return stamps
        done = len(stage.rows)
        reason = "what only this traffic manager had when it took over the state of another"
        self._extend(stage, rescued.entry, Author("", "", "product"), reason, rescued.blobs)
        self._database.write(stage.rows[done:], {})
        return ticked

    def add_key(self, generation: int, secret: bytes) -> Outcome:
        """Keeps another data key; see `Store.add_key`."""
        held = self.keys.secrets.get(generation)
        if held == secret:
            return Outcome(self.state)
        if held is not None:
            raise KeyRefused(generation, "there is another one of that number")
        if not 0 < generation < STAMP_LIMIT or len(secret) != KEY_BYTES:
            raise KeyRefused(generation, f"a key has a number above 0 and {KEY_BYTES} bytes")
        keys = self.keys.with_key(generation, secret)
        named = self._directory.keep(keys)
        reader = Reader(self.file, keys, self._shapes)
        try:
            view = self._unsealed(reader)
            with self._database.transaction():
                self._database.write((), {"keys": named})
        except BaseException:
            self._directory.forget_others(self.keys)
            raise
        self.reader = reader
        self.state = self._state(view, self.state.ends, self.state.origin)
        return Outcome(self.state, reloaded=True)

    def _unsealed(self, reader: Reader) -> View:
        """The present view as `reader` sees it, which has one more key: only what was sealed can read otherwise."""

        def source(key: str) -> Source:
            return reader.source(key, self._database.object(key))

        view = self.state.view
        sealed = {key: source(key) for key in view.sealed}
        blob = self._database.blob
        return advance(view, self._shapes, sealed, revision=view.revision, blob=blob, source=source)

    def reseal(self, author: Author, reason: str) -> Outcome:
        """Encrypts every secret with the newest key; see `Store.reseal`."""
        current = self.keys.current
        writes: dict[Cell, str | None] = {}
        for key, stored in self._database.everything():
            for name, register in stored.registers.items():
                if 0 < generation_of(register.value) < current:
                    cell = Cell(key, name)
                    try:
                        value = self.keys.open(cell, register.stamp, register.value or "")
                    except KeyMissing:
                        continue
                    writes[cell] = self.keys.seal(cell, register.stamp, value)
        stage = self._stage()
        stamps = self._stamps.tick(self._now())
        if writes:
            stamp = Stamp(stamps.last, self.state.origin)
            saw = {cell: stage.stored(cell.object).registers[cell.property].stamp for cell in writes}
            self._extend(stage, Entry(stamp, writes, saw, frozenset(writes)), author, reason, {})
        return self._conclude(stage, stamps)

    def tidy(self) -> Outcome:
        """Trims the log by a piece, and once a day forgets what was deleted long ago. Raises `NotStored`."""
        bounds = bounds_at(self._now(), self._log_characters)
        view = self.state.view
        if abs(self._now() - self._tidied_at) >= DAY_SECONDS:
            used = {target for targets in view.refers.values() for target in targets}
            if gone := forget(self._database, self._now(), used):
                view = without(view, gone)
            self._tidied_at = self._now()
        ends: Mapping[str, End] = self.state.ends
        if overdue(self._database, bounds):
            ends = trim(self._database, bounds, ends)
        self.state = self._state(view, ends, self.state.origin)
        return Outcome(self.state, overdue=self._overdue())

    def _overdue(self) -> bool:
        return abs(self._now() - self._tidied_at) >= DAY_SECONDS or overdue(
            self._database, bounds_at(self._now(), self._log_characters)
        )

    def _adopted(self, reader: Reader) -> tuple[Stage, int]:
        """A stage on what was just unpacked, and the highest stamp in that."""
        revision, hlc = self._database.position()
        try:
            view = reader.view(self._database.everything(), revision, self._database.blob)
        except StoreDamaged as error:
            raise StateRefused(str(error)) from None
        return Stage(self._database, reader, self._shapes, view, self._database.ends()), hlc

    def _now(self) -> float:
        """The time to stamp with: ours, or the others' where ours is far ahead, also when it jumped just now."""
        now = float(self._clock())
        theirs = now if self._theirs is None else self._theirs + self._steady()
        return theirs if now - theirs > SKEW_SECONDS else now

    def superseded(self, database: Database, limit: int) -> tuple[Superseded, ...]:
        """The newest writes that lost without their writers' knowledge; asked through a connection of the caller's."""
        return Losses(database, self.reader, self._shapes, self.state.view).newest(limit)

    def _state(self, view: View, ends: Mapping[str, End], origin: str) -> State:
        return State(view, ends, origin, conflicts_of(view, self._database))

    def _stage(self) -> Stage:
        return Stage(self._database, self.reader, self._shapes, self.state.view, self.state.ends)

    def _entry(self, stage: Stage, plan: Draft, hlc: int) -> Entry:
        stamp = Stamp(hlc, self.state.origin)
        texts: dict[Cell, str | None] = {}
        for known, value in plan.writes.items():
            shape = self._shapes[known.object.rpartition("/")[0]]
            cell = Cell(known.object, shape.renamings.at_level(known.property, self._level))
            if value is None:
                texts[cell] = None
            elif shape.secret(cell.property):
                texts[cell] = self.keys.seal(cell, stamp, value)
            else:
                texts[cell] = canonical(value)
        return Entry(stamp, texts, stage.saw(texts))

    def _extend(
        self, stage: Stage, entry: Entry, author: Author, reason: str, blobs: Mapping[str, bytes]
    ) -> None:
        """A transaction of our own."""
        text = encode(entry)
        if len(text) > MOST_CHARACTERS:
            raise EditRefused(
                f"the change is too large ({len(text) >> 20} million characters, at most "
                f"{MOST_CHARACTERS >> 20} million); make it in parts"
            )
        stage.apply(entry, time=float(self._clock()), author=author, reason=reason, blobs=blobs, ops=text)

    def _take(self, stage: Stage, parcel: Parcel, entry: Entry, end: End, blobs: Mapping[str, bytes]) -> None:
        if not self._links(end, parcel, stage):
            raise OriginForked(parcel.origin, parcel.sequence)
        for cell, value in entry.writes.items():
            if value is not None:
                try:
                    self.keys.open(cell, entry.register(cell).stamp, value)
                except KeyMissing:
                    pass
                except Undecipherable as error:
                    raise ParcelRefused(
                        parcel.origin, f"the register {cell.property!r} of {cell.object}: {error}"
                    ) from None
        needed: dict[str, bytes] = {}
        for cell, value in entry.writes.items():
            digest = blob_named(cell, value)
            if digest is None:
                continue
            if digest in blobs:
                needed[digest] = blobs[digest]
            elif not self._database.has_blob(digest):
                raise ParcelRefused(
                    parcel.origin, f"the content of {cell.object} did not come with it", "ask for it again"
                )
        self._apply(stage, parcel, entry, needed)

    def _apply(self, stage: Stage, parcel: Parcel, entry: Entry, blobs: Mapping[str, bytes]) -> None:
        stage.apply(
            entry,
            time=parcel.time,
            author=parcel.author,
            reason=parcel.reason,
            blobs=blobs,
            ops=parcel.ops,
        )

    @staticmethod
    def _links(end: End, parcel: Parcel, stage: Stage) -> bool:
        head = Head(
            stage.view.revision + 1,
            parcel.origin,
            parcel.sequence,
            parcel.hlc,
            parcel.time,
            parcel.author,
            parcel.reason,
        )
        return link(end.chain, head, parcel.ops) == parcel.chain

    def _compare(self, parcel: Parcel, stage: Stage) -> None:
        held = next(
            (
                row.chain
                for row in stage.rows
                if (row.head.origin, row.head.sequence) == (parcel.origin, parcel.sequence)
            ),
            None,
        ) or self._database.chain_of(parcel.origin, parcel.sequence)
        if held is not None and held != parcel.chain:
            raise OriginForked(parcel.origin, parcel.sequence)

    def share(self) -> Outcome:
        """Notes that others may know our transactions, before they do."""
        if not self._shared:
            with self._database.transaction():
                self._database.write((), {"shared": "1"})
            self._shared = True
        return Outcome(self.state)

    def _conclude(self, stage: Stage, stamps: Clock, facts: Mapping[str, str] | None = None) -> Outcome:
        """Writes what the stage holds, and moves on."""
        if not stage.rows:
            return Outcome(self.state)
        facts = dict(facts or {})
        if self.state.origin in stage.ends and self._stored_origin != self.state.origin:
            facts["origin"] = self.state.origin
        with self._database.transaction():
            self._database.write(stage.rows, facts)
        self._shared = self._shared or "shared" in facts
        self._stored_origin = facts.get("origin", self._stored_origin)
        self._stamps = stamps
        self.state = self._state(stage.view, stage.ends, self.state.origin)
        return Outcome(self.state, tuple(stage.transactions), overdue=self._overdue())


def digest_of(ends: Mapping[str, End]) -> str:
    """What members compare, every second, to see whether they have seen the same."""
    seen = {origin: [end.sequence, end.chain.hex()] for origin, end in ends.items()}
    return sha256(canonical(seen).encode()).hexdigest()
