"""Checks that somebody wants to be made now: of a node by each monitor of its pool, or of any machine by one monitor
that is being tried; once, from this machine.

Invariant: each ends within `LONGEST_SECONDS`, and at most `AT_ONCE` run at a time; what is found changes no state:
that is for the monitors, which ask by themselves.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pointsman.compiler.facts import Facts
from pointsman.compiler.monitor import checks_of
from pointsman.compiler.node import Node, nodes_of
from pointsman.compiler.plan import Check
from pointsman.compiler.remark import Remarks
from pointsman.control.error import ControlError
from pointsman.monitors.probe import Prober
from pointsman.schema.address import split_end_point
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.snapshot import Snapshot

LONGEST_SECONDS = 10
"""What a check may take at most, whatever its monitor grants the node."""
AT_ONCE = 8


@dataclass(frozen=True)
class Result:
    """What one check found: `up` is None where nothing could be found out; `seconds` it took; `asked` says what was
    done.
    """

    monitor: str
    asked: str
    up: bool | None
    words: str
    seconds: float


class Checking:
    """Makes checks for people."""

    def __init__(self, snapshot: Callable[[], Snapshot], facts: Callable[[Snapshot], Facts]) -> None:
        self._snapshot = snapshot
        self._facts = facts
        self._room = asyncio.Semaphore(AT_ONCE)

    def checks(self, pool: str, node: str) -> tuple[Check, ...]:
        """What the pool's monitors ask of a node, or a connection where it has none that can run.

        Raises `ControlError` when there is no such node, or its name does not resolve.
        """
        snapshot = self._snapshot()
        found = snapshot.get("pools", pool, Pool)
        rows = [row for row in found.basic.nodes_table if row.node == node] if found else []
        if found is None or not rows:
            raise ControlError(f'pool "{pool}" has no node {node} (any more)')
        facts = self._facts(snapshot)
        alone = found.model_copy(
            update={"basic": found.basic.model_copy(update={"nodes_table": tuple(rows)})}
        )
        nodes = nodes_of(pool, alone, facts.addresses, Remarks())
        if not nodes:
            raise ControlError(f"the host name of {node} does not resolve; correct it, or the name service")
        catalogue = dict(snapshot.all("monitors", Monitor))
        return checks_of(pool, found, nodes, catalogue, facts) or (_connection(pool, nodes[0]),)

    async def run(self, pool: str, node: str) -> tuple[Result, ...]:
        """Makes the checks at once and gives what they found. Raises `ControlError`."""
        checks = self.checks(pool, node)
        prober = Prober()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(prober, check)) for check in checks]
            return tuple(task.result() for task in tasks)
        finally:
            await prober.close()

    async def attempt(self, name: str, monitor: Monitor, target: str) -> Result:
        """Runs a monitor once against host:port (a host alone for a ping), be the monitor stored or not.

        Raises `ControlError` where that cannot be.
        """
        host, port = _target(target, monitor)
        address = await _address_of(host)
        facts = self._facts(self._snapshot())
        alone = monitor.model_copy(update={"basic": monitor.basic.model_copy(update={"scope": "pernode"})})
        pool = Pool.model_validate({"basic": {"monitors": [name]}})
        node = Node(target, host, address, port, 1, "active", 1, "")
        checks = checks_of("", pool, (node,), {name: alone}, facts)
        if not checks:
            raise ControlError(
                "this machine may not send pings (ICMP); give it the capability NET_RAW, or try another type"
                if monitor.basic.type == "ping"
                else f"monitors of type {monitor.basic.type} are not run yet; take another type"
            )
        prober = Prober()
        try:
            return await self._one(prober, checks[0])
        finally:
            await prober.close()

    async def _one(self, prober: Prober, check: Check) -> Result:
        async with self._room:
            begun = time.monotonic()
            finding = await prober.probe(replace(check, timeout=min(check.timeout, LONGEST_SECONDS)))
            took = time.monotonic() - begun
        return Result(check.monitor, asks(check), finding.up, finding.reason, took)


def _connection(pool: str, node: Node) -> Check:
    return Check(
        pool=pool,
        node=node.text,
        monitor="",
        kind="connect",
        address=node.address,
        port=node.port,
        delay=LONGEST_SECONDS,
        timeout=LONGEST_SECONDS,
        failures=1,
    )


def _target(target: str, monitor: Monitor) -> tuple[str, int]:
    text = target.strip()
    try:
        host, port = split_end_point(text)
    except ValueError:
        raise ControlError(
            f'"{text[:100]}" is no host and port; write host:port, as in 192.0.2.7:80'
        ) from None
    if not host:
        raise ControlError("say which machine to try it against; write host:port, as in 192.0.2.7:80")
    if not port and monitor.basic.type != "ping":
        raise ControlError(f'"{text[:100]}" has no port; write host:port, as in 192.0.2.7:80')
    return host, port


async def _address_of(host: str) -> str:
    """The address of a host; raises `ControlError` for one that does not resolve, or that no node can have."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise ControlError(
            f"the host name {host} does not resolve; correct it, or the name service"
        ) from None
    address = str(found[0][4][0])
    plain = ipaddress.ip_address(address.partition("%")[0])
    if plain.is_link_local or plain.is_multicast or plain.is_unspecified:
        raise ControlError(f"{address} is no address that a node can have; try another machine")
    return address


def url_of(check: Check) -> str:
    """What an HTTP check asks for."""
    path = check.path if check.path.startswith("/") else f"/{check.path}"
    return f"{'https' if check.use_ssl else 'http'}://{_place(check)}{path}"


def asks(check: Check) -> str:
    """What a check does and expects, in words; no password is in it."""
    tls = " with TLS" if check.use_ssl else ""
    match check.kind:
        case "ping":
            return f"a ping of {check.address}"
        case "connect":
            return f"a TCP connection{tls} to {_place(check)}"
        case "http":
            wanted = [f"a status that matches {check.status_regex}"] if check.status_regex else []
            wanted += [f"a body that matches {check.body_regex}"] if check.body_regex else []
            host = f" (Host: {check.host_header})" if check.host_header else ""
            return f"GET {url_of(check)}{host}" + (f", expecting {' and '.join(wanted)}" if wanted else "")
        case _:
            sent = f"sends {check.write_string!r}" if check.write_string else "waits"
            wanted_text = (
                f", expecting an answer that matches {check.response_regex}" if check.response_regex else ""
            )
            return f"connects{tls} to {_place(check)} and {sent}{wanted_text}"


def _place(check: Check) -> str:
    return f"[{check.address}]:{check.port}" if ":" in check.address else f"{check.address}:{check.port}"
