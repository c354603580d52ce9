"""What is particular to one traffic manager of the cluster: name, addresses, ports, services of its own.

Invariant: each class is one section or one table row of a traffic manager; keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Row, Section
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    LineSet,
    Port,
    Secret,
    Since,
    Table,
    TableKey,
    Unit,
    Unordered,
)

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (a stored default; nothing listens by it)


class Card(Row):
    """One network card of an appliance."""

    interfaces: Lines
    """The card's interfaces, in the order of its sockets."""

    label: Line = "-"
    """What is printed on the card."""

    name: Line
    """Name of the card."""


class KernelParameter(Row):
    """One parameter of the kernel."""

    description: Line = ""
    """Why it is set, for the administrator."""

    sysctl: Line
    """Name of the parameter, such as `net.core.somaxconn`."""

    value: Line
    """The value it gets."""


class Network(Row):
    """The networks that one interface can raise traffic IPs on."""

    name: Line
    """Name of the interface, such as `eth0`."""

    networks: Lines
    """Networks in CIDR notation; a traffic IP inside one of them is raised on this interface."""


class Basic(Section):
    """Name, addresses and size of the traffic manager."""

    adminMasterXMLIP: Line = ANY_ADDRESS
    """
    Address on which the application firewall's master listens for its configuration; 0.0.0.0 is every one.
    """

    adminSlaveXMLIP: Line = ANY_ADDRESS
    """
    Address on which the application firewall's slave listens for its configuration; 0.0.0.0 is every one.
    """

    appliance_card: Annotated[Table[Card], Unordered(), TableKey("name"), Since("3.7")] = ()
    """Network cards of the machine and their interfaces."""

    appliance_sysctl: Annotated[Table[KernelParameter], Unordered(), TableKey("sysctl")] = ()
    """Parameters of the kernel that differ from the operating system's."""

    authenticationServerIP: Line = ANY_ADDRESS
    """Address on which the application firewall's login server listens; 0.0.0.0 is every one."""

    cloud_platform: Line = ""
    """The cloud that the machine runs in; empty outside clouds."""

    community_edition_accepted: Annotated[bool, Hidden(), Since("6.1")] = False
    """Whether the machine was told to run as Community Edition, without a licence key."""

    disk_serious: Annotated[int, Unit("%"), Hidden(), Since("4.0")] = 0
    """How full a disk may be before a serious alert is raised."""

    disk_warn: Annotated[int, Unit("%"), Hidden(), Since("4.0")] = 0
    """How full a disk may be before a warning is raised."""

    kmod_policy: Annotated[Line, Hidden(), Since("4.0")] = ""
    """Whether the product may load kernel modules of its own."""

    location: Line = ""
    """
    The location that the machine belongs to, for settings that differ between locations; empty for none.
    """

    nameip: Line = ""
    """The address that stands for the machine's name where the name does not resolve; empty uses the name."""

    num_aptimizer_threads: Count = 0
    """How many threads rewrite web pages; 0 means one for each processor."""

    num_children: Count = 0
    """How many workers carry traffic; 0 means one for each processor. It takes effect at the next restart."""

    # The product permits 1 to 64 and has 0 as the default, which clients send back to it.
    numberOfCPUs: Annotated[int, Field(ge=0, le=64)] = 0
    """How many processors the application firewall uses, from 1 to 64; 0 means all of them."""

    restServerPort: Count = 0
    """Port of the application firewall's own REST service; 0 takes the usual one."""

    start_sysd: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the process that configures the operating system is started."""

    trafficip: Annotated[Table[Network], Unordered(), TableKey("name")] = ()
    """
    Which interface raises traffic IPs of which networks, where it does not follow from the addresses in use.
    """

    updaterIP: Line = ANY_ADDRESS
    """Address on which the application firewall's updater listens; 0.0.0.0 is every one."""

    use_mx: Annotated[Line, Hidden(), Since("4.0")] = ""
    """Whether workers take turns in accepting connections by means of a lock."""


class Admin(Section):
    """The administration server of this machine."""

    hsts_enable: Annotated[bool, Since("8.2")] = False
    """Whether browsers are told to use HTTPS only (HTTP Strict Transport Security)."""

    hsts_max_age: Annotated[Count, Unit("s"), Since("8.2")] = 31_536_000
    """How long browsers shall remember that."""


