"""The operating system under a traffic manager that was installed as an appliance or in a cloud.

Invariant: each class is one section or one table row of a traffic manager; keys stand in alphabetical order.
In a container or on somebody else's system these settings are stored and change nothing.
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
    Since,
    Table,
    TableKey,
    Unit,
    Unordered,
)


class Host(Row):
    """One line of the machine's hosts file."""

    ip_address: Line
    """The address that the name stands for."""

    name: Line
    """The host name that is given an address."""


class Interface(Row):
    """One network interface."""

    autoneg: bool = True
    """Whether speed and duplex are agreed on with the other end of the cable."""

    bmode: Literal["802_3ad", "balance_alb"] = "802_3ad"
    """For a bond: whether its links are joined by IEEE 802.3ad, or balanced without the switch's help."""

    bond: Line = ""
    """The bond that the interface is part of; empty for none."""

    duplex: bool = True
    """Whether the interface sends and receives at the same time. It matters only without negotiation."""

    mode: Literal["dhcp", "static"] = "static"
    """Whether the address comes from DHCP or from the `ip` table."""

    mtu: Annotated[int, Field(ge=68, le=9216), Unit("bytes")] = 1500
    """The largest packet that is sent."""

    name: Line
    """Name of the interface, such as `eth0`."""

    speed: Annotated[Literal["10", "100", "1000", "10000", "100000", "40000"], Unit("Mbit/s")] = "1000"
    """Speed of the interface. It matters only without negotiation."""


class Address(Row):
    """The address of one network interface."""

    addr: Line
    """The IP address of the interface."""

    isexternal: bool = False
    """Whether the network is reached from outside."""

    mask: Line
    """The network mask, in dotted form or as the length of the prefix."""

    name: Line
    """The interface that has the address."""


class Route(Row):
    """One static route."""

    gw: Line
    """The gateway to the destination."""

    if_: Annotated[Line, Field(alias="if")]
    """The interface through which the gateway is reached."""

    mask: Line
    """The destination's network mask."""

    name: Line
    """The destination's network address."""


