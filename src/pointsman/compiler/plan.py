"""What the compiler decides: the engine's whole configuration as values, with the origin of every line.

Invariant: a plan is complete (an engine can be started from it alone) and deterministic (the same snapshot and facts
give an equal plan). What can change at run time (servers, certificates, map entries) is held apart from the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pointsman.schema.condition import Condition
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy


@dataclass(frozen=True)
class Origin:
    """The object and field that a line of configuration comes from."""

    subject: ObjectId
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line, without indentation and line break; already quoted."""

    text: str
    origin: Origin | None = None


@dataclass(frozen=True)
class Server:
    """A node as a server of one backend.

    `name` is the engine's name for it, `node` the administrator's. `weight` 0 means draining, `enabled` false disabled:
    both can be changed at run time. `options` are the further words of its configuration line; `dynamic_options` the
    words for adding it at run time (a dynamic server cannot be tracked, so a tracking one checks for itself there).
    `judged` says that its health is set by our own monitors (through the agent's state); `tracks` names
    "backend/server" when it follows another server's health: then `judged` holds only if it was added at run time.
    """

    name: str
    node: str
    address: str
    port: int
    weight: int
    enabled: bool
    options: tuple[str, ...] = ()
    dynamic_options: tuple[str, ...] = ()
    judged: bool = False
    checked: bool = False
    tracks: str = ""
    origin: Origin | None = None


@dataclass(frozen=True)
class ConfigSection:
    """One section of the engine's configuration; `servers` only in backends, written after `lines`."""

    header: Line
    lines: tuple[Line, ...] = ()
    servers: tuple[Server, ...] = ()
    backend: str = ""
    """The proxy's name where the section is a backend with servers."""
    pool: str = ""
    """The pool a backend belongs to."""

    @cached_property
    def text(self) -> str:
        """The section as it stands in the file, with the empty line after it."""
        return "".join(f"{line.text}\n" for line in self.written())

    def written(self) -> Iterator[Line]:
        """Its lines as they stand in the file."""
        yield self.header
        for line in self.lines:
            yield Line(f"    {line.text}", line.origin)
        for server in self.servers:
            yield Line(f"    {server_line(server)}", server.origin)
        yield Line("")


@dataclass(frozen=True)
class Listener:
    """An address the engine will bind, and for whom."""

    address: str
    port: int
    subject: ObjectId | None
    transparent: bool = False


@dataclass(frozen=True)
class Check:
    """A health check that our own monitors run. Times in seconds.

    `node` is "" when the monitor watches one machine for the whole pool. Regular expressions were compiled once when
    the monitor was accepted. `authentication` is "user:password" and must not be logged. `connects` says that where it
    succeeds, the connections of traffic would: it goes to the node as traffic does.
    """

    pool: str
    node: str
    monitor: str
    kind: Literal["ping", "connect", "http", "tcp_transaction"]
    address: str
    port: int
    delay: int
    timeout: int
    failures: int
    back_off: bool = True
    use_ssl: bool = False
    verbose: bool = False
    host_header: str = ""
    path: str = "/"
    authentication: str = field(default="", repr=False)
    status_regex: str = ""
    body_regex: str = ""
    write_string: str = ""
    response_regex: str = ""
    close_string: str = ""
    max_response_len: int = 2048
    connects: bool = False


@dataclass(frozen=True)
class TrafficIp:
    """A traffic IP: its group, and the machines in the order in which they take it over. `here` says that this machine
    is one of them and can raise it. `instance` is the number of the VRRP instance that moves it, with its companions.
    """

    address: str
    group: str
    order: tuple[str, ...]
    here: bool
    instance: int = 0


@dataclass(frozen=True)
class Failover:
    """How traffic IPs are held. `configuration` is keepalived's, "" when this machine holds none. Times are in seconds.

    `instances` are the numbers of the VRRP instances in it; `return_after` is how long a machine must be well before
    what belongs to it is handed back, None for never by itself. `front_end` are the addresses that must answer a ping,
    at every `interval`, within `timeout`; `silence` is how long the engine may be mute.
    """

    configuration: str = ""
    instances: tuple[int, ...] = ()
    addresses: tuple[TrafficIp, ...] = ()
    return_after: float | None = 10.0
    front_end: tuple[str, ...] = ()
    interval: float = 0.5
    timeout: float = 5.0
    silence: float = 5.0


@dataclass(frozen=True)
class Plan:
    """Everything the engine needs, and everything that is to be said about it.

    `certificates` maps a path below the generation directory ("certs/x.pem") to PEM with key; `certificate_lists` maps
    a crt-list's path to its entries, the default first; `maps` a map's path to its (key, value) pairs; `files` any
    other file. `proxies` says what each of the engine's proxy names stands for.
    """

    sections: tuple[ConfigSection, ...]
    certificates: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    certificate_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    maps: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    native_monitors: Mapping[str, str] = field(default_factory=dict)
    """The monitor that the engine itself runs, by pool."""
    failover: Failover = Failover()
    conditions: tuple[Condition, ...] = ()

    @property
    def serving(self) -> frozenset[str]:
        """The virtual servers that listen."""
        subjects = (listener.subject for listener in self.listeners)
        return frozenset(
            subject.name for subject in subjects if subject and subject.type == "virtual_servers"
        )

    @property
    def own_ports(self) -> frozenset[int]:
        """The ports on which the engine listens for the product itself: its health, the link between members."""
        return frozenset(
            at.port for at in self.listeners if at.subject and at.subject.type != "virtual_servers"
        )

    def lines(self) -> tuple[Line, ...]:
        """The configuration file, line by line (line n of the file is element n-1)."""
        return tuple(line for section in self.sections for line in section.written())

    def text(self) -> str:
        """The configuration file."""
        return "".join(section.text for section in self.sections)


def server_line(server: Server) -> str:
    """The `server` line of the configuration file for a node in its present state."""
    address = f"[{server.address}]" if ":" in server.address else server.address
    words = ["server", server.name, f"{address}:{server.port}", "weight", str(server.weight), *server.options]
    if not server.enabled:
        words.append("disabled")
    return " ".join(words)
