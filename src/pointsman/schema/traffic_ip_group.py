"""Traffic IP groups: addresses that the members of the cluster hold for one another.

Invariant: an address of a group is one that a network card can have; which machine holds it now is not part of the
configuration.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.value import Line, LineSet, ListOf, Reference, Since, Table, TableKey, Text, Unordered


def _traffic_ip(text: str) -> str:
    """Refuses what is no address, and addresses that no machine can hold for others."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise PydanticCustomError(
            "traffic_ip", "must be an IP address, as 192.0.2.10 or 2001:db8::10; correct it"
        )
    mapped = address.version == 6 and address.ipv4_mapped is not None
    if address.is_multicast or address.is_loopback or address.is_unspecified or mapped:
        raise PydanticCustomError(
            "traffic_ip",
            "must be an address that one machine can hold, not a loopback, multicast, unspecified or "
            "IPv4-mapped one; choose another",
        )
    return text


TrafficIp = Annotated[Line, AfterValidator(_traffic_ip)]
"""An IPv4 or IPv6 address that a machine can hold."""

_Metric16 = Annotated[int, Field(ge=1, le=65_535)]
_Metric32 = Annotated[int, Field(ge=1, le=4_294_967_295)]


class Pin(Row):
    """Where one address belongs."""

    ip: TrafficIp
    """The traffic IP."""

    traffic_manager: Annotated[Line, Reference("traffic_managers")]
    """The machine that holds it while it works."""


class Basic(Section):
    """The addresses, the machines that hold them, and how they are shared out."""

    enabled: bool = True
    """Whether the addresses are raised at all."""

    hash_source_port: bool = False
    """
    Whether a multi-hosted group shares out connections by the client's port as well as by its address, which is
    finer, and lets connections of one client reach different machines.
    """

    ip_assignment_mode: Annotated[Literal["alphabetic", "balanced"], Since("3.7")] = "balanced"
    """
    How addresses find their machines: `balanced` gives every machine as many as the others, `alphabetic` takes
    addresses and machines in order, which is easy to foresee.
    """

    ip_mapping: Annotated[Table[Pin], Unordered(), TableKey("ip")] = ()
    """Addresses that belong to one particular machine while it works."""

    ipaddresses: Annotated[ListOf[TrafficIp], Unordered()] = ()
    """The traffic IPs of the group."""

    keeptogether: bool = False
    """Whether all addresses of the group are always on one machine."""

    location: int = 0
    """The location that the group belongs to in a cluster of several; 0 for none."""

    machines: Annotated[LineSet, Reference("traffic_managers")] = ()
    """The traffic managers that can hold the addresses."""

    mode: Literal[
        "ec2elastic",
        "ec2vpcelastic",
        "ec2vpcprivate",
        "gceexternal",
        "multihosted",
        "rhi",
        "singlehosted",
    ] = "singlehosted"
    """
    How addresses are held: `singlehosted` on one machine at a time, `multihosted` on all of them at once, `rhi`
    announced to routers; the others by means of a cloud.
    """

    multicast: Line = ""
    """The multicast address by which a multi-hosted group gets its packets."""

    note: Text = ""
    """A description of the group for the administrator."""

    rhi_bgp_metric_base: Annotated[_Metric32, Since("3.5")] = 10
    """What the active machine announces by BGP as the cost of its route; lower is preferred."""

    rhi_bgp_passive_metric_offset: Annotated[_Metric32, Since("3.5")] = 10
    """How much passive machines add to that cost in BGP."""

    rhi_ospfv2_metric_base: _Metric16 = 10
    """What the active machine announces by OSPF as the cost of its route; lower is preferred."""

    rhi_ospfv2_passive_metric_offset: _Metric16 = 10
    """How much passive machines add to that cost in OSPF."""

    rhi_protocols: Annotated[Line, Since("3.5")] = "ospf"
    """The routing protocols that announce the group, separated by spaces: `ospf`, `bgp` or both."""

    slaves: Annotated[LineSet, Reference("traffic_managers")] = ()
    """Those of the machines that are passive: they hold addresses only while no other one works."""


class TrafficIpGroup(Resource):
    """Addresses that move to another machine when theirs fails."""

    basic: Basic = Basic()


TRAFFIC_IP_GROUP = ResourceType(
    path="traffic_ip_groups",
    title="Traffic IP Group",
    plural="Traffic IP Groups",
    kind=Kind.COLLECTION,
    model=TrafficIpGroup,
)
