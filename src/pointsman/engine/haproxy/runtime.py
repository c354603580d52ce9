"""Changes to a running worker, as commands with the answers they must get.

Invariant: an operation counts as done only when every command got its answer; anything else is a failure
with a reason, after which the caller must reload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from pointsman.compiler.difference import (
    AddListEntry,
    AddServer,
    ChangeServer,
    DropCertificate,
    DropListEntry,
    Operation,
    PutCertificate,
    RemoveServer,
    SetMap,
)
from pointsman.compiler.plan import Server
from pointsman.engine.haproxy.worker import Key, Worker

_PAYLOAD_BYTES = 14_000
"""HAProxy takes a command with its payload into one buffer (tune.bufsize, 16,384 bytes by default)."""

_BARE_WORD = re.compile(r"[A-Za-z0-9_./:@+=,()\[\]-]+")


class NotAtRunTime(Exception):
    """An operation that the worker did not take; the message says which and why."""


@dataclass(frozen=True)
class _Command:
    """A command and a text its answer must hold; "" for a command that is silent when it succeeds."""

    text: str
    answer: str = ""


async def perform(
    worker: Worker, operations: Sequence[Operation], is_up: Callable[[str, Server], bool]
) -> None:
    """Does the operations in order. `is_up(backend, server)` is our monitors' verdict on a judged server.

    Raises NotAtRunTime, EngineUnreachable.
    """
    for operation in operations:
        match operation:
            case AddServer(backend, server):
                await _add(worker, backend, server, is_up(backend, server))
            case RemoveServer(backend, server):
                key = (backend, server.name)
                await _do(worker, (_Command(f"set server {backend}/{server.name} state maint"),))
                worker.lingering[key] = server
            case ChangeServer(backend, before, after):
                await _do(worker, _change(f"{backend}/{after.name}", before, after))
            case PutCertificate(path, pem, replace):
                await _do(worker, _put_certificate(path, pem, replace=replace))
            case DropCertificate(path):
                await _do(worker, (_Command(f"del ssl cert {path}", "deleted"),))
            case AddListEntry(path, entry):
                command = f"add ssl crt-list {path} <<\n{_payload(entry)}"
                await _do(worker, (_Command(command, "Success!"),))
            case DropListEntry(path, entry):
                await _drop_list_entry(worker, path, entry)
            case SetMap(path, entries):
                await _set_map(worker, path, entries)
            case _:
                assert_never(operation)


async def delete_lingering(worker: Worker) -> None:
    """Deletes the servers out of service whose last connection has ended. Raises EngineUnreachable."""
    keys = tuple(key for key in worker.lingering if key not in worker.fixed)
    answers = await worker.talk.ask_all([f"del server {backend}/{server}" for backend, server in keys])
    for key, answer in zip(keys, answers, strict=True):
        if answer.startswith(("Server deleted", "No such server")):
            _forget(worker, key)
        elif "other configuration elements" in answer:
            worker.fixed.add(key)


def describe(operation: Operation) -> str:
    """The sentence that says what an operation does, in the administrator's words."""
    match operation:
        case AddServer(backend, server):
            return f"{_where(backend, server)}: added"
        case RemoveServer(backend, server):
            return f"{_where(backend, server)}: removed"
        case ChangeServer(backend, before, after):
            changes = []
            if before.enabled != after.enabled:
                changes.append("enabled" if after.enabled else "disabled")
            if before.weight != after.weight:
                changes.append(f"weight {after.weight}" if after.weight else "draining")
            if (before.address, before.port) != (after.address, after.port):
                changes.append(f"address {after.address}:{after.port}")
            return f"{_where(backend, after)}: {', '.join(changes) or 'unchanged'}"
        case PutCertificate(path, _, replace):
            return f"certificate {path}: {'replaced' if replace else 'added'}"
        case DropCertificate(path):
            return f"certificate {path}: removed"
        case AddListEntry(path, entry):
            return f"certificate list {path}: {entry} added"
        case DropListEntry(path, entry):
            return f"certificate list {path}: {entry} removed"
        case SetMap(path, entries):
            return f"map {path}: set to {len(entries)} entries"
        case _:
            assert_never(operation)


def _where(backend: str, server: Server) -> str:
    pool = server.origin.subject.name if server.origin is not None else backend
    return f"pool {pool}: node {server.node}"


async def _do(worker: Worker, commands: Sequence[_Command]) -> None:
    answers = await worker.talk.ask_all([command.text for command in commands])
    for command, answer in zip(commands, answers, strict=True):
        if (command.answer not in answer) if command.answer else answer:
            first_line = command.text.partition("\n")[0].removesuffix(" <<")
            raise NotAtRunTime(f"`{first_line}` was answered: {' '.join(answer.split()) or 'nothing'}")


