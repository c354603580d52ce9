"""Turns a configuration and the state of the world into a plan for the engine.

Pure: no I/O, no clock; a memory of earlier results makes it quicker and changes nothing. Invariant: every snapshot
compiles; an object that cannot be served is left out or served in part, and a condition on it says so, while everything
else serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from pointsman.compiler.effect import remark_on_keys
from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy import (
    bandwidth,
    demo,
    engine_health,
    global_settings,
    monitor,
    name,
    node_tls,
    peers,
    persistence,
    pool,
    response_times,
    timeout,
    tls,
    virtual_server,
)
from pointsman.compiler.haproxy.bandwidth import Limit
from pointsman.compiler.haproxy.route import chain
from pointsman.compiler.haproxy.virtual_server import DISCARD, Service
from pointsman.compiler.keepalived.traffic_ip_group import failover
from pointsman.compiler.memory import Memory
from pointsman.compiler.monitor import Watch, watch
from pointsman.compiler.node import Node, nodes_of
from pointsman.compiler.plan import ConfigSection, Listener, Plan
from pointsman.compiler.remark import Remarks
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

_NEVER_LEFT_OUT = ("global_settings", "traffic_managers")
"""What of them this machine refuses is a part of them only, and has a condition of its own."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A pool that can serve: its nodes with addresses, how they are watched, the TLS versions to them (if TLS)."""

    pool: Pool
    nodes: tuple[Node, ...]
    watch: Watch
    span: tuple[str, str] | None


def compile_plan(snapshot: Snapshot, facts: Facts, memory: Memory | None = None) -> Plan:
    """The plan for `snapshot` on a machine of which `facts` are known.

    `memory` holds the results of the compile before this one, for what did not change, and then those of this one.
    """
    remarks = Remarks()
    memory = memory or Memory()
    facts = replace(facts, addresses=memory.settled("addresses", facts.addresses))
    remark_on_keys(snapshot, memory, remarks)
    for identity, reason in facts.refused.items():
        if identity in snapshot.objects and identity.type not in _NEVER_LEFT_OUT:
            remarks.reject(identity, "refused", reason)
    settings = snapshot.get("global_settings", "", GlobalSettings) or GlobalSettings()
    authorities = node_tls.authorities(snapshot, facts, remarks)

    pools = dict(snapshot.all("pools", Pool))
    ready = _ready_pools(pools, settings, bool(authorities), snapshot, facts, memory, remarks)
    _remark_on_references(snapshot, pools, ready, remarks)
    limits = bandwidth.limits(snapshot, facts, remarks)
    sticky = persistence.stickiness(snapshot, facts, remarks)

    own_listeners = demo.demo_listeners(facts.demo_ports)
    keys = tls.loaded_keys(snapshot, facts, memory)
    services, members, health = _admitted(snapshot, facts, keys, own_listeners, memory, remarks)
    chains = {service.name: chain(service.server.basic.pool, pools, ready) for service in services}
    backends = {
        pool_name: memory.recall(
            "backends",
            pool_name,
            (entry, idle, slow, sticky.get(pool_name)),
            partial(_backends, pool_name, entry, idle, slow, sticky.get(pool_name)),
            remarks,
        )
        for pool_name, idle in _idle_seconds(services, chains).items()
        for entry in (ready[pool_name],)
        for slow in (limits.of_pool(entry.pool),)
    }

    sessions, names_of_sessions = persistence.tables(sticky, backends)
    link = members or (peers.alone(facts) if sessions else None)
    sections = [
        *global_settings.process_sections(
            settings, facts, (*peers.global_lines(link), *response_times.global_lines())
        ),
        *response_times.sections(facts),
        *peers.sections(link),
        *demo.demo_sections(facts.demo_ports),
        *engine_health.sections(health, serves=bool(services)),
    ]
    proxies = {
        **global_settings.INTERNAL_PROXIES,
        **demo.demo_proxies(facts.demo_ports),
        **engine_health.proxies(health),
        **names_of_sessions,
    }
    certificates = peers.certificates(link, facts)
    lists: dict[str, tuple[str, ...]] = {}
    used: dict[Limit, None] = {}
    for service in services:
        path = chains[service.name]
        offered = tuple(backends[pool_name].choices[service.mode] for pool_name in path)
        own = limits.of_virtual_server(service.server)
        further = tuple(limit for pool_name in path for limit in limits.of_pool(ready[pool_name].pool))
        used.update(dict.fromkeys((*own, *further)))
        frontend = partial(_frontend, service, path, offered, own, further)
        inputs = (service, path, offered, own, further)
        sections.append(memory.recall("frontend", service.name, inputs, frontend, remarks))
        proxies[name.frontend(service.name)] = Proxy(ObjectId("virtual_servers", service.name), Role.LISTENER)
        if service.termination is not None:
            certificates |= service.termination.certificates
            lists[service.termination.list_path] = service.termination.entries
    for compiled in backends.values():
        sections.extend(compiled.sections)
        proxies |= compiled.proxies
    tables, names_of_tables = bandwidth.tables(used)
    sections.extend((*tables, *sessions))
    proxies |= names_of_tables

    files = {**demo.demo_files(facts.demo_ports), **peers.files(link, facts)}
    if any(ready[pool_name].span and ready[pool_name].pool.ssl.strict_verify for pool_name in backends):
        files[node_tls.AUTHORITIES_PATH] = authorities
    held = failover(snapshot, facts, memory, remarks)
    memory.turn()
    return Plan(
        sections=tuple(sections),
        certificates=certificates,
        certificate_lists=lists,
        files=files,
        listeners=(
            *own_listeners,
            *([members.listener] if members is not None else ()),
            *health,
            *(listener for service in services for listener in service.listeners),
        ),
        proxies=proxies,
        checks=tuple(check for pool_name in backends for check in ready[pool_name].watch.checks),
        failover=held,
        conditions=remarks.conditions(),
    )


