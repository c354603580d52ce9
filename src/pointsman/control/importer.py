"""Imports configuration documents: base snapshot and documents make the whole configuration, in one transaction.

Invariant: one import at a time, all of it or nothing; whatever is wrong with the documents, or with us, the last good
configuration stays and `last` says why, with file and line.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pointsman.control.apply import ApplyLoop
from pointsman.control.configuration import Configuration
from pointsman.control.described import Edit
from pointsman.control.desired import Desired, plan_import
from pointsman.control.error import Conflict, ControlError
from pointsman.control.import_order import AUTHOR, Imported, ImportOrder, Loaded, Restart
from pointsman.control.import_record import (
    ImportResult,
    Memory,
    NoBase,
    base_digest,
    bounded,
    forget,
    has_base,
    read_base,
    read_memory,
    write_base,
    write_memory,
)
from pointsman.control.import_report import event_of, log_changes, log_result
from pointsman.control.merge import checked
from pointsman.control.undo import changes_back
from pointsman.document.difference import Objects
from pointsman.document.fault import Fault, Faulty, Place, syntax_fault
from pointsman.document.load import Document, load_import
from pointsman.document.watch import Watcher, content_digest
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.store import Store, Transaction

ATTEMPTS = 5
"""How often an import that met somebody else's change is planned anew."""
RETRY_SECONDS = 30.0
"""When an import that the store could not take is tried again."""
MOST_WARNINGS = 100
REASON = "import of "
"""What the reason of an import's transaction begins with; the directory follows."""
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Importer:
    """Imports documents into one running traffic manager."""

    def __init__(
        self,
        home: Path,
        store: Store,
        configuration: Configuration,
        loop: ApplyLoop,
        on_event: Callable[[Event], None],
    ) -> None:
        self._home = home
        self._store = store
        self._configuration = configuration
        self._loop = loop
        self._on_event = on_event
        self._turn = asyncio.Lock()
        self._memory = read_memory(home)
        self._base_digest = ""
        self._begun: tuple[Loaded, Desired, int] | None = None
        self._tried = ""
        self._try_again = False
        self.watched: Path | None = None
        """The directory whose documents manage this instance, or None."""
        self.restart: Restart | None = None
        """Set by the composition root when it knows how the management services listen."""
        self.behind: Callable[[float], Awaitable[tuple[str, ...]]] | None = None
        """Waits so many seconds until the members that are connected have in force what is stored here; a sentence for
        each that has not. Set by the composition root."""

    @property
    def digests(self) -> tuple[str, str]:
        """Of the watched documents that were imported last, "" when that failed, and of the base snapshot."""
        return self._memory.digest, self._base_digest

    @property
    def last(self) -> ImportResult | None:
        """The last import, whoever asked for it."""
        return self._memory.last

    def pending(self) -> tuple[str, ...]:
        """A sentence for each setting that waits for a restart of the control plane."""
        waiting = self.restart.needed() if self.restart is not None else ()
        return tuple(f"{condition.subject}: {condition.message}" for condition in waiting)

    def conditions(self) -> tuple[Condition, ...]:
        """What the import in force passed over, and what waits for a restart, as remarks on the objects."""
        passed_over = tuple(
            Condition(
                fault.problem.subject,
                Standing.WARNING,
                fault.problem.code,
                f"{fault.problem.message} ({fault.file}:{fault.line})",
                fault.problem.path,
            )
            for fault in self._memory.remarks
            if fault.problem.subject is not None
        )
        return passed_over + (self.restart.needed() if self.restart is not None else ())

    def base(self) -> Objects | None:
        """The base snapshot, None where there is none. Raises `NoBase` where it cannot be read."""
        return read_base(self._home) if has_base(self._home) else None

    def base_fault(self) -> NoBase | None:
        """Why the base snapshot cannot be read; None when it can."""
        try:
            read_base(self._home)
        except NoBase as error:
            return error
        return None

    async def take_snapshot(self) -> int:
        """Makes the present configuration the base snapshot; returns its revision. Raises `OSError`."""
        objects, revision = self._configuration.objects, self._store.revision
        await asyncio.to_thread(write_base, self._home, objects, revision)
        self._base_digest = await asyncio.to_thread(base_digest, self._home)
        return revision

    async def preview(self, order: ImportOrder) -> tuple[Document, Desired]:
        """What an import would do, fully checked; nothing comes of it. Raises `Faulty`, `NoBase`."""
        loaded = await self._read(order)
        base = await asyncio.to_thread(read_base, self._home)
        return loaded.document, await self._planned(loaded, base)

    async def run(self, order: ImportOrder) -> Imported:
        """Imports, waits until the engine has dealt with it, and undoes it when the engine refuses everything."""

        async def act() -> Imported:
            loaded = await self._read(order)
            base = await asyncio.to_thread(read_base, self._home)
            return await self._concluded(*await self._commit(loaded, base))

        async with self._turn:
            waited_before = set(self.pending())
            imported = await self._guarded(order, act())
            restarts = bool(set(self.pending()) - waited_before)
        if imported.result.outcome == "failed":
            return imported
        if late := await self._late(order.members_seconds, imported.result):
            imported = replace(imported, late=late)
        if not restarts:
            return imported
        asked = order.restart and self.restart is not None and self.restart.ask()
        return replace(imported, restart="asked" if asked else "pending")

    async def _late(self, seconds: float, result: ImportResult) -> tuple[str, ...]:
        """Waits so long for the other members; what is said of those that do not have the import in force then."""
        if not seconds or self.behind is None or not (late := await self.behind(seconds)):
            return ()
        async with self._turn:
            if self._memory.last is result:
                warned = replace(
                    result, outcome="warnings", warnings=(*late, *result.warnings)[:MOST_WARNINGS]
                )
                await self._conclude_late(warned)
        return late

    async def _conclude_late(self, result: ImportResult) -> None:
        self._memory = replace(self._memory, last=result)
        await asyncio.to_thread(write_memory, self._home, self._memory)
        log_result(result)
        self._on_event(event_of(result, AUTHOR.name))

    async def follow(self, order: ImportOrder) -> None:
        """Imports whenever something below the order's directory changes, for ever."""
        order = replace(order, trigger="change")
        self._base_digest = await asyncio.to_thread(base_digest, self._home)
        late: asyncio.Task[tuple[str, ...]] | None = None
        async with Watcher(order.directory) as watcher, asyncio.TaskGroup() as group:
            # What changed between the start's import and the watcher's first look.
            changed = await asyncio.to_thread(content_digest, order.directory) != self._tried
            while True:
                if changed:
                    imported = await self.run(replace(order, members_seconds=0.0))
                    if late is not None:
                        late.cancel()
                    if imported.result.outcome != "failed":
                        # Beside the loop: a member that is late must not hold up the next change.
                        late = group.create_task(self._late(order.members_seconds, imported.result))
                changed = True
                try:
                    async with asyncio.timeout(RETRY_SECONDS if self._try_again else None):
                        await watcher.change()
                except TimeoutError:
                    continue

    # Before the first generation

    async def deploy(self, base: ImportOrder | None, watched: ImportOrder | None, furnished: Objects) -> None:
        """The first start: base documents on what the instance was `furnished` with, the snapshot of that, and the
        watched documents on top. Nothing is stored before all of it is checked.

        Called again after a crash it does the job anew, unless its end was recorded. Raises `Faulty` with every fault,
        `NoBase`, `ControlError`.
        """
        if self.last is not None and has_base(self._home):
            await self.resume(watched)
            return
        faults: list[Fault] = []

        async def checked(order: ImportOrder, below: Objects) -> tuple[Loaded | None, Objects]:
            try:
                loaded = await self._read(order)
                desired = await self._planned(loaded, below)
            except Faulty as error:
                faults.extend(error.faults)
                return None, below
            return loaded, desired.leads_to

        on_base, on_top = None, None
        below: Objects = self._configuration.objects
        if base is not None:
            on_base, below = await checked(base, furnished)
        elif has_base(self._home):
            below = await asyncio.to_thread(read_base, self._home)
        if watched is not None:
            on_top, _ = await checked(watched, below)
        if faults:
            raise Faulty(tuple(faults))
        if on_base is not None:
            self._begun = await self._commit(on_base, furnished)
        if on_base is not None or not has_base(self._home):
            await self.take_snapshot()
        if on_top is not None:
            self._begun = await self._commit(on_top, await asyncio.to_thread(read_base, self._home))

    async def resume(self, watched: ImportOrder | None) -> None:
        """A later start: imports the watched documents, unless they are those of the last import; and has `conclude`
        say what becomes of an import whose end the process before this one did not live to see.
        """
        unfinished = await self._unfinished()
        if watched is not None:
            await self._import_new(watched)
        if unfinished is None:
            return
        stored, revision = self._configuration.objects, self._store.revision
        undo = changes_back(self._store.objects, await self._store.objects_at(unfinished.revision - 1))
        if self._begun is not None:
            loaded, desired, revision = self._begun
            self._begun = loaded, replace(desired, undo=undo), revision
        elif revision == unfinished.revision:
            order = ImportOrder(Path(unfinished.reason.removeprefix(REASON)), author=unfinished.author)
            loaded = Loaded(order, Document({}, {}), "", time.monotonic())
            self._begun = loaded, Desired(Edit((), ()), undo, (), stored), revision

    async def _import_new(self, watched: ImportOrder) -> None:
        digest = await asyncio.to_thread(content_digest, watched.directory)
        if digest == self._memory.digest:
            self._tried = digest
            return

        async def begin() -> None:
            loaded = await self._read(watched)
            base = await asyncio.to_thread(read_base, self._home)
            self._begun = await self._commit(loaded, base)

        await self._guarded(watched, begin())

    async def _unfinished(self) -> Transaction | None:
        """The newest transaction, when it is of an import whose end was not recorded."""
        newest = await self._store.newest()
        if newest is None or not newest.reason.startswith(REASON) or newest.author.surface != AUTHOR.surface:
            return None
        return newest if self.last is None or self.last.revision < newest.revision else None

    async def conclude(self) -> ImportResult | None:
        """Says what became of the import that the start began, now that the apply loop runs; None without one."""
        if self._begun is None:
            return None
        begun, self._begun = self._begun, None
        async with self._turn:
            return (await self._guarded(begun[0].order, self._concluded(*begun))).result

    def begin_anew(self) -> None:
        """Forgets the first start, which the engine refused, so that the next start is the first. Raises `OSError`."""
        forget(self._home)

    # Steps

    async def _guarded(self, order: ImportOrder, act: Awaitable[T]) -> T | Imported:
        """What `act` gives, or a failed import."""
        self._try_again = False
        begun = time.monotonic()
        try:
            return await act
        except Faulty as error:
            faults = error.faults
        except (NoBase, ControlError, OSError) as error:
            self._try_again = isinstance(error, ControlError | OSError)
            faults = (syntax_fault(Place(str(order.directory), 1, 1), str(error)),)
        except Exception as error:
            # What a document brought about must not end the control plane: it would end its successor as well.
            _log.exception("importing %s met a fault of the program", order.directory)
            text = f"met a fault of the program ({type(error).__name__}; its log has the details); report it"
            faults = (syntax_fault(Place(str(order.directory), 1, 1), text),)
        digest = await asyncio.to_thread(content_digest, order.directory)
        result = self._result(order, digest, begun)
        return Imported(await self._conclude(order, _failed(result, faults), self._memory.remarks))

    async def _read(self, order: ImportOrder) -> Loaded:
        """The documents. Raises `Faulty`."""
        begun = time.monotonic()
        digest = await asyncio.to_thread(content_digest, order.directory)
        if order.trigger != "command":
            self._tried = digest
        document = await asyncio.to_thread(
            load_import, order.directory, BY_PATH, order.names, complete=False, tolerant=not order.strict
        )
        return Loaded(order, document, digest, begun)

    async def _planned(self, loaded: Loaded, base: Objects) -> Desired:
        """What would be changed, fully checked. Raises `Faulty`."""
        stored, snapshot = self._configuration.objects, self._configuration.snapshot

        def plan() -> Desired:
            desired = plan_import(stored, base, loaded.document.objects)
            checked(snapshot.objects, desired.edit.changes)
            return desired

        try:
            return await asyncio.to_thread(plan)
        except Invalid as error:
            raise Faulty(loaded.faults(error.problems)) from None

    async def _commit(self, loaded: Loaded, base: Objects) -> tuple[Loaded, Desired, int]:
        """Stores what is desired, planned anew when somebody else stored something meanwhile.

        Raises `Faulty`, `ControlError`.
        """
        order = loaded.order
        reason = f"{REASON}{order.directory}"
        for attempt in range(ATTEMPTS):
            stored, revision = self._configuration.objects, self._store.revision
            try:
                desired = await asyncio.to_thread(plan_import, stored, base, loaded.document.objects)
                if desired.edit.changes:
                    revision = await self._configuration.edit(
                        order.author, desired.edit.changes, reason, base=revision
                    )
            except Invalid as error:
                raise Faulty(loaded.faults(error.problems)) from None
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            log_changes(desired.edit.shown)
            return loaded, desired, revision
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _concluded(self, loaded: Loaded, desired: Desired, revision: int) -> Imported:
        """What became of a commit, once the engine has dealt with it."""
        order = loaded.order
        timely = await self._loop.wait_for(revision, order.wait_seconds)
        stuck = self._loop.stuck if timely and self._loop.in_force < revision else ()
        result = self._result(order, loaded.digest, loaded.begun)
        if stuck:
            faults = (*loaded.faults(stuck), *await self._undo(loaded, desired, revision))
            refused = replace(_failed(result, faults), refused=True, revision=self._store.revision)
            concluded = await self._conclude(order, refused, self._memory.remarks)
            return Imported(concluded, desired, timely)
        remarks = (*loaded.document.remarks, *loaded.faults(desired.remarks))
        warnings = self._warnings(loaded, desired)
        if not timely:
            warnings = (f"the engine has not dealt with it in {order.wait_seconds:g} s", *warnings)
        acts = [change.act for change in desired.edit.shown]
        result = replace(
            result,
            outcome="warnings" if remarks or warnings else "ok",
            revision=revision,
            objects=len(loaded.document.objects),
            created=acts.count("created"),
            changed=acts.count("changed"),
            deleted=acts.count("deleted"),
            remarks=bounded(remarks)[0],
            warnings=warnings[:MOST_WARNINGS],
        )
        return Imported(await self._conclude(order, result, bounded(remarks)[0]), desired, timely)

    async def _undo(self, loaded: Loaded, desired: Desired, revision: int) -> tuple[Fault, ...]:
        """Takes a refused import back; the faults for which that did not work."""
        order = loaded.order
        if not desired.undo:
            return ()
        reason = f"the engine refused the import of {order.directory}"
        try:
            undone = await self._configuration.edit(order.author, desired.undo, reason, base=revision)
        except (ControlError, Invalid) as error:
            text = f"the refused import could not be undone ({error}); restore revision {revision - 1}"
            return (syntax_fault(Place(str(order.directory), 1, 1), text),)
        await self._loop.wait_for(undone, order.wait_seconds)
        return ()

    def _warnings(self, loaded: Loaded, desired: Desired) -> tuple[str, ...]:
        """What has to be said of the objects that were described or changed."""
        subjects = {*loaded.document.objects, *(change.identity for change in desired.edit.changes)}
        return tuple(
            f"{c.subject}: {c.message}"
            for c in self._loop.conditions()
            if c.subject in subjects and c.standing in (Standing.WARNING, Standing.REJECTED)
        )

    def _result(self, order: ImportOrder, digest: str, begun: float) -> ImportResult:
        return ImportResult(
            time=time.time(),
            outcome="ok",
            trigger=order.trigger,
            directory=str(order.directory),
            digest=digest,
            revision=self._store.revision,
            seconds=time.monotonic() - begun,
        )

    async def _conclude(
        self, order: ImportOrder, result: ImportResult, remarks: tuple[Fault, ...]
    ) -> ImportResult:
        """Tells of a result everywhere and remembers it, with the `remarks` that are in force now."""
        digest = self._memory.digest
        if order.trigger != "command":
            digest = "" if result.outcome == "failed" else result.digest
        self._memory = Memory(result, remarks, digest)
        await asyncio.to_thread(write_memory, self._home, self._memory)
        log_result(result)
        self._on_event(event_of(result, order.author.name))
        return result


def _failed(result: ImportResult, faults: tuple[Fault, ...]) -> ImportResult:
    kept, more = bounded(faults)
    return replace(result, outcome="failed", faults=kept, more=more)