class Autodiscover(Section):
    """Being found by machines that want to join a cluster."""

    product_id: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The name of the product as announced."""


class ClusterComms(Section):
    """How this machine talks to the other members."""

    allow_update: bool = True
    """Whether other members may change the configuration here."""

    bind_ip: Line = "*"
    """Address on which the other members reach this machine; `*` is every one."""

    external_ip: Line = ""
    """
    The address of this machine as members at other locations see it, behind address translation; empty where
    there is none.
    """

    port: Port = 9080
    """Port on which the other members reach this machine, over TCP and UDP."""


class EngineHealth(Section):
    """The engine's own answer to balancers in front of the cluster. The section is an addition of this product."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """
    Port on which the traffic engine itself answers GET /healthz in plain HTTP; 0 switches it off. The key is an
    addition of this product.
    """


class FaultTolerance(Section):
    """This machine in routing protocols."""

    bgp_router_id: Annotated[Line, Since("3.5")] = ""
    """
    Identifier of this machine as a BGP router, in the form of an IPv4 address; empty takes one of its own.
    """

    ospfv2_ip: Line = ""
    """The address of this machine for OSPF; empty takes the one on the default gateway's network."""

    ospfv2_neighbor_addrs: LineSet = ("%gateway%",)
    """
    Addresses of routers that must be heard by OSPF, otherwise an alert is raised; `%gateway%` stands for the
    default gateway.
    """

    rhi_support: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the machine has the routing software that announcing traffic IPs needs."""

    routing_sw_log_level: Annotated[int, Hidden(), Since("4.0")] = 0
    """How much the routing software logs; more with higher numbers."""


class Java(Section):
    """Java extensions on this machine."""

    port: Annotated[int, Field(ge=1024, le=65535)] = 9060
    """Port on which workers and Java talk to each other, on loopback only."""


class Kerberos(Section):
    """Kerberos on this machine."""

    hostname: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The host name under which the machine is known to Kerberos; empty takes its own."""

    num_kpt_threads: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many threads talk to the key distribution centre."""


class RemoteLicensing(Section):
    """What this machine says about itself when it registers with a Services Director."""

    email_address: Annotated[Line, Since("3.8")] = ""
    """Whom the Services Director's administrator can write to about the registration."""

    is_template: Annotated[bool, Hidden(), Since("6.2")] = False
    """Whether the machine is only a template that others are copied from, and does not register itself."""

    message: Annotated[Line, Since("3.8")] = ""
    """A short text that the Services Director's administrator sees next to the registration."""

    registration_identifier: Annotated[Line, Hidden(), Since("6.2")] = ""
    """What the Services Director calls the registration."""


class RestApi(Section):
    """Where the REST service of this machine listens."""

    bind_ips: LineSet = ("*",)
    """Addresses of the REST service; `*` is every one. Loopback is always among them."""

    port: Port = 9070
    """Port of the REST service."""


class Snmp(Section):
    """The SNMP agent of this machine."""

    allow: LineSet = ("all",)
    """
    Who may ask: addresses, host names or networks in CIDR notation; `all` lets everybody, `localhost` itself.
    """

    auth_password: Annotated[Line, Secret("empty")] = ""
    """The password that SNMP version 3 messages are authenticated with; at least 8 characters."""

    bind_ip: Line = "*"
    """Address of the agent; `*` is every one."""

    community: Line = "public"
    """The community string for SNMP versions 1 and 2c; empty refuses these versions."""

    enabled: bool = False
    """Whether the agent runs."""

    hash_algorithm: Literal["md5", "sha1"] = "md5"
    """The hash that SNMP version 3 messages are authenticated with."""

    port: Line = "default"
    """UDP port of the agent; `default` is 161, or 1161 where the product may not use ports below 1024."""

    priv_password: Annotated[Line, Secret("empty")] = ""
    """
    The password that SNMP version 3 messages are encrypted with; empty takes the authentication password.
    """

    security_level: Literal["authnopriv", "authpriv", "noauthnopriv"] = "noauthnopriv"
    """The least that SNMP version 3 messages must have: authentication, encryption as well, or neither."""

    username: Line = ""
    """The user name for SNMP version 3; empty refuses this version."""


class Soap(Section):
    """The SOAP service of this machine."""

    max_requests: Annotated[int, Hidden(), Since("6.2")] = 0
    """How many requests are answered before the process that does so is renewed; 0 never renews it."""
