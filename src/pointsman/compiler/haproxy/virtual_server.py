"""Virtual servers as HAProxy frontends.

Invariant: a virtual server that is listed here listens and answers; what keeps it from that was found before, and is
said on the object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy import name
from pointsman.compiler.haproxy.bandwidth import Limit, connection_lines
from pointsman.compiler.haproxy.bandwidth import lines as bandwidth_lines
from pointsman.compiler.haproxy.header import header_rules
from pointsman.compiler.haproxy.listen import bind_words, grant, listeners, settle
from pointsman.compiler.haproxy.pool import Choice
from pointsman.compiler.haproxy.response_times import DEFAULTS as MEASURED
from pointsman.compiler.haproxy.route import route_lines
from pointsman.compiler.haproxy.timeout import seconds
from pointsman.compiler.haproxy.tls import LoadedKey, Termination, terminate, used_keys
from pointsman.compiler.haproxy.traffic_ip_group import Place, places
from pointsman.compiler.memory import Memory
from pointsman.compiler.plan import ConfigSection, Line, Listener, Origin
from pointsman.compiler.remark import Remarks
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

Mode = Literal["http", "tcp"]

DISCARD = "discard"

# Protocols in which a client has something to say before the server has: nodes are not bothered until it does.
_CLIENT_SPEAKS_FIRST = frozenset({"client_first", "https", "imaps", "ldap", "ldaps", "pop3s", "ssl"})
_EITHER_MAY_SPEAK = frozenset(
    {"imapv2", "imapv3", "imapv4", "pop3", "server_first", "smtp", "stream", "telnet"}
)

# HAProxy reads larger numbers and silently wraps them around.
_MOST_CONNECTIONS = 2**31 - 1


@dataclass(frozen=True)
class Service:
    """A virtual server that will listen: in which mode, where, and with what TLS."""

    name: str
    server: VirtualServer
    mode: Mode
    listeners: tuple[Listener, ...]
    termination: Termination | None

    @property
    def idle_seconds(self) -> int:
        """How long a connection may be silent; 0 for no limit."""
        return self.server.connection.timeout


@dataclass(frozen=True)
class Admitted:
    """What will listen: virtual servers, and addresses of the product itself. `without` says why one of its subjects
    does not get what it wants.
    """

    services: tuple[Service, ...]
    own: tuple[Listener, ...]
    without: Mapping[ObjectId, str]


@dataclass(frozen=True)
class _Wanted:
    """What a virtual server would be if nobody else had its addresses."""

    mode: Mode
    termination: Termination | None
    listeners: tuple[Listener, ...]


def admit(
    snapshot: Snapshot,
    facts: Facts,
    keys: Mapping[str, LoadedKey],
    taken: tuple[Listener, ...],
    own: tuple[Listener, ...],
    memory: Memory,
    remarks: Remarks,
) -> Admitted:
    """The virtual servers that will listen, by name; each other enabled one gets a condition that says why not.

    `keys` are the certificates of the catalogue by name, `own` what the product itself wants to listen on beside what
    it has `taken`.
    """
    settings = snapshot.get("global_settings", "", GlobalSettings) or GlobalSettings()
    groups = places(snapshot, facts.traffic_manager)
    found: dict[str, tuple[VirtualServer, _Wanted]] = {}
    for server_name, server in snapshot.all("virtual_servers", VirtualServer):
        if not server.basic.enabled or ObjectId("virtual_servers", server_name) in facts.refused:
            continue
        own_keys = {key: keys[key] for key in used_keys(server) if key in keys}
        named = {group: groups[group] for group in server.basic.listen_on_traffic_ips if group in groups}
        inputs = (server, settings, own_keys, named, facts.addresses, facts.ipv6)
        make = partial(_wanted, server_name, server, settings, own_keys, named, facts)
        if (wanted := memory.recall("virtual server", server_name, inputs, make, remarks)) is not None:
            found[server_name] = (server, wanted)
    wishes = {server_name: wanted.listeners for server_name, (_, wanted) in found.items()}
    granted, without = grant(own, wishes, facts)
    settled = settle(wishes, (*taken, *granted), snapshot.claims, remarks)
    services = tuple(
        Service(server_name, server, wanted.mode, wanted.listeners, wanted.termination)
        for server_name, (server, wanted) in found.items()
        if server_name in settled
    )
    return Admitted(services, granted, without)


def _wanted(
    server_name: str,
    server: VirtualServer,
    settings: GlobalSettings,
    keys: Mapping[str, LoadedKey],
    groups: Mapping[str, Place],
    facts: Facts,
    remarks: Remarks,
) -> _Wanted | None:
    mode = _mode(server_name, server, remarks)
    if mode is None:
        return None
    termination = None
    if server.basic.ssl_decrypt:
        termination = terminate(server_name, server, settings, keys, remarks)
        if termination is None:
            return None
    found = listeners(server_name, server, groups, facts, remarks)
    return _Wanted(mode, termination, found) if found else None


def mode_of(protocol: str) -> Mode | None:
    """How a protocol is served; None for one that is not served yet."""
    if protocol == "http":
        return "http"
    return "tcp" if protocol in _CLIENT_SPEAKS_FIRST or protocol in _EITHER_MAY_SPEAK else None


def _mode(server_name: str, server: VirtualServer, remarks: Remarks) -> Mode | None:
    protocol = server.basic.protocol
    if (mode := mode_of(protocol)) is not None:
        return mode
    remarks.reject(
        ObjectId("virtual_servers", server_name),
        "protocol_not_served",
        f"the protocol {protocol} is not served yet; nothing listens. "
        "Choose http or a TCP protocol, or disable the virtual server",
        *("basic", "protocol"),
    )
    return None


def frontend(
    service: Service,
    pools: tuple[str, ...],
    choices: tuple[tuple[Choice, ...], ...],
    own_limits: tuple[Limit, ...],
    further_limits: tuple[Limit, ...],
) -> ConfigSection:
    """The frontend of a virtual server, whose traffic the `pools` take in turn by their `choices`.

    `own_limits` are put on its traffic here, `further_limits` in its pools.
    """
    subject = ObjectId("virtual_servers", service.name)

    def line(text: str, *path: str) -> Line:
        return Line(text, Origin(subject, path))

    lines = [line(" ".join(_bind(service, listener)), "basic", "port") for listener in service.listeners]
    if limit := service.server.basic.max_concurrent_connections:
        text = f"maxconn {min(limit, _MOST_CONNECTIONS)}"
        lines.append(line(text, "basic", "max_concurrent_connections"))
    lines.append(line(f"timeout client {seconds(service.idle_seconds)}", "connection", "timeout"))
    discarded = service.server.basic.pool == DISCARD
    client_first = service.mode == "tcp" and service.server.basic.protocol in _CLIENT_SPEAKS_FIRST
    lines.extend(connection_lines((*own_limits, *further_limits)))
    if client_first:
        path = ("basic", "connect_timeout")
        text = f"tcp-request inspect-delay {seconds(service.server.basic.connect_timeout)}"
        lines.append(line(text, *path))
    if not discarded:
        lines.extend(bandwidth_lines(service.mode, own_limits, after_data=client_first))
    if service.mode == "http":
        lines.extend(line(text, *path) for text, path in _http_rules(service.server))
        if discarded:
            lines.append(line("http-request reject", "basic", "pool"))
    elif discarded:
        lines.append(line("tcp-request content reject", "basic", "pool"))
    elif client_first:
        path = ("basic", "connect_timeout")
        lines.append(line("tcp-request content accept if { req.len gt 0 }", *path))
        lines.append(line("tcp-request content reject", *path))
    for text, index in route_lines(choices):
        origin = Origin(subject, ("basic", "pool")) if index == 0 else Origin(ObjectId("pools", pools[index]))
        lines.append(Line(text, origin))
    defaults = MEASURED if service.mode == "http" and not discarded else service.mode
    header = line(f"frontend {name.frontend(service.name)} from {defaults}")
    return ConfigSection(header, tuple(lines))


def _bind(service: Service, listener: Listener) -> tuple[str, ...]:
    words = ("bind", *bind_words(listener))
    if service.server.basic.proxy_protocol:
        words += ("accept-proxy",)
    if service.termination is not None:
        words += service.termination.words
    return words


def _http_rules(server: VirtualServer) -> list[tuple[str, tuple[str, ...]]]:
    connection = server.connection
    rules = [(f"timeout http-request {seconds(server.basic.connect_timeout)}", ("basic", "connect_timeout"))]
    if connection.keepalive:
        text = f"timeout http-keep-alive {seconds(connection.keepalive_timeout)}"
        rules.append((text, ("connection", "keepalive_timeout")))
    else:
        rules.append(("option httpclose", ("connection", "keepalive")))
    return [*rules, *header_rules(server)]
