"""The store as the rest of the program sees it: the configuration of now in memory, commits and questions by
await.

Invariant: `objects` and `revision` belong together and change only in the event loop, after the transaction
that made them reached the disk. One thread owns the writing connection; another reads history, so that no
question waits behind a commit, and no commit behind a question.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import ResourceType
from pointsman.store.change import Author, Change
from pointsman.store.conflict import Conflict, Superseded
from pointsman.store.database import Database
from pointsman.store.error import RevisionTrimmed, UnknownRevision
from pointsman.store.history import ChangeRecord, Glance, Transaction, from_text
from pointsman.store.journal import Journal, Outcome, digest_of
from pointsman.store.parcel import Batch, Parcel, Received
from pointsman.store.register import Cell
from pointsman.store.rows import ANY_TRANSACTION, Head, Only
from pointsman.store.secret import DataKey
from pointsman.store.shape import is_digest
from pointsman.store.stage import transaction
from pointsman.store.upkeep import LOG_CHARACTERS
from pointsman.store.view import Objects
from pointsman.store.whole import Whole, batch_after

_CHUNK = 64

T = TypeVar("T")
OnTransaction = Callable[[Transaction, bool], None]
OnReload = Callable[[], None]
_log = logging.getLogger(__name__)


class Store:
    """An open store; made by `Store.open`, ended by `close`."""

    def __init__(self, journal: Journal, database: Database, writer: ThreadPoolExecutor) -> None:
        """`database` is a connection for reading; `writer` the thread that `journal` lives in."""
        self._journal = journal
        self._database = database
        self._writer = writer
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._state = journal.state
        self._vector: Mapping[str, int] = journal.state.vector
        self._digest = digest_of(journal.state.ends)
        self._listeners: list[tuple[OnTransaction, OnReload | None]] = []
        self._whole: tuple[int, bytes] | None = None
        self._closing = False
        self._tidying: asyncio.Future[Outcome] | None = None

    @classmethod
    async def open(
        cls,
        directory: Path,
        registry: Mapping[str, ResourceType],
        *,
        clock: Callable[[], float] = time.time,
        log_characters: int = LOG_CHARACTERS,
    ) -> Store:
        """Opens the store in `directory`, making it at the first start; `clock` gives Unix seconds, `log_characters` is
        how large the log may become.

        Raises `StoreInUse`, `StoreDamaged` or `StoreTooNew`; it never starts empty where there was something.
        """
        writer = ThreadPoolExecutor(1, "store-writer")
        try:
            journal, database = await asyncio.get_running_loop().run_in_executor(
                writer, _open, directory, registry, clock, log_characters
            )
            return cls(journal, database, writer)
        except BaseException:
            writer.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Waits for commits under way, then closes the files."""
        self._closing = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self._database.close)
        await loop.run_in_executor(self._writer, self._journal.close)
        self._reader.shutdown()
        self._writer.shutdown()

    @property
    def objects(self) -> Objects:
        """The sparse settings of every object, in clear. Never modified; each commit gives a new mapping, in
        which the objects that did not change are the same.
        """
        return self._state.view.objects

    @property
    def revision(self) -> int:
        """How many transactions there were; 0 for an empty store."""
        return self._state.view.revision

    def changed_at(self, identity: ObjectId) -> int:
        """The revision of an object's last change, which may be its deletion; 0 if it was never heard of."""
        key = self._state.view.key_of(identity)
        return 0 if key is None else self._state.view.revisions[key]

    @property
    def origin(self) -> str:
        """The present name of this installation as an author of transactions."""
        return self._state.origin

    @property
    def vector(self) -> Mapping[str, int]:
        """The number of the last transaction seen of each origin."""
        return self._vector

    @property
    def digest(self) -> str:
        """Equal on two members that have seen the same transactions.

        Vectors that are equal with digests that are not tell of a machine that was set back while it ran: two different
        transactions have one number. The whole state of another member, adopted without `replace`, mends that.
        """
        return self._digest

    def subscribe(
        self, on_transaction: OnTransaction, on_reload: OnReload | None = None
    ) -> Callable[[], None]:
        """Tells of each transaction once it is on the disk and visible; `remote`, the second argument, says whether
        another member made it. `on_reload` is told when everything may be different: a state was adopted, a key came.
        Gives what ends the subscription.
        """
        listener = (on_transaction, on_reload)
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def commit(
        self, changes: Sequence[Change], author: Author, reason: str = "", *, expected: int | None = None
    ) -> Transaction | None:
        """Makes the changes, all or none, in their order; returns once they are on the disk.

        None means that they change nothing; then there is no transaction. Raises `EditRefused` or
        `NotStored`, and `Outdated` when `revision` is no longer the `expected` one. When the caller is cancelled the
        commit may still be made.
        """
        outcome = await self._write(lambda: self._journal.commit(tuple(changes), author, reason, expected))
        return outcome.transactions[0] if outcome.transactions else None

    async def parcels_after(self, vector: Mapping[str, int], *, limit_bytes: int = 1 << 20) -> Batch:
        """What a member lacks that has seen `vector`, in the order in which it came here, so that causes come before
        effects; as much as `limit_bytes` permit, but at least one.

        A vector that knows more of our own origin than we do gives us another origin at once.
        """
        await self.hear(vector)
        return await self._ask(lambda: batch_after(self._database, vector, limit_bytes))

    async def hear(self, vector: Mapping[str, int]) -> None:
        """Takes note of what another member has seen; to be done with each one that is met, before anything is written
        where that can wait.
        """
        await self._write(lambda: self._journal.heard(vector))

    async def receive(self, parcels: Sequence[Parcel], blobs: Mapping[str, bytes]) -> Received:
        """Takes transactions from another member, which are on the disk when this returns; what is here already does
        no harm.

        Raises `ParcelRefused` and takes none when one of them is malformed or contradicts what is here
        (`OriginForked`); raises `NotStored`.
        """
        outcome = await self._write(lambda: self._journal.receive(tuple(parcels), dict(blobs)))
        return Received(outcome.transactions, outcome.missing)

    async def whole(self) -> bytes:
        """All that is here, compressed: for a member that joins, or was away for too long. It holds no keys."""
        await self._write(self._journal.share)
        if self._whole is None or self._whole[0] != self.revision:
            self._whole = await self._ask(lambda: Whole(self._database).pack())
        return self._whole[1]

    async def adopt(self, whole: bytes, *, keys: Mapping[int, bytes], replace: bool) -> None:
        """Takes over the state of another member, and its data keys in the place of ours, whole or not at all.

        With `replace` this store becomes a copy, and what was here is gone (joining; an absence longer than deletions
        are remembered). Otherwise our transactions that the other has not seen stay, and follow on it. Numbers of
        revisions go on rising. Raises `StateRefused` or `NotStored`.
        """
        await self._write(lambda: self._journal.adopt(whole, keys, replace_ours=replace))

    @staticmethod
    def make_key() -> tuple[int, bytes]:
        """A new data key with its generation, which no member that does the same will hit upon."""
        return int(time.time() * 1000), DataKey.generate()

    async def add_key(self, generation: int, secret: bytes) -> None:
        """Keeps another data key, durably. What it seals becomes readable; the greatest generation seals from now on.

        Raises `KeyRefused` when there is another key of that generation, or `NotStored`.
        """
        await self._write(lambda: self._journal.add_key(generation, secret))

    async def reseal(self, author: Author, reason: str = "") -> Transaction | None:
        """Encrypts every secret that is sealed with an older key with the newest one, as one ordinary transaction; None
        when there is none. Values keep their stamps, so an edit made elsewhere meanwhile is not overwritten.

        The log keeps what it held, under the older keys.
        """
        outcome = await self._write(lambda: self._journal.reseal(author, reason))
        return outcome.transactions[0] if outcome.transactions else None

    @property
    def keys(self) -> Mapping[int, bytes]:
        """The data keys by generation; the greatest seals. They open every secret: give them only to members."""
        return self._journal.keys.secrets

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What edits that were made apart left for a person to decide."""
        return self._state.conflicts

    @property
    def claims(self) -> Mapping[ObjectId, int]:
        """Since when each object claims what only one can have (the keys in `ResourceType.claims`), as stamps."""
        view = self._state.view
        return {view.identity(key): stamp for key, stamp in view.claims.items() if view.in_force(key)}

    async def superseded(self, limit: int = 100) -> tuple[Superseded, ...]:
        """The newest writes that lost to others, neither of whose writers knew of the other; the newest first."""
        return await self._ask(lambda: self._journal.superseded(self._database, limit))

    def set_reference(self, offset_seconds: float | None) -> None:
        """Tells how far our clock is ahead of the median of all members'; beyond 60 s we stamp with theirs. None: there
        are no others.
        """
        self._writer.submit(self._journal.set_reference, offset_seconds)

    def set_level(self, level: int) -> None:
        """Tells which level of the schema all members know: what is written from now on, they can read. At first it is
        that of this version.
        """
        self._writer.submit(self._journal.set_level, level)

    async def _write(self, step: Callable[[], Outcome]) -> Outcome:
        done = asyncio.get_running_loop().run_in_executor(self._writer, step)
        done.add_done_callback(self._publish)
        return await asyncio.shield(done)

    def _publish(self, done: asyncio.Future[Outcome]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        outcome = done.result()
        changed = outcome.state.ends is not self._state.ends
        self._state = outcome.state
        if changed:
            self._vector = outcome.state.vector
            self._digest = digest_of(outcome.state.ends)
            self._whole = None
        for on_transaction, on_reload in tuple(self._listeners):
            try:
                if outcome.reloaded and on_reload is not None:
                    on_reload()
                for made in outcome.transactions:
                    on_transaction(made, outcome.remote)
            except Exception:
                _log.exception("what follows from a transaction failed")
        if outcome.overdue and not self._closing:
            self._tidying = asyncio.get_running_loop().run_in_executor(self._writer, self._journal.tidy)
            self._tidying.add_done_callback(self._tidied)

    def _tidied(self, done: asyncio.Future[Outcome]) -> None:
        if self._tidying is done:
            self._tidying = None  # it holds the view of its time
        if not done.cancelled() and (error := done.exception()) is not None:
            _log.warning("the log cannot be trimmed: %s", error)
        self._publish(done)

    async def transactions(
        self,
        *,
        limit: int = 100,
        before: int | None = None,
        subject: ObjectId | None = None,
        only: Only = ANY_TRANSACTION,
    ) -> tuple[Transaction, ...]:
        """The newest `limit` transactions with revisions below `before`, newest first, as far as `only` wants them.

        With `subject`, those that changed that object, under whatever name it had then.
        """
        key = None
        if subject is not None and (key := self._state.view.key_of(subject)) is None:
            return ()
        return await self._ask(lambda: self._transactions(limit, before, key, only))

    async def history(self, identity: ObjectId, limit: int = 100) -> tuple[Transaction, ...]:
        """The newest transactions that changed an object, newest first, each with its changes of this object only:
        whatever else they did is not read.
        """
        key = self._state.view.key_of(identity)
        return () if key is None else await self._ask(lambda: self._history(key, limit))

    async def newest(self) -> Transaction | None:
        """The newest transaction, without its changes, which may be many."""
        heads = await self._ask(lambda: self._database.heads(None, 1))
        return transaction(heads[0], ()) if heads else None

    async def glances(
        self, *, limit: int, before: int | None = None, only: Only = ANY_TRANSACTION, most: int
    ) -> tuple[Glance, ...]:
        """As `transactions`, each with what it did to `most` objects at most: some change thousands."""
        return await self._ask(lambda: self._glances(limit, before, only, most))

    async def last_change(self, identity: ObjectId, path: tuple[str, ...]) -> Transaction | None:
        """The last transaction that changed a field: section and key, then row (or element of a set), then
        column.

        It holds the changes of this object only. None when the log knows of no such change.
        """
        return (await self.last_changes(identity, (path,)))[0]

    async def last_changes(
        self, identity: ObjectId, paths: Sequence[tuple[str, ...]]
    ) -> tuple[Transaction | None, ...]:
        """`last_change` of several fields of one object, in their order."""
        key = self._state.view.key_of(identity)
        if key is None:
            return (None,) * len(paths)
        return await self._ask(lambda: tuple(self._last_change(key, path) for path in paths))

    async def objects_at(self, revision: int) -> Objects:
        """The configuration as it was after a revision; raises `UnknownRevision`, or `RevisionTrimmed` for one that
        is older than the log.
        """
        if not 0 <= revision <= self.revision:
            raise UnknownRevision(revision, self.revision)
        return await self._ask(lambda: self._folded(revision))

    async def file_content(self, sha256: str) -> bytes | None:
        """The content of a file that the configuration holds, or held as far back as the log goes, by its digest."""
        if not is_digest(sha256):
            return None
        database = self._database
        return await self._ask(lambda: database.blob(sha256) if database.has_blob(sha256) else None)

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, question)

    def _transactions(
        self, limit: int, before: int | None, key: str | None, only: Only
    ) -> tuple[Transaction, ...]:
        return tuple(
            transaction(
                head,
                tuple(record for text in self._database.records(head.revision) for record in from_text(text)),
            )
            for head in self._database.heads(before, limit, key, only)
        )

    def _history(self, key: str, limit: int) -> tuple[Transaction, ...]:
        return tuple(
            transaction(head, self._records_of(head, key)) for head in self._database.heads(None, limit, key)
        )

    def _records_of(self, head: Head, key: str) -> tuple[ChangeRecord, ...]:
        return tuple(r for text in self._database.records(head.revision, key) for r in from_text(text))

    def _glances(self, limit: int, before: int | None, only: Only, most: int) -> tuple[Glance, ...]:
        found = []
        for head in self._database.heads(before, limit, None, only):
            texts, count = self._database.first_records(head.revision, most)
            changes = tuple(record for text in texts for record in from_text(text))
            found.append(Glance(transaction(head, changes), max(0, count - most)))
        return tuple(found)

    def _last_change(self, key: str, path: tuple[str, ...]) -> Transaction | None:
        before: int | None = None
        if len(path) >= 3:
            # A row has a register, which knows its last writer: no need to search the log from its end.
            row = Cell(key, f"{path[0]}.{path[1]}/{path[2]}")
            if (revision := self._database.revision_of(row)) is not None:
                before = revision + 1
        chunk = 1 if before else _CHUNK
        while heads := self._database.heads(before, chunk, key):
            for head in heads:
                found = transaction(head, self._records_of(head, key))
                if found.touches(path):
                    return found
            before, chunk = heads[-1].revision, _CHUNK
        return None

    def _folded(self, revision: int) -> Objects:
        database = self._database
        with database.moment():
            first = database.first()
            if revision < first - 1:
                raise RevisionTrimmed(f"revision {revision}", first)
            entries = database.entries(revision)
            return self._journal.reader.fold(database.everything(base=True), entries, database.blob).objects


def _open(
    directory: Path, registry: Mapping[str, ResourceType], clock: Callable[[], float], log_characters: int
) -> tuple[Journal, Database]:
    journal = Journal.open(directory, registry, clock, log_characters)
    try:
        return journal, Database(journal.file, writable=False)
    except BaseException:
        journal.close()
        raise
