"""Where virtual servers listen, and which of them gets an address that two want.

Invariant: no two listeners of a plan overlap, because HAProxy with `noreuseport` refuses to start with such a pair; a
virtual server that has an address keeps it.

Fact (HAProxy 2.8.25): `bind :::80 v4v6` shows IPv4 clients as ::ffff:192.0.2.1 in headers and logs, so "any address" is
two listeners, one for each family.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy.traffic_ip_group import Place, bound_addresses
from pointsman.compiler.node import addresses_of
from pointsman.compiler.plan import Listener
from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId
from pointsman.schema.virtual_server import VirtualServer

ANY_IPV4 = "0.0.0.0"  # noqa: S104  # the administrator's choice, and the default of virtual servers
ANY_IPV6 = "::"


def listeners(
    name: str, server: VirtualServer, groups: Mapping[str, Place], facts: Facts, remarks: Remarks
) -> tuple[Listener, ...]:
    """The addresses a virtual server is to listen on; none (with a condition) when it has none.

    `groups` are what the traffic IP groups that it names offer here.
    """
    subject = ObjectId("virtual_servers", name)
    basic = server.basic
    if basic.listen_on_any:
        wanted = [ANY_IPV4, ANY_IPV6] if facts.ipv6 else [ANY_IPV4]
        return tuple(Listener(address, basic.port, subject) for address in wanted)
    found: dict[str, None] = {}
    for host in sorted(basic.listen_on_hosts):
        addresses = addresses_of(host, facts.addresses)
        found.update(dict.fromkeys(str(ipaddress.ip_address(address)) for address in addresses))
        if not addresses:
            remarks.warn(
                subject,
                "host_unresolved",
                f'the host name "{host}" does not resolve, so nothing listens there. '
                "Correct the name, or make the name service know it",
                *("basic", "listen_on_hosts"),
            )
    raised = bound_addresses(subject, basic.listen_on_traffic_ips, groups, remarks)
    elsewhere = any(place.why and not place.fault for place in groups.values())
    if not found and not raised and elsewhere:
        return ()  # the machines of the group serve it
    if not found and not raised:
        remarks.reject(
            subject,
            "no_address",
            "there is no address to listen on; switch basic.listen_on_any on, or name hosts that resolve",
            *("basic", "listen_on_hosts"),
        )
    return tuple(
        Listener(address, basic.port, subject, transparent=address in raised)
        for address in dict.fromkeys((*found, *raised))
    )


def grant(
    own: tuple[Listener, ...],
    wanted: Mapping[str, tuple[Listener, ...]],
    facts: Facts,
) -> tuple[tuple[Listener, ...], dict[ObjectId, str]]:
    """The listeners of the product itself that get their addresses, and for each subject that does not, why.

    Nothing takes a port from what listens already: a virtual server that serves is not ended by a port of ours, nor
    the other way round. Of two that are new, ours comes first.
    """
    occupied = _Occupied()
    for server in facts.serving & wanted.keys():
        for listener in wanted[server]:
            if listener.port not in facts.own_ports:
                occupied.add(listener)
    granted: list[Listener] = []
    without: dict[ObjectId, str] = {}
    for listener in own:
        rival = occupied.rival(listener)
        if rival is not None and rival.subject != listener.subject and listener.subject is not None:
            without[listener.subject] = f"port {listener.port} is in use by {_owner(rival)}"
        else:
            occupied.add(listener)
            granted.append(listener)
    return tuple(listener for listener in granted if listener.subject not in without), without


def _owner(listener: Listener) -> str:
    """Who listens, in words."""
    if listener.subject is None:
        return "the demo"
    words = {
        "virtual_servers": f'virtual server "{listener.subject.name}"',
        "traffic_managers": "the engine's own answer to /healthz",
        "global_settings": "the link between the engines of the cluster",
    }
    return words[listener.subject.type]


def settle(
    wanted: Mapping[str, tuple[Listener, ...]],
    taken: tuple[Listener, ...],
    claims: Mapping[ObjectId, int],
    remarks: Remarks,
) -> dict[str, tuple[Listener, ...]]:
    """The virtual servers that get all their addresses, of those in `wanted`.

    `taken` are listeners of the product itself. First come those that have claimed their addresses for longer, then by
    name: so all members of a cluster agree, and who has an address keeps it until he himself asks for another.
    """

    def rank(name: str) -> tuple[float, str]:
        return claims.get(ObjectId("virtual_servers", name), math.inf), name

    occupied = _Occupied()
    for listener in taken:
        occupied.add(listener)
    settled: dict[str, tuple[Listener, ...]] = {}
    for name in sorted(wanted, key=rank):
        rivals = [rival for listener in wanted[name] if (rival := occupied.rival(listener)) is not None]
        if rivals:
            remarks.reject(
                ObjectId("virtual_servers", name),
                "address_in_use",
                f"port {rivals[0].port} is in use by {_owner(rivals[0])} on the same address; "
                "choose another port or address",
                *("basic", "port"),
            )
            continue
        for listener in wanted[name]:
            occupied.add(listener)
        settled[name] = wanted[name]
    return settled


class _Occupied:
    """The listeners so far, by port and family: among thousands on one port a rival is found at once."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, bool], dict[str, Listener]] = {}

    def add(self, listener: Listener) -> None:
        self._found.setdefault(self._key(listener), {})[listener.address] = listener

    def rival(self, listener: Listener) -> Listener | None:
        """A listener that cannot be bound beside this one, or None."""
        others = self._found.get(self._key(listener), {})
        if listener.address in (ANY_IPV4, ANY_IPV6):
            return next(iter(others.values()), None)
        return others.get(listener.address) or others.get(ANY_IPV4) or others.get(ANY_IPV6)

    @staticmethod
    def _key(listener: Listener) -> tuple[int, bool]:
        return listener.port, ":" in listener.address


def bind_words(listener: Listener) -> tuple[str, ...]:
    """The address of a `bind` line; `transparent` binds one that this machine does not hold at the moment.

    Fact (HAProxy 2.8.25): it makes every IPv6 socket one for IPv6 only, and on a reload with `noreuseport` takes over
    only sockets of listeners that say so. Without the word the new worker binds anew, fails, and pauses all listeners.
    """
    further = ("transparent",) if listener.transparent else ()
    match listener.address:
        case "0.0.0.0":  # noqa: S104 # compared with: the administrator asked for it
            return (f"*:{listener.port}",)
        case "::":
            return (f":::{listener.port}", "v6only")
        case address:
            if ":" in address:
                return (f"[{address}]:{listener.port}", "v6only", *further)
            return (f"{address}:{listener.port}", *further)
