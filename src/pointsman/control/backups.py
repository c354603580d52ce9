"""Backups of a running instance: make, list, describe, compare, restore, hand out, take in, delete.

Invariant: a restore is one transaction of the configuration, checked as every edit is, or nothing; a backup is on the
disk whole before anybody is told so; each use leaves an event that says who did it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pointsman.backup.archive import Archive, ArchiveRefused, Content, Manifest, read, with_description, write
from pointsman.backup.manifest import DESCRIPTION_LIMIT
from pointsman.backup.secret import LONGEST_PASSPHRASE, SHORTEST_PASSPHRASE
from pointsman.backup.shelf import MOST, Kept, NameRefused, Shelf, file_name
from pointsman.control.backup_schedule import Scheduler
from pointsman.control.configuration import Configuration
from pointsman.control.error import CannotStore, Conflict, ControlError
from pointsman.control.licensing import Licensing
from pointsman.control.restoring import GROUPS, Restoring, Wish, plan_restore, without_missing
from pointsman.control.undo import PermitRestore, permit_any
from pointsman.document.difference import ObjectChange, Objects, compare
from pointsman.identity.user import PasswordRefused, Users
from pointsman.schema.event import Event, Severity
from pointsman.schema.level import LEVEL
from pointsman.schema.problem import Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Store

ATTEMPTS = 5
"""How often a restore that met somebody else's change is planned anew."""
Answers = Callable[[str], Awaitable[bool]]
"""Whether somebody on the network answers at an address."""


