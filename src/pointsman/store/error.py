"""Everything that can go wrong with the store, as exceptions that name the file or object and the remedy.

    StoreError
    +- StoreInUse      another process has the directory open
    +- StoreDamaged    a file is missing, torn or altered; nothing is guessed, nothing is overwritten
    +- StoreTooNew     written by a later version
    +- NotStored       a write did not reach the disk; the configuration is what it was
    +- UnknownRevision a number that no transaction has
    |  +- RevisionTrimmed  it had one, which is no longer in the log
    +- KeyRefused      a data key that does not fit those that are here
    +- StateRefused    a whole state from another member that is not one
    +- ParcelRefused   a transaction from another member that is not one
    |  +- OriginForked it contradicts one that is here
    +- Outdated        the configuration is not the one the changes were checked against
    +- EditRefused     a change that makes no sense; nothing was written
       +- UnknownObject
       +- NameTaken
       +- UnknownField

Invariant: after any of these the files hold what was acknowledged before.
"""

from __future__ import annotations

from pathlib import Path

from pointsman.schema.problem import ObjectId


class StoreError(Exception):
    """The root of the tree above."""


class StoreInUse(StoreError):
    """Another process has the store open."""

    def __init__(self, directory: Path, holder: str) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(
            f"{directory} is in use by {who}; stop it first, or give this instance another --home"
        )


class StoreDamaged(StoreError):
    """A file of the store cannot be trusted; `file` says which."""

    def __init__(self, file: Path, fault: str, remedy: str = "") -> None:
        remedy = (
            remedy or f"restore {file.parent} from a backup, or move it away to start with no configuration"
        )
        super().__init__(f"{file}: {fault}; {remedy}")
        self.file = file


class StoreTooNew(StoreError):
    """The files were written by a later version."""

    def __init__(self, file: Path, found: int, known: int) -> None:
        super().__init__(
            f"{file}: has schema level {found}, this version knows levels up to {known}; "
            f"run the newer version, or restore a backup that this version made"
        )


class NotStored(StoreError):
    """A transaction could not be written; nothing of it is in force."""

    def __init__(self, file: Path, cause: str) -> None:
        super().__init__(f"{file}: not stored: {cause}; free space or repair the disk, then try again")
        self.cause = cause


class UnknownRevision(StoreError):
    """A question about a revision that does not exist."""

    def __init__(self, revision: int, last: int) -> None:
        super().__init__(f"there is no revision {revision}; give one from 0 (nothing) to {last} (now)")


class RevisionTrimmed(UnknownRevision):
    """A question about what is older than the log."""

    def __init__(self, what: str, first: int) -> None:
        StoreError.__init__(
            self, f"{what} is older than the log, which begins with revision {first}; look into a backup"
        )


class KeyRefused(StoreError):
    """A data key that is none, or another one of the same generation."""

    def __init__(self, generation: int, fault: str) -> None:
        super().__init__(f"generation {generation} of the data key: {fault}; make a new generation instead")


class StateRefused(StoreError):
    """The state of another member cannot be taken over; nothing of it is."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"the state that another member sent is not usable: {fault}; ask for it again")


class ParcelRefused(StoreError):
    """A transaction from another member is malformed; neither it nor what came with it is taken.

    `origin` is the installation whose transaction it claims to be.
    """

    def __init__(self, origin: str, fault: str, remedy: str = "") -> None:
        remedy = remedy or "bring that member to this version, or remove it from the cluster"
        super().__init__(f"a transaction of origin {origin} is refused: {fault}; {remedy}")
        self.origin = origin


class OriginForked(ParcelRefused):
    """Two different transactions carry the same number: a machine was set back to an earlier state while it ran."""

    def __init__(self, origin: str, sequence: int) -> None:
        super().__init__(
            origin,
            f"number {sequence} does not continue those that are here",
            "its machine was set back to an earlier state; take over the whole state of another member",
        )


class Outdated(StoreError):
    """Another transaction came between a check and the commit; check again."""

    def __init__(self, expected: int, present: int) -> None:
        super().__init__(
            f"the configuration is at revision {present}, no longer at {expected}; check the changes again"
        )


class EditRefused(StoreError):
    """A change that cannot be carried out on the present configuration."""


class UnknownObject(EditRefused):
    """There is no such object, or no such type."""

    def __init__(self, identity: ObjectId, what: str = "there is no such object; make it first") -> None:
        super().__init__(f"{identity}: {what}")


class NameTaken(EditRefused):
    """A new name belongs to another object."""

    def __init__(self, identity: ObjectId, name: str) -> None:
        super().__init__(
            f'{identity}: cannot be called "{name}", another object has that name; choose another name'
        )


class UnknownField(EditRefused):
    """A section or key that the type does not have, or a value that does not have the shape of its key."""

    def __init__(self, identity: ObjectId, path: str, fault: str = "there is no such key; remove it") -> None:
        super().__init__(f"{identity}: {path}: {fault}")
