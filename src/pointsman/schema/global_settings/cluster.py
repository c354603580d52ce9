"""Global settings of the cluster: replication, fail-over of traffic IPs, routing, global load balancing.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Lines, LineSet, Secret, Since, Unit


class Bgp(Section):
    """BGP, by which routers learn which machine holds a traffic IP."""

    as_number: Annotated[int, Field(ge=1, le=4_294_967_295), Since("3.5")] = 65534
    """Number of the autonomous system that the cluster belongs to."""

    enabled: Annotated[bool, Since("3.5")] = False
    """Whether traffic IP groups that ask for it are announced by BGP."""


class ClusterComms(Section):
    """Which machines may change the configuration, and how members keep shared state in step."""

    allow_update_default: bool = True
    """
    Whether a machine that joins accepts configuration from the others (its `cluster_comms.allow_update`).
    """

    allowed_update_hosts: Lines = ("127.0.0.1",)
    """
    Who may use the control port of a member: addresses, host names or networks in CIDR notation; `all` lets
    everybody. Members of the cluster always may.
    """

    state_sync_interval: Annotated[int, Field(ge=0, le=60), Unit("s")] = 3
    """
    How often session persistence, bandwidth shares and the like are passed to the other members; 0 never
    does.
    """

    state_sync_timeout: Annotated[int, Field(ge=1, le=60), Unit("s")] = 6
    """How long an answer of another member is waited for before the connection to it is made anew."""


class FaultTolerance(Section):
    """How members watch themselves and one another, and when traffic IPs move."""

    arp_count: Count = 10
    """How many ARP announcements (neighbour advertisements for IPv6) are sent when a traffic IP is raised."""

    auto_failback: bool = True
    """Whether a traffic IP returns by itself to a machine that has recovered."""

    autofailback_delay: Annotated[int, Field(ge=0, le=86400), Unit("s"), Since("3.11")] = 10
    """How long a recovered machine must stay well before traffic IPs return to it."""

    child_timeout: Annotated[int, Field(ge=3, le=60), Unit("s"), Since("3.8")] = 5
    """How long a worker may be silent before its machine counts itself as failed."""

    frontend_check_ips: LineSet = ("%gateway%",)
    """
    Addresses that a machine pings to learn whether its front-end network works; `%gateway%` stands for its
    default gateway. While none answers it gives up its traffic IPs; an empty list makes no such check.
    """

    heartbeat_method: Literal["multicast", "unicast"] = "unicast"
    """
    How members tell one another that they live: one message to a multicast address, or one to each member.
    """

    igmp_interval: Annotated[int, Field(ge=0, le=86400), Unit("s")] = 30
    """
    How often membership of a multicast group is announced unasked, for switches that forget; 0 never does.
    """

    monitor_interval: Annotated[int, Field(ge=100, le=59_999), Unit("ms")] = 500
    """How often a machine checks its networks and tells the others how it is."""

    monitor_timeout: Annotated[int, Field(ge=3, le=60), Unit("s")] = 5
    """How long nothing must be heard of a member, or of a pinged address, before it counts as failed."""

    multicast_address: Line = "239.100.1.1:9090"
    """Multicast address and port for the messages between members, as `address:port`."""

    multicast_version: Annotated[int, Hidden(), Since("6.1")] = 0
    """Version of IGMP that is spoken; 0 leaves it to the operating system."""

    routing_sw_run_ribd: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether the routing software keeps a routing table of its own."""

    routing_sw_watchdog_interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The span of time in which failures of the routing software are counted."""

    routing_sw_watchdog_limit: Annotated[int, Hidden(), Since("4.0")] = 0
    """After how many failures in that span the routing software is not started again."""

    tipv6_raise_deprecated: Annotated[bool, Hidden(), Since("4.0")] = False
    """
    Whether IPv6 traffic IPs are raised as deprecated, so that the machine does not use them as source
    addresses.
    """

    unicast_port: Count = 9090
    """UDP port for the messages between members when each gets its own."""

    use_bind_ip: bool = False
    """Whether these messages use only the address that management traffic is restricted to."""

    verbose: bool = False
    """Whether every message between members is written to the event log."""


class Glb(Section):
    """Global load balancing by DNS."""

    verbose: bool = False
    """Whether every decision between locations is written to the event log."""


class Ospfv2(Section):
    """OSPF version 2, by which routers learn which machine holds a traffic IP."""

    area: Line = "0.0.0.1"
    """The OSPF area that the machines belong to, in dotted form."""

    area_type: Literal["normal", "nssa", "stub"] = "normal"
    """Kind of the area: normal, stub or not-so-stubby."""

    authentication_key_id_a: Annotated[int, Field(ge=0, le=255)] = 0
    """Number of the first authentication key; 0 with an empty secret means that the key is not used."""

    authentication_key_id_b: Annotated[int, Field(ge=0, le=255)] = 0
    """Number of the second authentication key, so that keys can be changed without a break."""

    authentication_shared_secret_a: Annotated[Line, Secret("empty")] = ""
    """The first authentication key (MD5), shared with the routers; empty does not use it."""

    authentication_shared_secret_b: Annotated[Line, Secret("empty")] = ""
    """The second authentication key (MD5); empty does not use it."""

    dead_interval: Annotated[int, Field(ge=1, le=65535), Unit("s"), Since("5.0")] = 40
    """How long a router must be silent before it counts as gone. All routers of the area must agree."""

    enabled: bool = False
    """Whether traffic IP groups that ask for it are announced by OSPF."""

    hello_interval: Annotated[int, Field(ge=1, le=65535), Unit("s")] = 10
    """How often the machine makes itself known to routers. All routers of the area must agree."""
