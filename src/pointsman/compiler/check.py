"""Faults that the configuration alone decides and that span more than one key: refused before anything is stored.

Pure. Invariant: the answer depends on the configuration alone. What only this machine can decide (a port in use, a
name that does not resolve) is not here: that becomes a condition on the stored object.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from pointsman.compiler.certificate import Unusable, authority_certificates, check_pair
from pointsman.licence.key import Refused, read_key
from pointsman.schema.certificate_authority import CertificateAuthority
from pointsman.schema.license_key import LicenseKey
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.server_key import ServerKey
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TrafficIpGroup


def check(snapshot: Snapshot, changed: Iterable[ObjectId]) -> tuple[Problem, ...]:
    """All faults of the objects `changed` within `snapshot`; objects that are not there are passed over."""
    return tuple(problem for identity in changed for problem in _check_one(snapshot, identity))


def _check_one(snapshot: Snapshot, identity: ObjectId) -> Iterator[Problem]:
    match snapshot.objects.get(identity):
        case Pool():
            yield from _failure_chain(snapshot, identity)
        case ServerKey() as key:
            yield from _key_pair(identity, key)
        case CertificateAuthority() as authority:
            yield from _authority(identity, authority)
        case LicenseKey() as key:
            yield from _licence(identity, key)
        case TrafficIpGroup() as group:
            yield from _traffic_ips(snapshot, identity, group)
        case _:
            return


def _failure_chain(snapshot: Snapshot, identity: ObjectId) -> Iterator[Problem]:
    chain = [identity.name]
    while (pool := snapshot.get("pools", chain[-1], Pool)) is not None and (
        following := pool.basic.failure_pool
    ):
        if following in chain:
            if following == identity.name:
                circle = " -> ".join([*chain, following])
                message = f"the failure pools form a circle ({circle}); choose a pool that does not lead back"
                yield Problem(identity, ("basic", "failure_pool"), "pool.circular", message)
            return
        chain.append(following)


def _key_pair(identity: ObjectId, key: ServerKey) -> Iterator[Problem]:
    try:
        check_pair(key.basic.public, key.basic.private)
    except Unusable as fault:
        yield Problem(identity, ("basic", fault.key), "certificate.invalid", fault.predicate)


def _authority(identity: ObjectId, authority: CertificateAuthority) -> Iterator[Problem]:
    try:
        authority_certificates(authority.content)
    except Unusable as fault:
        yield Problem(identity, (), "certificate.invalid", fault.predicate)


def _licence(identity: ObjectId, key: LicenseKey) -> Iterator[Problem]:
    # Who signed it is not asked here: that is for each instance to trust or not.
    try:
        read_key(key.content)
    except Refused as fault:
        yield Problem(identity, (), "licence.invalid", str(fault))


def _traffic_ips(snapshot: Snapshot, identity: ObjectId, group: TrafficIpGroup) -> Iterator[Problem]:
    owners = {
        ipaddress.ip_address(address): name
        for name, other in snapshot.all("traffic_ip_groups", TrafficIpGroup)
        if name != identity.name
        for address in other.basic.ipaddresses
    }
    path = ("basic", "ipaddresses")
    seen: dict[object, str] = {}
    for text in dict.fromkeys(group.basic.ipaddresses):
        address = ipaddress.ip_address(text)
        if address in seen:
            message = f"holds {seen[address]} twice, the second time as {text}; remove one of them"
            yield Problem(identity, path, "traffic_ip.repeated", message)
        elif address in owners:
            message = (
                f'holds {text}, which the group "{owners[address]}" has already; remove it from one of them'
            )
            yield Problem(identity, path, "traffic_ip.repeated", message)
        seen[address] = text
    for machine in sorted({*group.basic.slaves} - {*group.basic.machines}):
        message = (
            f'"{machine}" is not among the machines of the group; add it to basic.machines, or remove it here'
        )
        yield Problem(identity, ("basic", "slaves"), "traffic_ip.not_a_machine", message)