class Appliance(Section):
    """Name, networks, time and remote access of an appliance."""

    disable_cloud_init: Annotated[bool, Hidden(), Since("5.2")] = False
    """Whether cloud-init is kept from configuring the machine."""

    disable_kpti: Annotated[bool, Since("5.2")] = False
    """Whether the kernel's protection against Meltdown is switched off for speed. It needs a reboot."""

    dnscache: Annotated[bool, Since("6.0")] = True
    """Whether the machine keeps answers of name servers itself."""

    dnssec: Annotated[Literal["allow_downgrade", "no", "yes"], Since("6.0")] = "no"
    """
    Whether answers of name servers must be signed: always, never, or (`allow_downgrade`) if the name server
    can sign.
    """

    gateway_ipv4: Line = ""
    """Default gateway for IPv4."""

    gateway_ipv6: Line = ""
    """Default gateway for IPv6."""

    hostname: Line = ""
    """Name of the machine, without or with its domain."""

    hosts: Annotated[Table[Host], Unordered(), TableKey("name")] = ()
    """Host names that are known without asking a name server."""

    if_: Annotated[Table[Interface], Field(alias="if"), Unordered(), TableKey("name")] = ()
    """Network interfaces and how each is set up."""

    ip: Annotated[Table[Address], Unordered(), TableKey("name")] = ()
    """Addresses of network interfaces."""

    ipmi_lan_access: Annotated[bool, Since("3.7")] = False
    """Whether the machine's management controller (IPMI) can be reached over the network."""

    ipmi_lan_addr: Annotated[Line, Since("3.7")] = ""
    """Address of the management controller."""

    ipmi_lan_gateway: Annotated[Line, Since("3.7")] = "0.0.0.0"  # noqa: S104 (means: none)
    """Default gateway of the management controller."""

    ipmi_lan_ipsrc: Annotated[Literal["dhcp", "static"], Since("3.7")] = "static"
    """Whether the management controller's address comes from DHCP or from these settings."""

    ipmi_lan_mask: Annotated[Line, Since("3.7")] = ""
    """Network mask of the management controller."""

    ipv4_forwarding: bool = False
    """Whether the machine passes IPv4 packets on between its networks."""

    ipv6_forwarding: Annotated[bool, Since("3.6")] = False
    """Whether the machine passes IPv6 packets on between its networks."""

    licence_agreed: bool = False
    """Whether the licence text was accepted on this machine."""

    manageazureroutes: Annotated[bool, Since("3.4")] = True
    """Whether the product sets up the routes that Azure needs."""

    manageec2conf: bool = True
    """Whether the product sets up what EC2 needs."""

    managegceroutes: Annotated[bool, Since("6.2")] = True
    """Whether the product sets up the routes that Google Compute Engine needs."""

    manageiptrans: bool = True
    """Whether the product sets up packet filter and routes for IP transparency."""

    managereservedports: Annotated[bool, Since("5.0")] = True
    """Whether the product keeps the kernel from giving the ports of its services to other connections."""

    manageresolved: Annotated[bool, Hidden(), Since("6.2")] = False
    """Whether the product sets up the machine's own resolver."""

    managereturnpath: bool = True
    """Whether the product sets up the routes that lead answers back to the gateway of the request."""

    manageservices: Annotated[bool, Since("5.0")] = True
    """Whether the product starts and stops services of the operating system."""

    managesysctl: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the product sets the kernel's parameters."""

    managevpcconf: bool = True
    """Whether the product sets up what a VPC of EC2 needs."""

    name_servers: LineSet = ()
    """Addresses of name servers."""

    ntpservers: Lines = (
        "0.zeus.pool.ntp.org",
        "1.zeus.pool.ntp.org",
        "2.zeus.pool.ntp.org",
        "3.zeus.pool.ntp.org",
    )
    """Time servers, as host names or addresses."""

    routes: Annotated[Table[Route], Unordered(), TableKey("name")] = ()
    """The static routes of the machine."""

    search_domains: LineSet = ()
    """Domains that are tried for a host name without one."""

    ssh_enabled: bool = True
    """Whether one can log in by SSH."""

    ssh_password_allowed: Annotated[bool, Since("3.6")] = True
    """Whether SSH takes passwords; otherwise only keys."""

    ssh_port: Port = 22
    """Port of the SSH server."""

    timezone: Line = "US/Pacific"
    """The machine's time zone, by its name in the time zone database."""

    vlans: LineSet = ()
    """VLANs, as `interface.number`."""


class Ec2(Section):
    """The machine as an instance of EC2."""

    availability_zone: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The availability zone that the machine runs in."""

    instanceid: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The cloud's identifier of the machine."""

    trafficips_public_enis: LineSet = ()
    """Network interfaces that public traffic IPs may be tied to; empty lets any be used."""

    vpcid: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The virtual private cloud that the machine belongs to."""


class Iptables(Section):
    """The machine's packet filter."""

    config_enabled: Annotated[bool, Since("3.5")] = True
    """
    Whether the product sets up the packet filter as it needs it. Switch it off to keep rules of your own.
    """


class Iptrans(Section):
    """IP transparency: connections to nodes that carry the client's address."""

    chain: Annotated[Line, Hidden(), Since("4.0")] = ""
    """The chain of the packet filter that holds the rules for IP transparency."""

    fwmark: Annotated[Count, Since("3.5")] = 320
    """The mark that packets of such connections get; no other rule of the packet filter may use it."""

    iptables_enabled: Annotated[bool, Since("3.5")] = True
    """Whether IP transparency works by the packet filter and policy routing; otherwise by a kernel module."""

    routing_table: Annotated[int, Field(ge=256, le=2_147_483_647), Since("3.5")] = 320
    """Number of the routing table for packets with that mark; nothing else may use it."""
