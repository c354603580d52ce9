"""Timeouts, buffers and transport options of a virtual server's client connections.

Invariant: times are whole seconds and sizes are bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Reference, Since, Unit


class Connection(Section):
    """How long client connections live and how much of them is buffered."""

    keepalive: bool = True
    """Lets HTTP clients send further requests over the same connection."""

    keepalive_timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 10
    """How long an idle keepalive connection waits for its next request; 0 for no limit."""

    max_client_buffer: Annotated[int, Field(ge=1024, le=16_777_216), Unit("bytes")] = 65_536
    """How much data from a client is held in memory when the node takes it more slowly."""

    max_server_buffer: Annotated[int, Field(ge=1024, le=16_777_216), Unit("bytes")] = 65_536
    """How much data from a node is held in memory when the client takes it more slowly."""

    max_transaction_duration: Annotated[Count, Field(le=99_999), Unit("s")] = 0
    """How long one request and its response may take altogether; 0 for no limit."""

    server_first_banner: Line = ""
    """Greeting sent to clients before a node is chosen, for protocols where servers speak first; empty for
    none."""

    timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 300
    """How long a connection may pass no data in the middle of a transaction before it is closed; 0 for no
    limit."""


class ConnectionErrors(Section):
    """What clients see when no node can answer."""

    error_file: Annotated[Line, Reference("extra_files", ("Default",))] = "Default"
    """The file sent when the request fails: "Default" for the built-in page, empty to close without a
    word."""


class Tcp(Section):
    """TCP on the connections from clients."""

    close_with_rst: Annotated[bool, Since("5.0")] = False
    """Closes client connections with a TCP reset instead of a normal end."""

    mss: Annotated[int, Hidden(), Since("5.2"), Unit("bytes")] = 0
    """The largest TCP segment to send to clients; 0 leaves it to the system."""

    nagle: Annotated[bool, Since("5.0")] = False
    """Gathers small writes to clients into fuller packets (Nagle's algorithm), which costs a little time."""

    proxy_close: bool = False
    """Passes a client's half-close on to the node, and goes on sending the node's answer."""


class Udp(Section):
    """How datagrams are grouped into transactions and received."""

    end_point_persistence: bool = True
    """Sends datagrams from one client address and port to one node."""

    port_smp: bool = False
    """Spreads the datagrams of the port over all processor cores."""

    rbuff_size: Annotated[Count, Field(le=20_000_000), Unit("bytes"), Since("8.1")] = 0
    """Size of the socket's receive buffer; 0 leaves it to the system."""

    response_datagrams_expected: int = 1
    """How many datagrams answer one request; after them the transaction is over. -1 leaves that to the
    timeout."""

    smp_mode: Annotated[Literal["auto", "legacy"], Since("8.1")] = "auto"
    """How datagrams are spread over processor cores: as the system does best, or as earlier releases did."""

    timeout: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 7
    """How long a transaction lives without a datagram in either direction."""

    wbuff_size: Annotated[Count, Field(le=20_000_000), Unit("bytes"), Since("8.1")] = 0
    """Size of the socket's send buffer; 0 leaves it to the system."""
