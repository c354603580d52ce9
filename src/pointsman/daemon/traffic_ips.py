"""Wires traffic IPs: keepalived, the machine's network and the checks of it to the control loop.

Invariant: an instance that can raise no addresses does everything else all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pointsman.cluster.link import Unanswered
from pointsman.compiler.facts import Interface
from pointsman.control.traffic_ips import RETURN_SECONDS, Engine, TrafficIps
from pointsman.daemon.cluster import Clustered
from pointsman.engine import network
from pointsman.engine.keepalived import KeepalivedEngine, cannot_raise, find_keepalived
from pointsman.monitors.front_end import FrontEnd
from pointsman.schema.event import Event
from pointsman.schema.health import NodeHealth
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_ip_group import TrafficIpGroup

FAIL_BACK = "fail back"
"""What members ask one another."""
_log = logging.getLogger("pointsman")


class Network:
    """The machine's interfaces as the compiler wants them."""

    def __init__(self, snapshot: Callable[[], Snapshot], on_change: Callable[[str], None]) -> None:
        """`on_change` is told the reason when the interfaces are others than at the last asking."""
        self._snapshot = snapshot
        self._on_change = on_change
        self._told: tuple[Interface, ...] = ()

    def interfaces(self) -> tuple[Interface, ...]:
        """The interfaces by name with their addresses, loopback and traffic IPs left out."""
        self._told = self._read()
        return self._told

    def look(self) -> None:
        """Says so when the interfaces have changed."""
        if self._read() != self._told:
            self._on_change("the machine's network changed")

    def _read(self) -> tuple[Interface, ...]:
        ours = {
            str(ipaddress.ip_address(address))
            for _, group in self._snapshot().all("traffic_ip_groups", TrafficIpGroup)
            for address in group.basic.ipaddresses
        }
        found: dict[str, list[str]] = {}
        with contextlib.suppress(OSError):
            for held in network.addresses():
                address = ipaddress.ip_address(held.address)
                if not (address.is_link_local or held.interface == "lo" or held.address in ours):
                    found.setdefault(held.interface, []).append(f"{held.address}/{held.length}")
        return tuple(Interface(name, tuple(networks)) for name, networks in sorted(found.items()))


class Failover:
    """The traffic IPs of the running instance, and what the compiler must know for them."""

    def __init__(
        self,
        home: Path,
        name: str,
        engine: Engine,
        engine_program: str,
        health: Callable[[], Mapping[tuple[str, str], NodeHealth]],
        snapshot: Callable[[], Snapshot],
        on_event: Callable[[Event], None],
        poke: Callable[[str], None],
    ) -> None:
        binary = find_keepalived()
        self.cannot_raise = cannot_raise(binary)
        keepalived = None
        if binary is not None and not self.cannot_raise:
            keepalived = KeepalivedEngine(home, binary)
            try:
                keepalived.start(engine_program)
            except OSError as error:
                self.cannot_raise = f"its files cannot be written ({error}); free space or repair the disk"
                keepalived = None
        self.network = Network(snapshot, poke)
        self.traffic_ips = TrafficIps(
            name=name,
            keepalived=keepalived,
            engine=engine,
            front_end=FrontEnd(network.gateways),
            health=health,
            on_event=on_event,
        )

    def share(self, clustered: Clustered) -> None:
        """Tells the other members what this machine holds, hears what they hold, and fails back together with them."""
        held = self.traffic_ips
        for name in held.told:
            clustered.tells[name] = partial(_told, held, name)
        held.others = partial(_others, clustered)
        held.fail_back_elsewhere = partial(_fail_back_elsewhere, clustered)

        async def fail_back(_asker: str, _question: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"held": list(await held.fail_back(everywhere=False))}

        clustered.answers[FAIL_BACK] = fail_back

    async def run(self) -> None:
        """Runs until cancelled."""
        changes = None
        try:
            changes = network.Changes(self._on_change)
        except OSError as error:
            _log.warning("changes of the network are not noticed at once: %s", error)
        try:
            await self.traffic_ips.run()
        finally:
            if changes is not None:
                changes.close()

    def _on_change(self) -> None:
        self.traffic_ips.on_network()
        self.network.look()


def _told(held: TrafficIps, name: str) -> Any:
    return held.told[name]


def _others(clustered: Clustered) -> dict[str, Mapping[str, Any]]:
    return {
        member.name: {**member.tells, "heard": member.heard}
        for member in clustered.cluster.view().members
        if member.state == "alive"
    }


async def _fail_back_elsewhere(clustered: Clustered) -> None:
    """Asks every member that lives; one that does not answer is left as it is."""

    async def ask(name: str) -> None:
        with contextlib.suppress(Unanswered):
            await clustered.cluster.ask(name, {"about": FAIL_BACK}, RETURN_SECONDS + 2)

    await asyncio.gather(*(ask(name) for name in _others(clustered)))
