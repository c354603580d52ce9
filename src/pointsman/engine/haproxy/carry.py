"""What a new worker is told of the nodes' health by the one before (HAProxy's server-state file).

Invariant: configuration decides weight, address and whether a node is enabled; only health is carried over,
and only for a node that something watches, which can therefore correct it.
"""

from __future__ import annotations

from collections.abc import Container

from pointsman.compiler.plan import Plan, Server

# Columns of `show servers state`, version 1 (HAProxy management guide, section 9.3).
_BACKEND, _SERVER, _ADDRESS, _ADMIN, _WEIGHT, _INITIAL_WEIGHT, _PORT = 1, 3, 4, 6, 7, 8, 18
_READY = "0"
_FORCED_MAINTENANCE = "1"


def is_watched(server: Server) -> bool:
    """Whether health carried over is put right when it is wrong: a check of the engine's or of ours."""
    return (server.checked or server.judged) and not server.tracks


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
        words[_ADMIN] = _FORCED_MAINTENANCE if key in held else _READY
        words[_WEIGHT] = words[_INITIAL_WEIGHT] = str(server.weight)
        rows.append(" ".join(words))
    return "\n".join(rows).rstrip("\n") + "\n"
