"""What a new worker is told of the nodes' health by the one before (HAProxy's server-state file).

Invariant: configuration decides weight, address and whether a node is enabled; only health is carried over,
and only for a node that something watches, which can therefore correct it.
"""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import Path

from pointsman.compiler.plan import Plan, Server
from pointsman.engine.haproxy.account import Account

# Columns of `show servers state`, version 1 (HAProxy management guide, section 9.3).
_BACKEND, _SERVER, _ADDRESS, _ADMIN, _WEIGHT, _INITIAL_WEIGHT, _PORT = 1, 3, 4, 6, 7, 8, 18
_READY = "0"
_FORCED_MAINTENANCE = "1"
_ANY_MAINTENANCE = (
    0x67  # SRV_ADMF_*MAINT of HAProxy 2.8: forced, inherited, by configuration, by name, by host
)


def is_watched(server: Server) -> bool:
    """Whether health carried over is put right when it is wrong: a check of the engine's or of ours."""
    return (server.checked or server.judged) and not server.tracks


def carry_held(table: str, plan: Plan, held: Collection[tuple[str, str]]) -> str:
    """The server-state file for an engine that starts: only the servers in `held`, kept out until more is known.

    `table` is the file of the engine before it, whose other figures say nothing about now.
    """
    lines = table.split("\n")
    rows = [line for line in lines if not _is_row(line) or _key(line) in held]
    return carry_states("\n".join(rows), plan, held) if held else ""


def held_back(table: str, plan: Plan) -> tuple[tuple[str, str], ...]:
    """The servers that a worker keeps in maintenance since it loaded, while the plan has them enabled.

    `table` is its `show servers state`.
    """
    enabled = {
        (section.backend, server.name)
        for section in plan.sections
        for server in section.servers
        if server.judged and server.enabled
    }
    rows = [line for line in table.split("\n") if _is_row(line)]
    return tuple(
        key
        for line in rows
        if (key := _key(line)) in enabled and int(line.split(" ")[_ADMIN]) & int(_FORCED_MAINTENANCE)
    )


def read_states(path: Path) -> str:
    """The server-state file, "" where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def write_states(path: Path, content: str, account: Account | None = None) -> None:
    """Replaces the server-state file, which `account` may read. Raises OSError."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(content)
    if account is not None:
        account.share(new)
    new.rename(path)


def _is_row(line: str) -> bool:
    return not line.startswith("#") and line.count(" ") >= _PORT


def _key(line: str) -> tuple[str, str]:
    words = line.split(" ")
    return words[_BACKEND], words[_SERVER]


def carry_states(table: str, plan: Plan, held: Container[tuple[str, str]] = ()) -> str:
    """The server-state file for a worker that is to load `plan`, from another's `show servers state`.

    Servers in `held`, by (backend, server), start in maintenance: HAProxy (2.8.25) carries neither an
    agent's state nor what it decided, so that a node our monitors found dead would be brought up by its
    first successful connect, before anybody can say otherwise. A server that tracks another has no row: it
    follows from the start.
    """
    servers = {
        (section.backend, server.name): server
        for section in plan.sections
        if section.backend
        for server in section.servers
        if is_watched(server)
    }
    rows = []
    for line in table.split("\n"):
        words = line.split(" ")
        if line.startswith("#") or len(words) <= _PORT:
            rows.append(line)
            continue
        key = (words[_BACKEND], words[_SERVER])
        server = servers.get(key)
        if server is None or (words[_ADDRESS], words[_PORT]) != (server.address, str(server.port)):
            continue
        if int(words[_ADMIN]) & _ANY_MAINTENANCE and key not in held:
            continue  # there every server is called stopped, which says nothing about its health
        words[_ADMIN] = _FORCED_MAINTENANCE if key in held else _READY
        words[_WEIGHT] = words[_INITIAL_WEIGHT] = str(server.weight)
        rows.append(" ".join(words))
    return "\n".join(rows).rstrip("\n") + "\n"
