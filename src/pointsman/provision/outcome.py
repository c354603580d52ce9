"""How a container's start ends when it cannot go on: exit statuses, and the exception that carries one.

Invariant: each status means one thing, and the manual says which.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence


class Exit(enum.IntEnum):
    """Exit statuses of `pointsman-container`. Those of the instance itself are 0, 1 and 4."""

    OK = 0
    """Stopped as told."""
    INSTANCE = 1
    """The instance cannot run: a port, a damaged file; or a command that failed."""
    USAGE = 2
    """Wrong words on the command line."""
    IN_USE = 4
    """Another instance uses the same home."""
    EULA = 10
    """`ZEUS_EULA` is not `accept`."""
    VARIABLE = 11
    """A variable is unusable."""
    PACKAGES = 12
    """Packages of `ZEUS_PACKAGES` could not be installed."""
    LICENCE = 13
    """The licence key of `ZEUS_LIC` could not be downloaded, or is none of ours."""
    DOCUMENTS = 14
    """Configuration documents cannot be used at the first start."""
    CLUSTER = 15
    """Joining a cluster failed."""
    FILES = 16
    """A file or directory that must be written cannot be."""


class CannotProvision(Exception):
    """Why the start cannot go on: the sentence for the log, and the exit status.

    `details` are further sentences, which are logged before it.
    """

    def __init__(self, status: Exit, text: str, details: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.details = tuple(details)
