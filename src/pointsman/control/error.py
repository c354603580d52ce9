"""Why a use case could not be carried out, as exceptions that every surface translates into its own words.

Invariant: the text names the object and the remedy, and holds nothing secret.
"""

from __future__ import annotations

from pointsman.schema.problem import ObjectId


class ControlError(Exception):
    """Base of the refusals below; `str()` is a sentence for the administrator."""


class NotFound(ControlError):
    """The object does not exist."""

    def __init__(self, identity: ObjectId) -> None:
        super().__init__(f"{identity}: there is no such object")
        self.identity = identity


class Forbidden(ControlError):
    """The operation is not allowed on this kind of object."""


class InUse(ControlError):
    """The object cannot be deleted, because `users` refer to it."""

    def __init__(self, identity: ObjectId, users: tuple[ObjectId, ...]) -> None:
        shown = ", ".join(str(user) for user in users[:5]) + (" and more" if len(users) > 5 else "")
        super().__init__(f"{identity} is used by {shown}; change what uses it first")
        self.identity = identity
        self.users = users


class CannotStore(ControlError):
    """The change did not reach the disk, and nothing of it is in force."""


class Frozen(ControlError):
    """The configuration cannot be changed at present, because the members of the cluster run different versions."""


class Conflict(ControlError):
    """Somebody else changed the object since the caller read it."""

    def __init__(self, identity: ObjectId, changed_at: int) -> None:
        super().__init__(
            f"{identity} was changed meanwhile, in revision {changed_at}; read it again, then repeat"
        )
        self.identity = identity
        self.changed_at = changed_at


class NoSuchRevision(ControlError):
    """A revision that there never was, or that is older than the log."""
