"""Decides how the health of each pool's nodes is found: by the engine itself, or by checks of ours.

Invariant: a pool has either one monitor that the engine runs, or checks of ours, or neither; a monitor that cannot run
is named in a condition and takes no node out of use.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pointsman.compiler.facts import Facts
from pointsman.compiler.node import Node, addresses_of
from pointsman.compiler.plan import Check
from pointsman.compiler.remark import Remarks
from pointsman.schema.address import split_end_point
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId


@dataclass(frozen=True, slots=True)
class Watch:
    """How a pool is watched: the engine's own monitor (name and settings), or `checks` of ours.

    `judged` says that a check of ours may take nodes out of use.
    """

    native: tuple[str, Monitor] | None = None
    checks: tuple[Check, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether a check of ours may take nodes out of use."""
        return bool(self.checks)


def watch(
    name: str,
    pool: Pool,
    nodes: tuple[Node, ...],
    catalogue: Mapping[str, Monitor],
    facts: Facts,
    runs_natively: Callable[[Monitor], bool],
    remarks: Remarks,
) -> Watch:
    """How the nodes of a pool are watched; `catalogue` are the monitors by name."""
    usable = _usable(name, pool, catalogue, facts, remarks)
    if len(usable) == 1 and runs_natively(usable[0][1]):
        return Watch(native=usable[0])
    watched = tuple(node for node in nodes if node.state != "disabled")
    return Watch(checks=_checks(name, pool, watched, usable, facts, remarks))


def checks_of(
    name: str, pool: Pool, nodes: tuple[Node, ...], catalogue: Mapping[str, Monitor], facts: Facts
) -> tuple[Check, ...]:
    """A check of ours for each monitor of a pool and each of these nodes, whoever runs the monitor otherwise: for
    somebody who wants to know now.
    """
    remarks = Remarks()
    return _checks(name, pool, nodes, _usable(name, pool, catalogue, facts, remarks), facts, remarks)


def _checks(
    name: str,
    pool: Pool,
    nodes: tuple[Node, ...],
    usable: list[tuple[str, Monitor]],
    facts: Facts,
    remarks: Remarks,
) -> tuple[Check, ...]:
    checks: list[Check] = []
    for monitor_name, monitor in usable:
        if monitor.basic.scope == "poolwide":
            if (target := _machine(name, monitor_name, monitor, facts, remarks)) is not None:
                checks.append(_check(name, "", monitor_name, monitor, target))
        else:
            # A check in clear, or one that verifies nothing, does not know what a handshake of traffic would find.
            encrypts = not pool.ssl.enable or (monitor.basic.use_ssl and not pool.ssl.strict_verify)
            connects = monitor.basic.type != "ping" and encrypts
            checks.extend(
                replace(
                    _check(name, node.text, monitor_name, monitor, (node.host, node.address, node.port)),
                    connects=connects and not node.source_ip,
                )
                for node in nodes
            )
    return tuple(checks)


def _usable(
    name: str, pool: Pool, catalogue: Mapping[str, Monitor], facts: Facts, remarks: Remarks
) -> list[tuple[str, Monitor]]:
    subject = ObjectId("pools", name)
    path = ("basic", "monitors")
    usable: list[tuple[str, Monitor]] = []
    for monitor_name in sorted(set(pool.basic.monitors)):
        monitor = catalogue.get(monitor_name)
        if monitor is None:
            remarks.warn(
                subject,
                "monitor_missing",
                f'there is no monitor "{monitor_name}" in force; the pool is watched without it. '
                "Create it, or remove the name",
                *path,
            )
        elif monitor.basic.type in ("program", "sip", "rtsp"):
            remarks.notice(
                subject,
                "monitor_not_run",
                f'monitor "{monitor_name}" is of type {monitor.basic.type}, which is not run yet; '
                "nodes are treated as if it succeeded. Use another type to have them watched",
                *path,
            )
            remarks.notice(
                ObjectId("monitors", monitor_name),
                "monitor_not_run",
                f"monitors of type {monitor.basic.type} are not run yet; use another type to have nodes watched",
                *("basic", "type"),
            )
        elif monitor.basic.type == "ping" and not facts.can_ping:
            remarks.warn(
                subject,
                "monitor_not_permitted",
                f'monitor "{monitor_name}" cannot run: this process may not send ICMP. Give it the capability '
                "NET_RAW or widen net.ipv4.ping_group_range, or use a connect monitor",
                *path,
            )
        else:
            usable.append((monitor_name, monitor))
    return usable


def _machine(
    pool: str, name: str, monitor: Monitor, facts: Facts, remarks: Remarks
) -> tuple[str, str, int] | None:
    """Host, address and port that a poolwide monitor watches, or None with a condition."""
    path = ("basic", "machine")
    machine = monitor.basic.machine
    host, port = split_end_point(machine)
    fault = ""
    if not machine:
        fault = "it is poolwide and names no machine; set basic.machine"
    elif not port and monitor.basic.type != "ping":
        fault = f'its machine "{machine}" has no port; write host:port'
    elif not (found := addresses_of(host, facts.addresses)):
        fault = f'its machine "{machine}" does not resolve; correct the name'
    else:
        return host, found[0], port
    remarks.warn(
        ObjectId("monitors", name), "monitor_without_machine", f"the monitor cannot run: {fault}", *path
    )
    remarks.warn(
        ObjectId("pools", pool),
        "monitor_without_machine",
        f'monitor "{name}" cannot run: {fault}',
        *("basic", "monitors"),
    )
    return None


def _check(pool: str, node: str, name: str, monitor: Monitor, target: tuple[str, str, int]) -> Check:
    host, address, port = target
    kind = monitor.basic.type
    if kind in ("program", "sip", "rtsp"):
        raise AssertionError(f"{kind} monitors are sorted out before")
    return Check(
        pool=pool,
        node=node,
        monitor=name,
        kind=kind,  # type: ignore[arg-type]  # the other kinds were refused above, which mypy does not follow
        address=address,
        port=port,
        delay=monitor.basic.delay,
        timeout=monitor.basic.timeout,
        failures=monitor.basic.failures,
        back_off=monitor.basic.back_off,
        use_ssl=monitor.basic.use_ssl,
        verbose=monitor.basic.verbose,
        host_header=monitor.http.host_header or _host_header(host, port, monitor.basic.use_ssl),
        path=monitor.http.path,
        authentication=monitor.http.authentication,
        status_regex=monitor.http.status_regex,
        body_regex=monitor.http.body_regex,
        write_string=monitor.tcp.write_string,
        response_regex=monitor.tcp.response_regex,
        close_string=monitor.tcp.close_string,
        max_response_len=monitor.tcp.max_response_len,
    )


def _host_header(host: str, port: int, use_ssl: bool) -> str:
    shown = f"[{host}]" if _is_ipv6(host) else host
    return shown if port in (0, 443 if use_ssl else 80) else f"{shown}:{port}"


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
