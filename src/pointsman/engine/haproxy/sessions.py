"""HAProxy's `show table`: how many sessions of a pool are bound to each of its nodes.

Invariant: no more entries are read than was asked for, over all tables together, on connections of their own. HAProxy
writes a table on a thread that serves traffic, in pieces between which it serves: 5,000 entries are 420 kB and took
3 to 25 ms (2.8, measured on a busy machine); how many a table holds is told without going through it.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from pointsman.compiler.haproxy import name
from pointsman.engine.haproxy.socket import EngineUnreachable
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.stream import Sessions

_ANSWER_SECONDS = 5.0
_TABLE = re.compile(r"^# table: (\S+),.* used:(\d+)", re.M)
_SERVER = re.compile(r" server_key=(\S+)")


async def read_sessions(
    socket: Path, proxies: Mapping[str, Proxy], pools: Collection[str], most: int
) -> Mapping[str, Sessions]:
    """The sessions of those pools that have a table, of `most` entries at most; small tables come first, and of those
    that are left only the size is told. Raises EngineUnreachable.
    """
    wanted = {name.sessions(pool): pool for pool in pools if name.sessions(pool) in proxies}
    if not wanted:
        return {}
    sizes = {
        table: int(used)
        for table, used in _TABLE.findall(await _ask(socket, "show table"))
        if table in wanted
    }
    found: dict[str, Sessions] = {}
    for table, size in sorted(sizes.items(), key=lambda one: one[1]):
        pool = wanted[table]
        if size > most:
            found[pool] = Sessions(size, None)
            continue
        most -= size
        text = await _ask(socket, f"show table {table}") if size else ""
        found[pool] = Sessions(size, await asyncio.to_thread(count_by_node, text, _nodes(proxies, pool)))
    return found


def count_by_node(text: str, nodes: Mapping[str, str]) -> Mapping[str, int]:
    """The entries of a table by the nodes that servers stand for."""
    counted: Counter[str] = Counter()
    for server in _SERVER.findall(text):
        if server in nodes:
            counted[nodes[server]] += 1
    return counted


def _nodes(proxies: Mapping[str, Proxy], pool: str) -> Mapping[str, str]:
    """The nodes of a pool by the names of its servers, which are the same in each of its backends."""
    found: dict[str, str] = {}
    for proxy in proxies.values():
        if proxy.role is Role.POOL and proxy.subject == ObjectId("pools", pool):
            found.update(proxy.nodes or {})
    return found


async def _ask(socket: Path, command: str) -> str:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket, limit=1 << 20)
            try:
                writer.write(f"{command}\n".encode())
                parts = []
                while part := await reader.read(1 << 18):
                    parts.append(part)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise EngineUnreachable(f"{socket.name}: {error or 'no answer'}") from error
    return b"".join(parts).decode(errors="replace")
