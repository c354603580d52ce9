"""The least act that turns one plan into another: nothing, operations at run time, or a reload with its reasons.

Pure. Invariant: performing the operations on an engine that runs `old` leaves it serving exactly `new`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.compiler.plan import Plan, Server


@dataclass(frozen=True)
class AddServer:
    """Adds a node to a running backend."""

    backend: str
    server: Server


@dataclass(frozen=True)
class RemoveServer:
    """Takes a node out of service at once; it is deleted when its last connection has ended."""

    backend: str
    server: Server


@dataclass(frozen=True)
class ChangeServer:
    """Changes weight, enabled state or address of a running server from `before` to `after`."""

    backend: str
    before: Server
    after: Server


@dataclass(frozen=True)
class PutCertificate:
    """Loads a certificate under `path`, replacing the one there when `replace`."""

    path: str
    pem: bytes
    replace: bool


@dataclass(frozen=True)
class DropCertificate:
    """Removes a certificate that no list names any more."""

    path: str


@dataclass(frozen=True)
class AddListEntry:
    """Adds a line to a certificate list."""

    list_path: str
    entry: str


@dataclass(frozen=True)
class DropListEntry:
    """Removes a certificate's line from a certificate list."""

    list_path: str
    entry: str


@dataclass(frozen=True)
class SetMap:
    """Makes a map's content exactly `entries`."""

    path: str
    entries: tuple[tuple[str, str], ...]


Operation = (
    AddServer
    | RemoveServer
    | ChangeServer
    | PutCertificate
    | DropCertificate
    | AddListEntry
    | DropListEntry
    | SetMap
)


@dataclass(frozen=True)
class Nothing:
    """The engine already serves this plan."""


@dataclass(frozen=True)
class AtRunTime:
    """Operations that need no reload, in the order they must be done."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Reload:
    """A reload is needed; `reasons` are sentences such as "virtual server web: new"."""

    reasons: tuple[str, ...]


Step = Nothing | AtRunTime | Reload


def difference(old: Plan, new: Plan) -> Step:
    """The least act that leads from `old` to `new`."""
    raise NotImplementedError