class NoBackup(ControlError):
    """There is no backup of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f'there is no backup "{name}"; choose one of those that are listed')


class BackupRefused(ControlError):
    """The backup cannot be used as asked; the text says why and what to do."""


@dataclass(frozen=True)
class Maker:
    """The instance that makes backups."""

    name: str
    uuid: str


@dataclass(frozen=True)
class Restored:
    """The outcome of a restore: the revision that holds it, what it was, and the users who have other passwords."""

    revision: int
    restoring: Restoring
    users: tuple[str, ...] = ()


class Backups:
    """The backups of one instance."""

    def __init__(
        self,
        home: Path,
        maker: Maker,
        *,
        store: Store,
        configuration: Configuration,
        licensing: Licensing,
        users: Users,
        on_event: Callable[[Event], None],
        answers: Answers | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`answers` is asked of traffic IPs before they are restored; without it none is taken to answer."""
        self.home = home
        self._maker = maker
        self._store = store
        self._configuration = configuration
        self._licensing = licensing
        self._users = users
        self._on_event = on_event
        self._answers = answers
        self._clock = clock
        self._shelf = Shelf(home)
        # One at a time: an archive is in memory whole, some of them several times over.
        self._turn = asyncio.Lock()
        self.permit_restore: PermitRestore = permit_any
        """What refuses a restore that somebody asks for."""
        self.schedule = Scheduler(home, self, maker.uuid, on_event, clock)

    def open(self) -> None:
        """Makes the directory and removes what a death left; called once. Raises `OSError`."""
        self._shelf.open()

    @property
    def present(self) -> tuple[str, ...]:
        """The traffic managers of this cluster, sorted."""
        return self._configuration.names(TRAFFIC_MANAGER.path)

    async def list(self) -> tuple[Kept, ...]:
        """All backups, oldest first."""
        return await asyncio.to_thread(self._shelf.list)

    async def look(self, name: str) -> Kept:
        """One backup by its manifest. Raises `NoBackup`."""
        try:
            kept = await asyncio.to_thread(self._shelf.look, name)
        except NameRefused:
            kept = None
        if kept is None:
            raise NoBackup(name)
        return kept

    async def create(
        self,
        actor: Author,
        name: str,
        description: str = "",
        *,
        secrets: bool = True,
        passphrase: str = "",
        scheduled: bool = False,
    ) -> Kept:
        """Backs the configuration of now up. Raises `Invalid` (names, texts), `BackupRefused` (one of that name is
        there, or it would be too large), `CannotStore`.
        """
        _check(name, description, passphrase)
        manifest = Manifest(
            time=int(self._clock()),
            description=description,
            traffic_manager=self._maker.name,
            uuid=self._maker.uuid,
            members=self.present,
            scheduled=scheduled,
        )
        content = Content(self._store.objects, self._users.texts)
        async with self._turn:
            names = await asyncio.to_thread(self._shelf.names)
            if name in names:
                raise BackupRefused(
                    f'there is a backup "{name}" already; choose another name, or delete that one'
                )
            if len(names) >= MOST:
                raise BackupRefused(f"there are {MOST} backups already; delete some")
            try:
                data = await asyncio.to_thread(
                    write,
                    manifest,
                    content,
                    secrets="included" if secrets else "left out",
                    passphrase=passphrase,
                )
            except ArchiveRefused as error:
                raise BackupRefused(str(error)) from None
            await self._write(name, data)
        self._tell(actor, f'made the backup "{name}"')
        return await self.look(name)

    async def describe(self, actor: Author, name: str, description: str) -> Kept:
        """Gives a backup another description. Raises `NoBackup`, `Invalid`, `BackupRefused`, `CannotStore`."""
        _check(name, description, "")
        async with self._turn:
            data = await self._data(name)
            try:
                await self._write(name, await asyncio.to_thread(with_description, data, description))
            except ArchiveRefused as error:
                raise BackupRefused(f'the backup "{name}": {error}') from None
        self._tell(actor, f'described the backup "{name}" anew')
        return await self.look(name)

    async def delete(self, actor: Author, name: str) -> None:
        """Deletes a backup. Raises `NoBackup`, `CannotStore`."""
        try:
            async with self._turn:
                there = await asyncio.to_thread(self._shelf.delete, name)
        except NameRefused:
            there = False
        except OSError as error:
            raise CannotStore(
                f'the backup "{name}" was not deleted ({error.strerror or error}); repair the disk, then repeat'
            ) from error
        if not there:
            raise NoBackup(name)
        self._tell(actor, f'deleted the backup "{name}"')

    async def upload(self, actor: Author, name: str, data: bytes) -> bool:
        """Takes an archive in, in the place of one of that name; whether it is new. Raises as `create` does."""
        _check(name, "", "")
        async with self._turn:
            try:
                manifest = (await asyncio.to_thread(read, data)).manifest
            except ArchiveRefused as error:
                raise BackupRefused(str(error)) from None
            names = await asyncio.to_thread(self._shelf.names)
            if name not in names and len(names) >= MOST:
                raise BackupRefused(f"there are {MOST} backups already; delete some")
            await self._write(name, data)
        made = f"made by {manifest.traffic_manager} with version {manifest.version}"
        self._tell(actor, f'uploaded the backup "{name}", {made}')
        return name not in names

    async def download(
        self,
        actor: Author,
        name: str,
        *,
        secrets: bool = True,
        passphrase: str = "",
        new_passphrase: str = "",
    ) -> bytes:
        """The archive as it is stored; or with its secrets left out, or sealed under another passphrase.

        `passphrase` is the one it is sealed with. Raises `NoBackup`, `BackupRefused`, `Invalid`.
        """
        if new_passphrase:
            _check("any", "", new_passphrase)
        data = await self._data(name)
        how = "as it is stored"
        if not secrets or new_passphrase:
            how = "under a passphrase" if secrets else "without secrets"
            async with self._turn:
                archive = await self._read(name, data, passphrase)
                if secrets and archive.manifest.secrets == "sealed" and not passphrase:
                    raise BackupRefused(f'the backup "{name}" is sealed; give its passphrase as well')
                data = await asyncio.to_thread(
                    write,
                    replace(archive.manifest, level=LEVEL),
                    archive.content,
                    secrets="included" if secrets and archive.manifest.secrets != "left out" else "left out",
                    passphrase=new_passphrase,
                )
        self._tell(actor, f'downloaded the backup "{name}" {how}')
        return data

    async def read(self, name: str, passphrase: str = "") -> Archive:
        """The whole backup, checked. Raises `NoBackup`, `BackupRefused`."""
        async with self._turn:
            return await self._read(name, await self._data(name), passphrase)

    async def compare(self, name: str, other: str = "", passphrase: str = "") -> tuple[ObjectChange, ...]:
        """What changed from a backup to another one, or to the configuration of now; secrets as fingerprints, and
        those that are not at hand count as unchanged.
        """
        archive = await self.read(name, passphrase)
        now: Objects = self._store.objects
        if other:
            second = await self.read(other, passphrase)
            now = without_missing(second.content.objects, second, archive.content.objects)
        before = without_missing(archive.content.objects, archive, now)
        return await asyncio.to_thread(compare, before, now, BY_PATH)

    async def preview(self, name: str, wish: Wish, passphrase: str = "") -> Restoring:
        """What a restore would do; nothing is changed. Raises `NoBackup`, `BackupRefused`, `Invalid`."""
        archive = await self.read(name, passphrase)
        answering = await self._answering(archive)
        restoring = await self._plan(archive, wish, answering)
        await self._configuration.check(restoring.edit.changes)
        return restoring

    async def restore(
        self, actor: Author, name: str, wish: Wish, passphrase: str = "", reason: str = ""
    ) -> Restored:
        """Restores a backup as one transaction. Raises as `preview` does, and `CannotStore`, `Conflict`,
        `Forbidden`.
        """
        archive = await self.read(name, passphrase)
        answering = await self._answering(archive)
        why = reason or f'restore of the backup "{name}"' + (f": {', '.join(wish.only)}" if wish.only else "")
        for attempt in range(ATTEMPTS):
            revision = self._store.revision
            restoring = await self._plan(archive, wish, answering)
            self.permit_restore(actor, restoring.edit.changes, wish.users)
            if not restoring.edit.changes:
                break
            try:
                revision = await self._configuration.edit(actor, restoring.edit.changes, why, base=revision)
                break
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
        users = await self._restore_users(archive) if wish.users else ()
        count = len(restoring.edit.changes)
        told = f'restored the backup "{name}": {count} objects changed, {len(restoring.remarks)} remarks'
        self._tell(actor, told + (f", passwords of {', '.join(users)}" if users else ""))
        return Restored(revision, restoring, users)

    async def _restore_users(self, archive: Archive) -> tuple[str, ...]:
        if not archive.content.users:
            raise BackupRefused(
                "the configuration was restored; the backup has no passwords at hand, so they stay"
            )
        try:
            return await self._users.restore(archive.content.users)
        except (PasswordRefused, OSError) as error:
            raise BackupRefused(f"the configuration was restored, but not the passwords: {error}") from None

    async def _plan(self, archive: Archive, wish: Wish, answering: frozenset[str]) -> Restoring:
        return await asyncio.to_thread(
            plan_restore,
            archive,
            self._store.objects,
            wish,
            uuid=self._maker.uuid,
            refused=self._licensing.problems,
            answering=answering,
        )

    async def _answering(self, archive: Archive) -> frozenset[str]:
        """Traffic IPs of the backup that this cluster has not, and somebody answers at."""
        if self._answers is None:
            return frozenset()
        new = sorted(_addresses(archive.content.objects) - _addresses(self._store.objects))
        found = await asyncio.gather(*map(self._answers, new))
        return frozenset(address for address, answers in zip(new, found, strict=True) if answers)

    async def _data(self, name: str) -> bytes:
        try:
            data = await asyncio.to_thread(self._shelf.read, name)
        except NameRefused:
            data = None
        except OSError as error:
            raise BackupRefused(
                f'the backup "{name}" cannot be read ({error.strerror or error}); repair the disk'
            ) from error
        if data is None:
            raise NoBackup(name)
        return data

    async def _read(self, name: str, data: bytes, passphrase: str) -> Archive:
        try:
            return await asyncio.to_thread(read, data, passphrase[:LONGEST_PASSPHRASE])
        except ArchiveRefused as error:
            raise BackupRefused(f'the backup "{name}": {error}') from None

    async def _write(self, name: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._shelf.write, name, data)
        except OSError as error:
            raise CannotStore(
                f'the backup "{name}" was not stored ({error.strerror or error}); free space, then repeat'
            ) from error

    def _tell(self, actor: Author, what: str) -> None:
        where = f" at {actor.surface_name}" + (f" from {actor.address}" if actor.address else "")
        text = what + (where if actor.surface != "product" else "")
        self._on_event(Event("general", "audit", Severity.INFO, None, text, author=actor.name))


def _addresses(objects: Objects) -> set[str]:
    """The traffic IPs of groups that are enabled."""
    return {
        str(address)
        for identity, settings in objects.items()
        if identity.type == GROUPS and settings.get("basic", {}).get("enabled", True)
        for address in settings.get("basic", {}).get("ipaddresses", ())
    }


def _check(name: str, description: str, passphrase: str) -> None:
    """Refuses names and texts that no surface could carry. Raises `Invalid`."""
    problems: list[Problem] = []
    try:
        file_name(name)
    except NameRefused as error:
        problems.append(Problem(None, ("name",), "name.invalid", str(error)))
    if len(description) > DESCRIPTION_LIMIT or not all(c.isprintable() or c in "\t\n" for c in description):
        text = (
            f"must be text of {DESCRIPTION_LIMIT} characters at most, without control characters; shorten it"
        )
        problems.append(Problem(None, ("description",), "value.invalid", text))
    if passphrase and not SHORTEST_PASSPHRASE <= len(passphrase) <= LONGEST_PASSPHRASE:
        text = f"must have {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} characters; choose another"
        problems.append(Problem(None, ("passphrase",), "value.invalid", text))
    if problems:
        raise Invalid(tuple(problems))
