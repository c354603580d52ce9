"""The failover of all traffic IP groups: what keepalived is told on this machine, and what is to be said about groups.

Invariant: which addresses move together, their order and their VRRP numbers follow from the configuration and the list
of members alone, so that all members agree; only what this machine can raise depends on its own network.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from pointsman.compiler.facts import Facts, Interface
from pointsman.compiler.haproxy.name import identifier
from pointsman.compiler.haproxy.traffic_ip_group import SERVED_MODE
from pointsman.compiler.keepalived.placement import Group, Order, place
from pointsman.compiler.keepalived.text import Address, Instance, configuration
from pointsman.compiler.memory import Memory
from pointsman.compiler.plan import Failover, TrafficIp
from pointsman.compiler.remark import Remarks
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.global_settings.cluster import FaultTolerance
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.schema.traffic_manager import TrafficManager

_VRIDS = 255
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._@+=-]+")
_INTERFACE = re.compile(r"[A-Za-z0-9._@-]{1,15}")
_SETTINGS = ObjectId("global_settings", "")


@dataclass(frozen=True)
class _Share:
    """Addresses of one group that move together, with their order and their number in VRRP; `key` tells those of a
    group from one another.
    """

    group: str
    key: str
    order: Order
    addresses: tuple[str, ...]
    number: int


def failover(snapshot: Snapshot, facts: Facts, memory: Memory, remarks: Remarks) -> Failover:
    """How this machine takes part in holding the traffic IPs of all groups."""
    groups = dict(snapshot.all("traffic_ip_groups", TrafficIpGroup))
    if not groups:
        return Failover()
    settings = (snapshot.get("global_settings", "", GlobalSettings) or GlobalSettings()).fault_tolerance
    own = snapshot.get("traffic_managers", facts.traffic_manager, TrafficManager) or TrafficManager()
    members = {member.name: member.address for member in facts.cluster} or {facts.traffic_manager: ""}
    served = [
        found
        for name, group in groups.items()
        if (found := _served(name, group, members, remarks)) is not None
    ]
    orders: dict[str, Order] = memory.recall("traffic IPs", "", (served,), lambda _: place(served), remarks)
    shares = _shares(served, orders, remarks)
    _remark_on_settings(settings, remarks)
    raisable: dict[str, tuple[Address, ...]] = {}
    instances = []
    for share in shares:
        if facts.traffic_manager not in share.order:
            continue
        made = _instance(share, members, own, facts, remarks)
        if made is not None:
            instances.append(made)
            raisable[instances[-1].name] = made.addresses
    here = {address.text for addresses in raisable.values() for address in addresses}
    directory = str(PurePath(facts.engine_directory) / "keepalived")
    return Failover(
        configuration=configuration(instances, settings, directory) if instances else "",
        instances=tuple(sorted(instance.number for instance in instances)),
        return_after=float(settings.autofailback_delay) if settings.auto_failback else None,
        addresses=tuple(
            TrafficIp(address, share.group, share.order, address in here, share.number)
            for share in shares
            for address in share.addresses
        ),
        front_end=tuple(sorted(settings.frontend_check_ips)),
        interval=settings.monitor_interval / 1000,
        timeout=float(settings.monitor_timeout),
        silence=float(settings.child_timeout),
    )


def _served(name: str, group: TrafficIpGroup, members: Mapping[str, str], remarks: Remarks) -> Group | None:
    """What placement needs of a group, or None (with a condition) when nobody can hold its addresses."""
    subject = ObjectId("traffic_ip_groups", name)
    basic = group.basic
    if basic.mode != SERVED_MODE:
        remarks.reject(
            subject,
            "mode_not_served",
            f"the mode {basic.mode} is not served yet, no address is raised; make it {SERVED_MODE} or disable it",
            *("basic", "mode"),
        )
        return None
    if not basic.enabled:
        return None
    for machine in sorted({*basic.machines} - members.keys()):
        remarks.warn(
            subject,
            "machine_missing",
            f'there is no traffic manager "{machine}", so it holds nothing. Correct the name, or let it join',
            *("basic", "machines"),
        )
    present = {*basic.machines} & members.keys()
    if basic.ipaddresses and not present:
        remarks.warn(
            subject,
            "no_machine",
            "no machine of the group exists, so nobody raises its addresses; name traffic managers",
            *("basic", "machines"),
        )
    addresses = tuple(sorted({str(ipaddress.ip_address(address)) for address in basic.ipaddresses}))
    if not present or not addresses:
        return None
    active = tuple(sorted(present - {*basic.slaves}))
    return Group(
        name=name,
        addresses=addresses,
        active=active,
        passive=tuple(sorted(present & {*basic.slaves})),
        alphabetic=basic.ip_assignment_mode == "alphabetic",
        together=basic.keeptogether,
        pins=_pins(subject, group, addresses, active, remarks),
    )


def _pins(
    subject: ObjectId,
    group: TrafficIpGroup,
    addresses: tuple[str, ...],
    active: tuple[str, ...],
    remarks: Remarks,
) -> dict[str, str]:
    pins: dict[str, str] = {}
    for row in group.basic.ip_mapping:
        address = str(ipaddress.ip_address(row.ip))
        why = ""
        if address not in addresses:
            why = "it is no address of the group"
        elif row.traffic_manager not in active:
            why = f'"{row.traffic_manager}" is no active machine of the group'
        elif group.basic.keeptogether and {*pins.values()} - {row.traffic_manager}:
            why = "the addresses of the group are kept together, and another one belongs elsewhere"
        if why:
            message = f"the place of {row.ip} is not heeded: {why}. Correct or remove the row"
            remarks.warn(subject, "pin_not_heeded", message, "basic", "ip_mapping", row.ip)
        else:
            pins[address] = row.traffic_manager
    return pins


def _shares(groups: Iterable[Group], orders: Mapping[str, Order], remarks: Remarks) -> list[_Share]:
    """What moves as one: an address, or a group that is kept together. Each has a number in VRRP that it keeps while
    machines and other groups come and go, so that nothing moves for that; there are only 255. Where that is not enough,
    the addresses of a group with the same order move together.
    """
    groups = tuple(groups)
    wanted: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for address in group.addresses:
            wanted.setdefault((group.name, "" if group.together else address), []).append(address)
    if len(wanted) > _VRIDS:
        wanted = {}
        for group in groups:
            for address in group.addresses:
                wanted.setdefault((group.name, "\0".join(orders[address])), []).append(address)
    taken: dict[int, tuple[str, str]] = {}
    left_out: dict[str, None] = {}
    for key in sorted(wanted):
        if len(taken) == _VRIDS:
            left_out[key[0]] = None
            continue
        digest = hashlib.sha256("\0".join(key).encode()).digest()
        number = int.from_bytes(digest[:4], "big") % _VRIDS
        while number + 1 in taken:
            number = (number + 1) % _VRIDS
        taken[number + 1] = key
    for name in left_out:
        remarks.reject(
            ObjectId("traffic_ip_groups", name),
            "too_many_orders",
            f"a cluster has at most {_VRIDS} sets of addresses that move together, and these are more; some addresses "
            "of the group are not raised. Use fewer groups, keep addresses together, or assign them alphabetically",
        )
    return [
        _Share(key[0], key[1], orders[wanted[key][0]], tuple(wanted[key]), number)
        for number, key in sorted(taken.items(), key=lambda item: item[1])
    ]


def _instance(
    share: _Share, members: Mapping[str, str], own: TrafficManager, facts: Facts, remarks: Remarks
) -> Instance | None:
    """This machine's part in holding a share, or None (with a condition) where it cannot hold it."""
    subject = ObjectId("traffic_ip_groups", share.group)
    if facts.cannot_raise:
        remarks.warn(subject, "cannot_raise", f"this machine raises no traffic IPs: {facts.cannot_raise}")
        return None
    if not _PLAIN_PATH.fullmatch(facts.engine_directory):
        message = "this machine raises no traffic IPs: the path of its home has characters that keepalived's "
        remarks.warn(subject, "cannot_raise", message + "configuration cannot hold; choose a plainer --home")
        return None
    found = []
    for address in share.addresses:
        name = _interface_for(address, own, facts.interfaces)
        if not name:
            remarks.warn(
                subject,
                "no_network",
                f"{address} is in no network of this machine, which does not raise it. Connect the machine to that "
                "network, name the interface in the traffic manager's basic.trafficip, or remove the machine",
                *("basic", "ipaddresses"),
            )
            return None
        found.append(Address(address, name))
    source = members[facts.traffic_manager] or _own_address(found[0].interface, facts.interfaces)
    base = _interface_of(source, facts.interfaces) if source else ""
    if not base:
        where = (
            f"{source} is the address of this machine in the cluster, and no interface"
            if source
            else "no address"
        )
        remarks.warn(
            subject,
            "no_own_address",
            f"this machine raises no traffic IPs: {where} has it; give the machine its address again",
        )
        return None
    peers = [members[machine] for machine in share.order if machine != facts.traffic_manager]
    version = ipaddress.ip_address(source).version
    peers = [peer for peer in peers if ipaddress.ip_address(peer).version == version]
    return Instance(
        name=identifier(f"{share.group}\0{share.key}"),
        number=share.number,
        rank=share.order.index(facts.traffic_manager),
        of=len(share.order),
        interface=base,
        source=source,
        peers=tuple(sorted(peers)),
        addresses=tuple(found),
    )


