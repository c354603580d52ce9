"""The least act that turns one plan into another: nothing, operations at run time, or a reload with its reasons.

Pure. Invariant: performing the operations on an engine that runs `old` leaves it serving exactly `new`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pointsman.compiler.plan import ConfigSection, Plan, Server
from pointsman.schema.problem import ObjectId


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
    reasons = [*_section_reasons(old, new), *_file_reasons(old, new), *_list_reasons(old, new)]
    if reasons:
        return Reload(tuple(dict.fromkeys(reasons)))
    operations = (*_certificate_additions(old, new), *_server_operations(old, new), *_removals(old, new))
    return AtRunTime(operations) if operations else Nothing()


def _section_reasons(old: Plan, new: Plan) -> Iterator[str]:
    before = {section.header.text: section for section in old.sections}
    after = {section.header.text: section for section in new.sections}
    for header, section in after.items():
        if header in before and _needs_reload(before[header], section):
            yield f"{_subject(new, header)}: changed"
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    if added or removed:
        subjects_before = {_subject(old, header) for header in before}
        subjects_after = {_subject(new, header) for header in after}
        for header in (header for header in after if header in added):
            subject = _subject(new, header)
            yield f"{subject}: {'changed' if subject in subjects_before else 'new'}"
        for header in (header for header in before if header in removed):
            subject = _subject(old, header)
            yield f"{subject}: {'changed' if subject in subjects_after else 'removed'}"


def _subject(plan: Plan, header: str) -> str:
    """The object that a section stands for, in words."""
    proxy = plan.proxies.get(header.split()[1]) if header.startswith(("frontend ", "backend ")) else None
    if proxy is None or proxy.subject is None:
        return "the engine's own settings"
    return object_in_words(proxy.subject)


def object_in_words(subject: ObjectId) -> str:
    """An object as an administrator speaks of it: "virtual server web"."""
    words = {
        "bandwidth": "bandwidth class",
        "global_settings": "global settings",
        "pools": "pool",
        "virtual_servers": "virtual server",
    }
    return f"{words.get(subject.type, subject.type)} {subject.name}".rstrip()


def _needs_reload(old: ConfigSection, new: ConfigSection) -> bool:
    if old is new:
        return False  # what did not change is taken over from the plan before
    if [line.text for line in old.lines] != [line.text for line in new.lines]:
        return True
    before = {server.name: server for server in old.servers}
    return any(
        not _changes_at_run_time(before[server.name], server)
        for server in new.servers
        if server.name in before
    )


def _changes_at_run_time(old: Server, new: Server) -> bool:
    """Whether the two differ at most in weight, state, address and port."""
    return (old.options, old.dynamic_options, old.tracks) == (new.options, new.dynamic_options, new.tracks)


def _file_reasons(old: Plan, new: Plan) -> Iterator[str]:
    for path in sorted(old.files.keys() | new.files.keys()):
        if old.files.get(path) != new.files.get(path):
            yield f"file {path}: changed"
    for path in sorted(old.maps.keys() ^ new.maps.keys()):
        yield f"map {path}: {'new' if path in new.maps else 'removed'}"


def _list_reasons(old: Plan, new: Plan) -> Iterator[str]:
    """A list's first certificate is the default one, which cannot be exchanged at run time."""
    for path in sorted(old.certificate_lists.keys() & new.certificate_lists.keys()):
        if old.certificate_lists[path][:1] != new.certificate_lists[path][:1]:
            yield f"{_list_owner(new, path)}: default certificate changed"
    for path in sorted(old.certificate_lists.keys() ^ new.certificate_lists.keys()):
        here, which = (new, "new") if path in new.certificate_lists else (old, "removed")
        yield f"{_list_owner(here, path)}: certificate list {which}"


def _list_owner(plan: Plan, path: str) -> str:
    for section in plan.sections:
        if any(path in line.text.split() for line in section.lines):
            return _subject(plan, section.header.text)
    return f"certificate list {path}"


def _certificate_additions(old: Plan, new: Plan) -> Iterator[Operation]:
    """New certificates come before what names them, so that no handshake meets a gap."""
    for path, pem in sorted(new.certificates.items()):
        if old.certificates.get(path) != pem:
            yield PutCertificate(path, pem, replace=path in old.certificates)
    for path in sorted(new.certificate_lists):
        entries = old.certificate_lists.get(path, ())
        yield from (
            AddListEntry(path, entry) for entry in new.certificate_lists[path] if entry not in entries
        )
    for path in sorted(new.maps):
        if old.maps.get(path) != new.maps[path]:
            yield SetMap(path, new.maps[path])


def _server_operations(old: Plan, new: Plan) -> Iterator[Operation]:
    """Nodes are added first and removed last, so that a pool is never without those it keeps."""
    before = {section.backend: section for section in old.sections if section.backend}
    pairs = [
        (before[section.backend], section)
        for section in new.sections
        if section.backend and before[section.backend] is not section
    ]
    for past, present in pairs:
        known = {server.name for server in past.servers}
        yield from (
            AddServer(present.backend, server) for server in present.servers if server.name not in known
        )
    for past, present in pairs:
        earlier = {server.name: server for server in past.servers}
        for server in present.servers:
            if server.name in earlier and _place(earlier[server.name]) != _place(server):
                yield ChangeServer(present.backend, earlier[server.name], server)
    # Servers that follow another's health stand in the later sections, and are removed before the one they follow.
    for past, present in reversed(pairs):
        kept = {server.name for server in present.servers}
        yield from (RemoveServer(past.backend, server) for server in past.servers if server.name not in kept)


def _place(server: Server) -> tuple[str, int, int, bool]:
    return server.address, server.port, server.weight, server.enabled


def _removals(old: Plan, new: Plan) -> Iterator[Operation]:
    for path in sorted(new.certificate_lists):
        entries = new.certificate_lists[path]
        yield from (
            DropListEntry(path, entry)
            for entry in old.certificate_lists.get(path, ())
            if entry not in entries
        )
    yield from (DropCertificate(path) for path in sorted(old.certificates.keys() - new.certificates.keys()))
