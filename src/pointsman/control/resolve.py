"""Host names of nodes and listening addresses, looked up by the system's resolver and remembered.

Invariant: a lookup never holds up an apply for longer than `PATIENCE`; a name that resolved once keeps its addresses
until the resolver says otherwise (a resolver that is down changes nothing, also when the control plane starts again
meanwhile: the last answers are kept in a file).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pointsman.private_file import write_private
from pointsman.schema.address import is_ipv4, split_end_point, split_ipv4_node, split_node
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.virtual_server import VirtualServer

PATIENCE = 2.0
REFRESH = 30.0


def names_in(snapshot: Snapshot) -> frozenset[str]:
    """Host names (not addresses) that the configuration mentions where an address is needed."""
    return Mentioned().names_in(snapshot)


class Mentioned:
    """`names_in` of one snapshot after another, for which only objects that changed are looked through."""

    def __init__(self) -> None:
        # One value, because threads may ask.
        self._last: tuple[Snapshot, Mapping[ObjectId, frozenset[str]], frozenset[str]]
        self._last = Snapshot(), {}, frozenset()

    def names_in(self, snapshot: Snapshot) -> frozenset[str]:
        """Host names that the configuration mentions where an address is needed."""
        before, known, names = self._last
        if snapshot is before:
            return names
        found: dict[ObjectId, frozenset[str]] = {}
        for identity, resource in snapshot.objects.items():
            unchanged = before.objects.get(identity) is resource
            mentioned = known.get(identity) if unchanged else _mentioned(resource)
            if mentioned:
                found[identity] = mentioned
        names = frozenset[str]().union(*found.values())
        self._last = snapshot, found, names
        return names


def _mentioned(resource: AnyResource) -> frozenset[str]:
    match resource:
        case Pool():
            rows = resource.basic.nodes_table
            hosts = [split_node(row.node)[0] for row in rows if not split_ipv4_node(row.node)]
        case VirtualServer():
            hosts = [*resource.basic.listen_on_hosts]
        case Monitor():
            hosts = [split_end_point(resource.basic.machine)[0]]
        case _:
            return frozenset()
    return frozenset(host for host in hosts if host and not _is_address(host))


def _is_address(text: str) -> bool:
    if is_ipv4(text):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _read(file: Path) -> dict[str, tuple[str, ...]]:
    try:
        content = json.loads(file.read_text())
        return {str(name): tuple(str(address) for address in found) for name, found in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(file: Path, answers: Mapping[str, tuple[str, ...]]) -> None:
    with contextlib.suppress(OSError):  # a full disk: the names are known as long as this process lives
        write_private(file, json.dumps(answers, indent=1).encode(), durable=False)


class Resolver:
    """Remembers what names resolve to, also in `file` (JSON: name -> addresses), which need not be writable."""

    def __init__(self, file: Path) -> None:
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="resolve")
        self._known: dict[str, tuple[str, ...]] = {}
        self._file = file
        self._saved = _read(file)

    async def addresses(self, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Addresses of each name that resolves; names not yet known are looked up now, within `PATIENCE`."""
        names = frozenset(names)
        await self._look_up(names - self._known.keys())
        return self.known(names)

    def known(self, names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Addresses of those names that were looked up before, without asking anybody."""
        return {name: self._known[name] for name in sorted(names) if self._known.get(name)}

    async def refresh(self, names: Iterable[str]) -> bool:
        """Looks all names up again and forgets others; says whether any answer differs."""
        names = frozenset(names)
        before = {name: found for name, found in self._known.items() if name in names}
        self._known = dict(before)
        await self._look_up(names)
        return self._known != before

    async def _look_up(self, names: Iterable[str]) -> None:
        pending = {name: self._ask(name) for name in names}
        if pending:
            await asyncio.gather(*pending.values())
        answered = {name: found for name, found in self._known.items() if found}
        if answered != self._saved:
            self._saved = answered
            _write(self._file, answered)

    async def _ask(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await asyncio.wait_for(
                loop.run_in_executor(
                    self._threads, lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                ),
                PATIENCE,
            )
        except (OSError, TimeoutError, UnicodeError):
            # Remembered as unknown, so that only `refresh` asks again.
            self._known.setdefault(name, self._saved.get(name, ()))
            return
        # IPv4 first, then by address, so that every member picks the same one
        found = sorted({str(a[4][0]) for a in answers}, key=lambda a: (":" in a, a))
        self._known[name] = tuple(found)

    def close(self) -> None:
        """Ends the threads without waiting for a resolver that does not answer."""
        self._threads.shutdown(wait=False, cancel_futures=True)
