"""What the compiler must know besides the configuration: the engine, this machine, the network right now.

Invariant: facts are values gathered by the control loop; the compiler asks nothing of the world itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.schema.problem import ObjectId


@dataclass(frozen=True)
class EngineFacts:
    """The HAProxy found on this machine: version as (2, 8, 25), and the names marked `+` in its feature list."""

    version: tuple[int, int, int]
    features: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Member:
    """A traffic manager of the cluster: its name, and the IP address at which the other members reach it."""

    name: str
    address: str


@dataclass(frozen=True)
class Interface:
    """A network interface of this machine: its name, and its addresses with their networks ("192.0.2.7/24")."""

    name: str
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The world as the control loop sees it.

    `engine_directory` is absolute; it holds the servers' states, and its `run` the engine's sockets. `addresses`
    maps each host name that resolves to its addresses; a name that does not resolve is absent. `refused` are
    objects to leave out, with the reason (a port in use, the engine's own refusal). `demo_ports` are loopback ports
    on which the engine itself answers as a demo node. `ipv6` is false where the kernel has no IPv6. `serving` names
    the virtual servers that listen now: nothing of the product's own takes an address from them.
    """

    engine: EngineFacts
    traffic_manager: str
    engine_directory: str
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: Mapping[ObjectId, str] = field(default_factory=dict)
    demo_ports: tuple[int, ...] = ()
    worker_user: int = 0
    worker_group: int = 0
    """The Unix user and group that the engine's worker becomes, if it is not them already, once it has bound its ports
    and read its files; 0: it stays who starts it.
    """
    bandwidth: int = 0
    """Bits of payload a second that all HTTP and TCP services together may carry in each direction; 0 without limit."""
    cluster: tuple[Member, ...] = ()
    """The members by name, this one included; empty for an instance that stands alone. They are taken from the
    configuration, never from who is alive, so that all members compile the same.
    """
    cluster_certificate: bytes = field(default=b"", repr=False)
    """This member's certificate and key (PEM), with which its engine shows itself to those of other members. It is
    signed by itself.
    """
    cluster_authority: bytes = b""
    """The certificates (PEM) of the engines of all members, by which they know one another. Each is trusted as it is:
    a removed member still has the key of the cluster's own authority and could sign what it likes.
    """
    session_secret: bytes = field(default=b"", repr=False)
    """By which cookies name nodes without telling their addresses; the same on all members."""
    interfaces: tuple[Interface, ...] = ()
    """The network interfaces by name, without traffic IPs."""
    cannot_raise: str = ""
    """Why this machine can hold no traffic IPs, with the remedy; "" when it can."""
    can_ping: bool = True
    times_socket: str = ""
    """The datagram socket on which response times are heard, which the engine's worker can reach; "" where none is."""
    ipv6: bool = True
    serving: frozenset[str] = frozenset()
    own_ports: frozenset[int] = frozenset()
    """The ports on which the engine listens now for the product itself: no virtual server gets them meanwhile."""

    @property
    def members(self) -> int:
        """How many traffic managers share what belongs to all of them."""
        return max(1, len(self.cluster))
