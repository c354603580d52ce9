"""How a container's start ends when it cannot go on: exit statuses, and the exception that carries one.

Invariant: each status means one thing, and the manual says which.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence


class Exit(enum.IntEnum):
    """Exit statuses of `pointsman-container`, each with what it means."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Exit:
        """A status with its meaning."""
        made = int.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    OK = 0, "Stopped as told, also in the middle of the first start; the next start goes on."
    INSTANCE = 1, "The instance cannot run: a port in use, a damaged file."
    USAGE = 2, "Wrong words on the command line."
    IN_USE = 4, "Another container uses the same home."
    EULA = 10, "`ZEUS_EULA` is not `accept`."
    VARIABLE = 11, "A variable is unusable; each that is has a line of its own."
    PACKAGES = 12, "Packages of `ZEUS_PACKAGES` could not be installed."
    LICENCE = 13, "The key of `ZEUS_LIC` could not be downloaded, or is none that is taken here."
    DOCUMENTS = 14, "Configuration documents cannot be used at the first start."
    CLUSTER = 15, "The instance should join a cluster, and cannot."
    FILES = 16, "A file or directory cannot be written, or the container's file system is read-only."


class CannotProvision(Exception):
    """Why the start cannot go on: the sentence for the log, and the exit status.

    `details` are further sentences, which are logged before it.
    """

    def __init__(self, status: Exit, text: str, details: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.details = tuple(details)
