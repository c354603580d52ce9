"""Two members of a cluster on one machine: engines that are linked, for tests.

Invariant: each cluster has a network of loopback of its own, so that several run at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.engine.rig import Objects, Rig, until

from pointsman.compiler.facts import Member
from pointsman.compiler.plan import ConfigSection, Line, Plan
from pointsman.identity.authority import make_key, private_text, self_signed

TABLE = ConfigSection(
    Line("backend shared from tcp"),
    (Line("stick-table type string len 20 size 1k expire 1h store gpc0 peers cluster"),),
)


def certificate(name: str) -> bytes:
    """A new certificate, signed by itself, with its key."""
    key = make_key()
    return self_signed(key, name).encode() + private_text(key)


def public(pem: bytes) -> bytes:
    """The certificate without its key."""
    return pem.partition(b"-----BEGIN PRIVATE KEY")[0]


class Cluster:
    """Two members on loopback addresses of their own."""

    def __init__(self, homes: tuple[Path, Path]) -> None:
        network = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self.members = tuple(Member(name, f"{network}.{number}") for number, name in enumerate("ab", 1))
        self.certificates = {member.name: certificate(member.name) for member in self.members}
        self.trusted = [*self.certificates.values()]
        self.a, self.b = (Rig(home) for home in homes)

    def address(self, rig: Rig) -> str:
        """Where a member is."""
        return self.members[0 if rig is self.a else 1].address

    def plan(self, rig: Rig, objects: Objects | None = None) -> Plan:
        """The plan of a member for these objects, or for none, with a table that is shared."""
        name = "a" if rig is self.a else "b"
        rig.known = {
            "traffic_manager": name,
            "cluster": self.members,
            "cluster_certificate": self.certificates[name],
            "cluster_authority": b"".join(public(each) for each in self.trusted),
        }
        plan = rig.compile(objects or {})
        if objects is not None:
            return plan
        return replace(plan, sections=(*plan.sections, TABLE))

    async def start(self, objects: Callable[[str], Objects] | None = None) -> None:
        """Starts both, each with the `objects` for its address, and waits until they are linked."""
        for rig in (self.a, self.b):
            own = None if objects is None else objects(self.address(rig))
            await rig.apply(self.plan(rig, own), "start")
        await until("they are connected", lambda: self.connected(self.a))

    async def connected(self, rig: Rig) -> bool:
        """Whether a member has met the other."""
        return "last_status=ESTA" in await rig.runtime("show peers")