def _admitted(
    snapshot: Snapshot,
    facts: Facts,
    keys: Mapping[str, tls.LoadedKey],
    taken: tuple[Listener, ...],
    memory: Memory,
    remarks: Remarks,
) -> tuple[tuple[Service, ...], peers.Link | None, tuple[Listener, ...]]:
    """The virtual servers that will listen, the link to other members, and where the engine tells its health."""
    link = peers.link(facts, remarks)
    health = engine_health.listeners(snapshot, facts, remarks)
    own = (*([link.listener] if link is not None else ()), *health)
    admitted = virtual_server.admit(snapshot, facts, keys, taken, own, memory, remarks)
    for subject, why in admitted.without.items():
        if link is not None and subject == link.listener.subject:
            peers.without(f"{why}; move that to another port", remarks)
            link = None
        else:
            engine_health.without(subject, f"{why}; choose another port", remarks)
            health = ()
    return admitted.services, link, health


def _backends(
    pool_name: str,
    entry: _Ready,
    idle: Mapping[str, int],
    limits: tuple[Limit, ...],
    stick: persistence.Stickiness | None,
    remarks: Remarks,
) -> pool.Backends:
    return pool.backends(
        pool_name, entry.pool, entry.nodes, entry.watch, idle, entry.span, limits, stick, remarks
    )


def _frontend(
    service: Service,
    path: tuple[str, ...],
    offered: tuple[tuple[pool.Choice, ...], ...],
    own: tuple[Limit, ...],
    further: tuple[Limit, ...],
    _: Remarks,
) -> ConfigSection:
    return virtual_server.frontend(service, path, offered, own, further)


def _ready_pools(
    pools: Mapping[str, Pool],
    settings: GlobalSettings,
    has_authorities: bool,
    snapshot: Snapshot,
    facts: Facts,
    memory: Memory,
    remarks: Remarks,
) -> dict[str, _Ready]:
    catalogue = {
        monitor_name: found
        for monitor_name, found in snapshot.all("monitors", Monitor)
        if ObjectId("monitors", monitor_name) not in facts.refused
    }
    ready: dict[str, _Ready] = {}
    for pool_name, entry in pools.items():
        if ObjectId("pools", pool_name) in facts.refused:
            continue
        monitors = {named: catalogue[named] for named in entry.basic.monitors if named in catalogue}
        make = partial(_ready_pool, pool_name, entry, settings, has_authorities, monitors, facts)
        inputs = (entry, settings, has_authorities, monitors, facts.addresses, facts.can_ping)
        if (found := memory.recall("pool", pool_name, inputs, make, remarks)) is not None:
            ready[pool_name] = found
    return ready


def _ready_pool(
    pool_name: str,
    entry: Pool,
    settings: GlobalSettings,
    has_authorities: bool,
    catalogue: Mapping[str, Monitor],
    facts: Facts,
    remarks: Remarks,
) -> _Ready | None:
    span = None
    if entry.ssl.enable:
        span = node_tls.version_span(pool_name, entry, settings, has_authorities, remarks)
        if span is None:
            return None
    nodes = nodes_of(pool_name, entry, facts.addresses, remarks)
    watched = watch(pool_name, entry, nodes, catalogue, facts, monitor.runs_natively, remarks)
    return _Ready(entry, nodes, watched, span)


def _remark_on_references(
    snapshot: Snapshot, pools: Mapping[str, Pool], ready: Mapping[str, _Ready], remarks: Remarks
) -> None:
    for server_name, server in snapshot.all("virtual_servers", VirtualServer):
        named = server.basic.pool
        if named in ready or named == DISCARD:
            continue
        why = "is left out" if named in pools else "does not exist"
        remarks.warn(
            ObjectId("virtual_servers", server_name),
            "pool_missing",
            f'the pool "{named}" {why}; clients get an error (503) unless a failure pool takes over. '
            "Create the pool or put it right, or choose another",
            *("basic", "pool"),
        )
    for pool_name, entry in pools.items():
        named = entry.basic.failure_pool
        if named and named not in ready:
            why = "is left out" if named in pools else "does not exist"
            remarks.warn(
                ObjectId("pools", pool_name),
                "failure_pool_missing",
                f'the failure pool "{named}" {why}, so nothing takes over when every node is down. '
                "Create the pool or put it right, or choose another",
                *("basic", "failure_pool"),
            )


def _idle_seconds(
    services: tuple[Service, ...], chains: Mapping[str, tuple[str, ...]]
) -> dict[str, dict[str, int]]:
    """For each pool in use and each mode it is used in, how long connections may be idle: the longest of the virtual
    servers that use it, each of which cuts its own connections earlier itself.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for service in services:
        for pool_name in chains[service.name]:
            found.setdefault(pool_name, {}).setdefault(service.mode, []).append(service.idle_seconds)
    return {
        pool_name: {mode: timeout.longest(tuple(found[pool_name][mode])) for mode in sorted(found[pool_name])}
        for pool_name in sorted(found)
    }