def _interface_for(address: str, own: TrafficManager, interfaces: tuple[Interface, ...]) -> str:
    """The interface that raises an address: one that is named for its network, else one that has the network."""
    target = ipaddress.ip_address(address)
    names = {interface.name for interface in interfaces if _INTERFACE.fullmatch(interface.name)}
    for row in own.basic.trafficip:
        if row.name in names and any(_holds(network, target) for network in row.networks):
            return row.name
    found = [
        (ipaddress.ip_interface(network).network.prefixlen, interface.name)
        for interface in interfaces
        if _INTERFACE.fullmatch(interface.name)
        for network in interface.networks
        if _holds(network, target)
    ]
    return max(found)[1] if found else ""


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_interface(network).network
    except ValueError:
        return False  # what an administrator wrote need not be a network


def _interface_of(address: str, interfaces: tuple[Interface, ...]) -> str:
    wanted = ipaddress.ip_address(address)
    return next(
        (
            interface.name
            for interface in interfaces
            if _INTERFACE.fullmatch(interface.name)
            and any(ipaddress.ip_interface(network).ip == wanted for network in interface.networks)
        ),
        "",
    )


def _own_address(name: str, interfaces: tuple[Interface, ...]) -> str:
    """The address of an interface for an instance that stands alone: of IPv4 where it has one."""
    found = [
        ipaddress.ip_interface(network).ip
        for interface in interfaces
        if interface.name == name
        for network in interface.networks
    ]
    found.sort(key=lambda address: (address.version, address.is_link_local, int(address)))
    return str(found[0]) if found else ""


def _remark_on_settings(settings: FaultTolerance, remarks: Remarks) -> None:
    plain = FaultTolerance()
    for key in ("monitor_interval", "monitor_timeout"):
        if getattr(settings, key) != getattr(plain, key):
            remarks.notice(
                _SETTINGS,
                "checks_only",
                f"fault_tolerance.{key} is for pings of fault_tolerance.frontend_check_ips; members tell one another "
                "ten times a second that they live, whatever it says",
                *("fault_tolerance", key),
            )
