"""Where virtual servers listen that name traffic IP groups: on the addresses of the groups, on the groups' machines.

Invariant: every machine of a group binds all of its addresses, held or not, so that a failover needs no reload.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TrafficIpGroup

SERVED_MODE = "singlehosted"
_PATH = ("basic", "listen_on_traffic_ips")


@dataclass(frozen=True)
class Place:
    """What a group offers here: addresses to bind, or `why` there are none; `fault` when that is to be put right."""

    addresses: tuple[str, ...] = ()
    why: str = ""
    fault: bool = False


def places(snapshot: Snapshot, traffic_manager: str) -> dict[str, Place]:
    """What each group offers on this machine."""
    return {
        name: _place(group, traffic_manager)
        for name, group in snapshot.all("traffic_ip_groups", TrafficIpGroup)
    }


def _place(group: TrafficIpGroup, traffic_manager: str) -> Place:
    basic = group.basic
    if basic.mode != SERVED_MODE:
        return Place(why=f"its mode {basic.mode} is not served yet; make it {SERVED_MODE}", fault=True)
    if not basic.enabled:
        return Place(why="it is disabled; enable it, or remove the name", fault=True)
    if not basic.ipaddresses:
        return Place(why="it has no addresses; add some", fault=True)
    if traffic_manager not in basic.machines:
        return Place(why="this machine is not among its machines")
    return Place(tuple(sorted({str(ipaddress.ip_address(address)) for address in basic.ipaddresses})))


def bound_addresses(
    subject: ObjectId, groups: frozenset[str] | tuple[str, ...], known: Mapping[str, Place], remarks: Remarks
) -> tuple[str, ...]:
    """The addresses of the `groups` that a virtual server names; says of each that has none here why."""
    found: dict[str, None] = {}
    for group in sorted(groups):
        place = known.get(group)
        if place is None:
            message = f'there is no traffic IP group "{group}", so nothing listens there. Create it, or remove the name'
            remarks.warn(subject, "traffic_ip_group_missing", message, *_PATH)
        elif place.fault:
            message = f'nothing listens on the traffic IP group "{group}": {place.why}'
            remarks.warn(subject, "traffic_ip_group_off", message, *_PATH)
        elif place.why:
            message = f'nothing listens here for the traffic IP group "{group}": {place.why}'
            remarks.notice(subject, "traffic_ip_group_elsewhere", message, *_PATH)
        else:
            found.update(dict.fromkeys(place.addresses))
    return tuple(found)
