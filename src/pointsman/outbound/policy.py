"""The bounds within which something is fetched: how long, how much, from which addresses.

Invariant: every bound is finite, whatever the other side does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # Linux takes it for the machine itself
        "169.254.0.0/16",  # link-local, and where clouds hand out what their machines may do
        "100.100.100.200/32",  # the same of one cloud, outside the link-local range
        "192.0.0.192/32",  # and of another
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::254/128",  # a cloud's again, in IPv6
        "fe80::/10",
        "ff00::/8",
    )
)
_NAT64 = ip_network("64:ff9b::/96")


class Redirects(Enum):
    """Which redirects are followed."""

    NONE = "none"
    TO_HTTPS = "from http to https"


@dataclass(frozen=True)
class Policy:
    """How something may be fetched.

    Times are seconds: `connect_seconds` and `read_seconds` bound each wait, `try_seconds` one try with its redirect,
    `total_seconds` everything. `starts` are the moments when further tries begin, counted from the first one; a try
    that lasts longer delays the next.
    `size_limit` is in bytes. `private` says whether loopback and private addresses may be asked; addresses that are
    link-local, multicast or a cloud's own are never asked.
    """

    schemes: tuple[str, ...] = ("https",)
    size_limit: int = 1 << 20
    connect_seconds: float = 5.0
    read_seconds: float = 5.0
    try_seconds: float = 9.0
    total_seconds: float = 60.0
    starts: tuple[float, ...] = ()
    redirects: Redirects = Redirects.NONE
    private: bool = False

    def permits(self, address: str) -> bool:
        """Whether an address (without zone) may be asked."""
        return all(self._permits(form) for form in _forms(ip_address(address)))

    def _permits(self, address: Address) -> bool:
        if any(address in network for network in _NEVER):
            return False
        return self.private or address.is_global


LICENCE = Policy(
    schemes=("http", "https"),
    starts=(3.0, 10.0, 25.0, 50.0),
    redirects=Redirects.TO_HTTPS,
    private=True,
)
"""How licence keys are fetched: five tries over 60 seconds, however each fails, so that a server may come up beside the
instance; often from a machine of the same private network.
"""


def _forms(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address that it leads to by translation."""
    if isinstance(address, IPv4Address):
        return (address,)
    if (mapped := address.ipv4_mapped or address.sixtofour) is not None:
        # An IPv4 address in other clothes is judged by what it is.
        return (mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return (address,)
