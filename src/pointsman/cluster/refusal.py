"""Why an instance does not become a member, as causes that every caller can tell apart.

Invariant: each refusal leaves both sides as they were; the text names the cause and the remedy and holds no password.
"""

from __future__ import annotations

import enum


class Cause(enum.Enum):
    """What stands in the way; the value goes over the wire as `join.<value>`."""

    UNREACHABLE = "unreachable"
    FINGERPRINT = "fingerprint"
    PASSWORD = "password"  # noqa: S105 # the name of a cause
    WAIT = "wait"
    """Too many wrong passwords from here, or too many joins at once; later it may do."""
    FULL = "full"
    VERSION = "version"
    NAME = "name"
    UNRESOLVED = "unresolved"
    """The member that was asked cannot resolve the name, as the instance wished it to."""
    MEMBER = "member"
    """This instance is in a cluster already."""
    SERVICES = "services"
    """This instance has virtual servers of its own, which would be lost."""
    REQUEST = "request"
    """The two do not understand each other."""
    STORAGE = "storage"


class JoinRefused(Exception):
    """The instance did not join; `cause` says why for programs."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class NotPossible(Exception):
    """Something that was asked of the cluster cannot be done; the text says why and what to do."""
