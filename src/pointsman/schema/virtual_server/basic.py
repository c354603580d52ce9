"""Where a virtual server listens, what it speaks, and where it sends its traffic.

Invariant: a virtual server has a port and a pool; everything else has a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.address import HostSet
from pointsman.schema.pool import SPECIAL_POOLS
from pointsman.schema.resource import Section
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    LineSet,
    Port,
    Reference,
    Since,
    Text,
    Unit,
)

RuleList = Annotated[Lines, Reference("rules", off_mark="/")]
"""Rules in the order in which they run; "/" before a name switches the rule off."""


class Basic(Section):
    """Listening, protocol, pool and rules."""

    bandwidth_class: Annotated[Line, Reference("bandwidth")] = ""
    """The bandwidth class that limits what is sent to clients; empty for no limit."""

    completion_rules: Annotated[RuleList, Since("5.0")] = ()
    """Rules run, in this order, when a request is finished or was broken off. A leading "/" disables a
    rule."""

    connect_timeout: Annotated[Count, Field(le=99_999), Unit("s")] = 10
    """How long a new connection may stay silent before its client's first data; 0 for no limit."""

    enabled: bool = False
    """Whether the virtual server takes connections."""

    glb_services: Annotated[LineSet, Reference("glb_services")] = ()
    """The global load balancing services applied to the DNS answers that pass through."""

    listen_on_any: bool = True
    """Listens on every address of this machine; the lists of addresses are then not used."""

    listen_on_hosts: HostSet = ()
    """Host names and IP addresses to listen on, where it is neither every address nor traffic IPs."""

    listen_on_traffic_ips: Annotated[LineSet, Reference("traffic_ip_groups")] = ()
    """The traffic IP groups on whose addresses to listen."""

    max_concurrent_connections: Annotated[Count, Since("3.10")] = 0
    """The most client connections at once; further ones wait or are turned away. 0 for no limit."""

    note: Text = ""
    """A description of the virtual server for the administrator."""

    pool: Annotated[Line, Reference("pools", SPECIAL_POOLS)]
    """The pool that gets the traffic unless a rule says otherwise; "discard" closes every connection."""

    port: Port
    """The TCP or UDP port to listen on."""

    protection_class: Annotated[Line, Reference("protection")] = ""
    """The service protection class that screens clients and their requests; empty for none."""

    protocol: Literal[
        "client_first",
        "dns",
        "dns_tcp",
        "ftp",
        "http",
        "https",
        "imaps",
        "imapv2",
        "imapv3",
        "imapv4",
        "ldap",
        "ldaps",
        "pop3",
        "pop3s",
        "rtsp",
        "server_first",
        "siptcp",
        "sipudp",
        "smtp",
        "ssl",
        "stream",
        "telnet",
        "udp",
        "udpstreaming",
    ] = "http"
    """The protocol of the service. For HTTPS that is decrypted here choose http and switch decryption on."""

    proxy_protocol: Annotated[bool, Since("3.11")] = False
    """Expects a PROXY protocol header, version 1 or 2, that names the real client at the start of
    connections."""

    proxy_protocol_optional: Annotated[bool, Hidden(), Since("6.0")] = False
    """Also accepts connections that start without a PROXY protocol header."""

    request_rules: RuleList = ()
    """Rules run, in this order, on every request. A leading "/" disables a rule."""

    response_rules: RuleList = ()
    """Rules run, in this order, on every response. A leading "/" disables a rule."""

    rules_on_connect: Annotated[bool, Hidden(), Since("4.0")] = False
    """Runs the request rules as soon as a client connects, without waiting for its first data."""

    slm_class: Annotated[Line, Reference("service_level_monitors")] = ""
    """The service level monitoring class that watches response times; empty for none."""

    ssl_decrypt: bool = False
    """Decrypts TLS from clients with the certificates below, so that requests can be read and changed."""

    transparent: Annotated[bool, Since("3.5")] = False
    """Takes connections to any address that is routed here, as a transparent proxy does."""
