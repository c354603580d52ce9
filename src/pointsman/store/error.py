"""Everything that can go wrong with the store, as exceptions that name the file or object and the remedy.

    StoreError
    +- StoreInUse      another process has the directory open
    +- StoreDamaged    a file is missing, torn or altered; nothing is guessed, nothing is overwritten
    +- StoreTooNew     written by a later version
    +- NotStored       a write did not reach the disk; the configuration is what it was
    +- UnknownRevision a number that no transaction has
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


class UnknownRevision(StoreError):
    """A question about a revision that does not exist."""

    def __init__(self, revision: int, last: int) -> None:
        super().__init__(f"there is no revision {revision}; give one from 0 (nothing) to {last} (now)")


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
