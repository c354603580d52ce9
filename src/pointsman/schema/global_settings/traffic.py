"""Global settings of the data path: connections, name resolution, protocols, persistence, protection.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pointsman.schema.resource import Row, Section
from pointsman.schema.value import Hidden, Line, Since, Table, TableKey, Unit, Unordered


class Connection(Section):
    """How connections are accepted from clients and kept open towards nodes."""

    idle_connections_max: Annotated[int, Field(ge=0, le=999_999)] = 0
    """How many idle connections to nodes are kept for reuse; 0 derives a number from `basic.max_fds`."""

    idle_timeout: Annotated[int, Field(ge=0, le=99_999), Unit("s")] = 10
    """How long an idle connection to a node is kept for reuse."""

    listen_queue_size: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many new connections may wait to be accepted; 0 takes the operating system's limit."""

    max_accepting: Annotated[int, Field(ge=0, le=1000)] = 0
    """
    How many workers may accept connections at the same time; 0 leaves the choice to the traffic manager.
    """

    multiple_accept: bool = False
    """Whether a worker accepts all connections that wait, instead of one after another."""

    udp_read_multiple: Annotated[bool, Since("8.1")] = True
    """Whether several UDP datagrams are read at once."""


class Dns(Section):
    """Name resolution by the traffic manager, for instance of nodes given by host name."""

    checktime: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How often the resolver's own files are looked at for changes."""

    hosts: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The hosts file; empty means the operating system's."""

    hostsfirst: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the hosts file is asked before the name servers."""

    max_ttl: Annotated[int, Field(ge=1, le=999_999), Unit("s")] = 86400
    """The longest that an answer is kept, however long its name server allows."""

    maxasynctries: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many times a question is sent before it counts as unanswered."""

    min_ttl: Annotated[int, Field(ge=0, le=999_999), Unit("s")] = 86400
    """The shortest that an answer is kept, however soon its name server would have it forgotten."""

    negative_expiry: Annotated[int, Field(ge=1, le=999_999), Unit("s")] = 60
    """How long it is remembered that a name does not resolve."""

    resolv: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The file that lists the name servers; empty means the operating system's."""

    size: Annotated[int, Field(ge=0, le=999_999)] = 10867
    """How many answers are kept."""

    timeout: Annotated[int, Field(ge=1, le=9999), Unit("s")] = 12
    """How long an answer is waited for."""


class Ftp(Section):
    """The FTP protocol."""

    data_bind_low: bool = False
    """
    Whether data connections to clients may come from ports below 1024, as some firewalls expect. It needs the
    right to use such ports while running; a change takes effect at the next restart.
    """


class Http(Section):
    """The HTTP protocol."""

    max_chunk_header_length: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The longest line with a chunk's size that is accepted in a chunked body."""


class Gateway(Row):
    """A gateway known by its hardware address."""

    ipv4: Line = ""
    """The gateway's IPv4 address."""

    ipv6: Line = ""
    """The gateway's IPv6 address."""

    mac: Line
    """The gateway's hardware address, as seen on the requests that come through it."""


class Ip(Section):
    """Routing of answers."""

    appliance_returnpath: Annotated[Table[Gateway], Unordered(), TableKey("mac")] = ()
    """
    Gateways to which answers go back when a request came through them (see
    `appliance.return_path_routing_enabled`).
    """


class Protection(Section):
    """Service protection."""

    conncount_size: Line = "20MB"
    """
    Memory for counting connections per client address: a size (`20MB`) or a share of all memory (`1%`). A
    change takes effect at the next restart.
    """


class RecentConnections(Section):
    """The list of recent connections, which shows single requests with their times and results."""

    max_per_process: Annotated[int, Field(ge=0, le=999_999)] = 500
    """How many finished connections each worker remembers; 0 means none."""

    retain_time: Annotated[int, Field(ge=0, le=9999), Unit("s")] = 60
    """How long a finished connection is remembered."""

    snapshot_size: Annotated[int, Field(ge=0, le=999_999)] = 500
    """How many connections each worker contributes to a list that somebody asks for."""


class Session(Section):
    """Memory for session persistence: how many sessions are known at once, and for how long."""

    asp_cache_size: Annotated[int, Field(ge=1, le=2_147_483_647)] = 32768
    """How many ASP sessions are remembered. A change takes effect at the next restart."""

    ip_cache_expiry: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s"), Since("7.0")] = 0
    """How long an unused session by client address is remembered; 0 keeps it while there is room."""

    ip_cache_size: Annotated[int, Field(ge=1, le=2_147_483_647)] = 32768
    """How many sessions by client address are remembered. A change takes effect at the next restart."""

    j2ee_cache_expiry: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s"), Since("7.0")] = 0
    """How long an unused J2EE session is remembered; 0 keeps it while there is room."""

    j2ee_cache_size: Annotated[int, Field(ge=1, le=2_147_483_647)] = 32768
    """How many J2EE sessions are remembered. A change takes effect at the next restart."""

    ssl_cache_size: Annotated[int, Field(ge=0, le=2_147_483_647)] = 32768
    """
    How many sessions by TLS session identifier are remembered. A change takes effect at the next restart.
    """

    universal_cache_expiry: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s"), Since("7.0")] = 0
    """How long an unused session by a rule's key is remembered; 0 keeps it while there is room."""

    universal_cache_size: Annotated[int, Field(ge=1, le=2_147_483_647)] = 32768
    """How many sessions by a rule's key are remembered. A change takes effect at the next restart."""