async def _add(worker: Worker, backend: str, server: Server, up: bool) -> None:
    key = (backend, server.name)
    name = f"{backend}/{server.name}"
    agent = _Command(f"set server {name} agent {'up' if up else 'down'}")
    if key in worker.lingering:
        former = worker.lingering[key]
        if former is not None and (former.options, former.dynamic_options) == (
            server.options,
            server.dynamic_options,
        ):
            commands = list(_change(name, former, server))
            # A server that tracks another one has no agent of its own, unless it was added at run time.
            if server.judged and (not server.tracks or key in worker.dynamic):
                commands.append(agent)
                worker.told[key] = up
            if server.enabled:
                commands.append(_Command(f"set server {name} state ready"))
            await _do(worker, commands)
            del worker.lingering[key]
            worker.fixed.discard(key)
            return
        await delete_lingering(worker)
        if key in worker.lingering:
            raise NotAtRunTime(f"the former {_where(backend, server)} still has connections")
    options = " ".join(_unquoted(server.dynamic_options))
    command = f"add server {name} {_endpoint(server)} weight {server.weight} {options}".rstrip()
    commands = [_Command(command, "New server registered")]
    # A new server is in maintenance, its checks are off, and with a check it starts down (2.8.25). An
    # agent's verdict comes first, so that a node that is known to be dead never serves.
    if "agent-check" in server.dynamic_options:
        commands += [_Command(f"enable agent {name}"), agent]
        worker.told[key] = up
    if "check" in server.dynamic_options:
        commands.append(_Command(f"enable health {name}"))
    if server.enabled:
        commands.append(_Command(f"enable server {name}"))
    if up and "check" in server.dynamic_options:
        commands.append(_Command(f"set server {name} health up"))
    if up and "agent-check" in server.dynamic_options:
        commands.append(agent)
    await _do(worker, commands)
    worker.dynamic.add(key)


def _unquoted(words: Sequence[str]) -> Sequence[str]:
    """`words` as the socket takes them. It knows no quotes and ends a command at a semicolon (2.8.25), so what is one
    word of the configuration file could be commands here: such words are left to a reload.
    """
    for word in words:
        if not _BARE_WORD.fullmatch(word):
            raise NotAtRunTime(f"the option {word} cannot be given at run time")
    return words


def _change(name: str, before: Server, after: Server) -> tuple[_Command, ...]:
    commands = []
    if (before.address, before.port) != (after.address, after.port):
        commands.append(
            _Command(f"set server {name} addr {after.address} port {after.port}", "stats socket command")
        )
    if before.weight != after.weight:
        commands.append(_Command(f"set server {name} weight {after.weight}"))
    if before.enabled != after.enabled:
        commands.append(_Command(f"set server {name} state {'ready' if after.enabled else 'maint'}"))
    return tuple(commands)


def _endpoint(server: Server) -> str:
    return f"[{server.address}]:{server.port}" if ":" in server.address else f"{server.address}:{server.port}"


def _put_certificate(path: str, pem: bytes, *, replace: bool) -> tuple[_Command, ...]:
    commands = () if replace else (_Command(f"new ssl cert {path}", "New empty certificate store"),)
    return (
        *commands,
        _Command(f"set ssl cert {path} <<\n{_payload(pem.decode())}", "ransaction"),
        _Command(f"commit ssl cert {path}", "Success!"),
    )


def _payload(text: str) -> str:
    """A payload; the line break that ends the command makes the empty line HAProxy waits for."""
    lines = "".join(f"{line}\n" for line in text.splitlines() if line.strip())
    if len(lines) > _PAYLOAD_BYTES:
        raise NotAtRunTime(f"{len(lines)} bytes are more than the engine takes at run time")
    return lines


async def _drop_list_entry(worker: Worker, path: str, entry: str) -> None:
    """Finds the entry's line first: one certificate may stand in a list more than once."""
    listing = await worker.talk.ask(f"show ssl crt-list -n {path}")
    certificate, names = _entry_parts(entry)
    for line in listing.split("\n"):
        file, separator, number = line.partition(" ")[0].rpartition(":")
        if separator and file == certificate and _entry_parts(line)[1] == names:
            await _do(worker, (_Command(f"del ssl crt-list {path} {certificate}:{number}", "deleted"),))
            return
    raise NotAtRunTime(f"certificate list {path} has no entry {entry}")


def _entry_parts(entry: str) -> tuple[str, frozenset[str]]:
    """A list entry's certificate and host names; the options in brackets do not tell entries apart."""
    before, _, rest = entry.partition("[")
    words = (before + " " + rest.partition("]")[2] if rest else before).split()
    return words[0] if words else "", frozenset(words[1:])


async def _set_map(worker: Worker, path: str, entries: Sequence[tuple[str, str]]) -> None:
    """Fills a new version of the map and puts it in place in one act."""
    answer = await worker.talk.ask(f"prepare map {path}")
    version = answer.removeprefix("New version created: ")
    if not version.isdigit():
        raise NotAtRunTime(f"`prepare map {path}` was answered: {answer}")
    await _do(worker, (*_map_lines(version, path, entries), _Command(f"commit map @{version} {path}")))


def _map_lines(version: str, path: str, entries: Sequence[tuple[str, str]]) -> Iterator[_Command]:
    """The commands that add entries to a version of a map, as many to a command as a payload may hold."""
    payload = ""
    for key, value in entries:
        line = f"{key} {value}\n"
        if payload and len(payload) + len(line) > _PAYLOAD_BYTES:
            yield _Command(f"add map @{version} {path} <<\n{_payload(payload)}")
            payload = ""
        payload += line
    if payload:
        yield _Command(f"add map @{version} {path} <<\n{_payload(payload)}")


def _forget(worker: Worker, key: Key) -> None:
    del worker.lingering[key]
    worker.dynamic.discard(key)
    worker.told.pop(key, None)
