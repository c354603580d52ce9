"""The store as the rest of the program sees it: the configuration of now in memory, commits and questions by
await.

Invariant: `objects` and `revision` belong together and change only in the event loop, after the transaction
that made them reached the disk. One thread owns the writing connection; another reads history, so that no
question waits behind a commit, and no commit behind a question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import ResourceType
from pointsman.store.change import Author, Change
from pointsman.store.clock import last_stamp_at
from pointsman.store.database import Database
from pointsman.store.error import UnknownRevision
from pointsman.store.history import Transaction, from_text
from pointsman.store.journal import Journal, transaction
from pointsman.store.register import Cell
from pointsman.store.view import Objects, View

_CHUNK = 64

T = TypeVar("T")


class Store:
    """An open store; made by `Store.open`, ended by `close`."""

    def __init__(self, journal: Journal, database: Database, writer: ThreadPoolExecutor) -> None:
        """`database` is a connection for reading; `writer` the thread that `journal` lives in."""
        self._journal = journal
        self._database = database
        self._writer = writer
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self._view = journal.view

    @classmethod
    async def open(
        cls, directory: Path, registry: Mapping[str, ResourceType], *, clock: Callable[[], float] = time.time
    ) -> Store:
        """Opens the store in `directory`, making it at the first start; `clock` gives Unix seconds.

        Raises `StoreInUse`, `StoreDamaged` or `StoreTooNew`; it never starts empty where there was something.
        """
        writer = ThreadPoolExecutor(1, "store-writer")
        try:
            journal, database = await asyncio.get_running_loop().run_in_executor(
                writer, _open, directory, registry, clock
            )
            return cls(journal, database, writer)
        except BaseException:
            writer.shutdown(wait=False)
            raise

    async def close(self) -> None:
        """Waits for commits under way, then closes the files."""
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
        return self._view.objects

    @property
    def revision(self) -> int:
        """How many transactions there were; 0 for an empty store."""
        return self._view.revision

    def changed_at(self, identity: ObjectId) -> int:
        """The revision of an object's last change, which may be its deletion; 0 if it was never heard of."""
        key = self._view.key_of(identity)
        return 0 if key is None else self._view.revisions[key]

    async def commit(self, changes: Sequence[Change], author: Author, reason: str = "") -> Transaction | None:
        """Makes the changes, all or none, in their order; returns once they are on the disk.

        None means that they change nothing; then there is no transaction. Raises `EditRefused` or
        `NotStored`. When the caller is cancelled the commit may still be made.
        """
        loop = asyncio.get_running_loop()
        commit = loop.run_in_executor(self._writer, self._journal.commit, tuple(changes), author, reason)
        commit.add_done_callback(self._publish)
        return (await asyncio.shield(commit))[0]

    def _publish(self, commit: asyncio.Future[tuple[Transaction | None, View]]) -> None:
        if not commit.cancelled() and commit.exception() is None:
            self._view = commit.result()[1]

    async def transactions(
        self, *, limit: int = 100, before: int | None = None, subject: ObjectId | None = None
    ) -> tuple[Transaction, ...]:
        """The newest `limit` transactions with revisions below `before`, newest first.

        With `subject`, those that changed that object, under whatever name it had then.
        """
        key = None
        if subject is not None and (key := self._view.key_of(subject)) is None:
            return ()
        return await self._ask(lambda: self._transactions(limit, before, key))

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
        key = self._view.key_of(identity)
        if key is None:
            return (None,) * len(paths)
        return await self._ask(lambda: tuple(self._last_change(key, path) for path in paths))

    async def objects_at(self, revision: int) -> Objects:
        """The configuration as it was after a revision; raises `UnknownRevision`."""
        if not 0 <= revision <= self.revision:
            raise UnknownRevision(revision, self.revision)
        return await self._ask(lambda: self._folded(revision=revision))

    async def objects_at_time(self, time: float) -> Objects:
        """The configuration as it was at a Unix time in seconds: what was written up to that millisecond."""
        return await self._ask(lambda: self._folded(hlc=last_stamp_at(time)))

    async def _ask(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, question)

    def _transactions(self, limit: int, before: int | None, key: str | None) -> tuple[Transaction, ...]:
        return tuple(
            transaction(
                head,
                tuple(record for text in self._database.records(head.revision) for record in from_text(text)),
            )
            for head in self._database.heads(before, limit, key)
        )

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
                changes = tuple(
                    r for text in self._database.records(head.revision, key) for r in from_text(text)
                )
                found = transaction(head, changes)
                if found.touches(path):
                    return found
            before, chunk = heads[-1].revision, _CHUNK
        return None

    def _folded(self, *, revision: int | None = None, hlc: int | None = None) -> Objects:
        entries = self._database.entries(revision=revision, hlc=hlc)
        return self._journal.reader.fold(entries, self._database.blob).objects


def _open(
    directory: Path, registry: Mapping[str, ResourceType], clock: Callable[[], float]
) -> tuple[Journal, Database]:
    journal = Journal.open(directory, registry, clock)
    try:
        return journal, Database(journal.file, writable=False)
    except BaseException:
        journal.close()
        raise
