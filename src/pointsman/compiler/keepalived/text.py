"""keepalived's configuration file.

Invariant: it is made of values that were made or checked by us, so that it needs no quoting.

Facts (keepalived 2.2.7). An instance needs an address of the family it speaks, and members compare the addresses they
advertise: so each advertises one of loopback that only its number decides, and the traffic IPs, of either family, are
`virtual_ipaddress_excluded`. A change of addresses then alters no advertisement. `track_process` fails in a network
namespace. Of two that held an address while they did not hear one another, the one that keeps it announces it again
only when it hears the other: hence `vrrp_higher_prio_send_advert`. A script whose path leads over a link, as `/bin`
is one, counts as insecure (2.3.3). An instance without peers would speak by
multicast: one that stands alone has loopback as its peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pointsman.schema.global_settings.cluster import FaultTolerance

FILE = "keepalived.conf"
SERVING = "serving"
CHECK = "check.sh"
"""Names of files below the directory of keepalived."""

FAULT = "-255\n"
WELL = "0\n"
"""What the file `SERVING` holds."""

_HIGHEST = 250
_STEP = 40
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


@dataclass(frozen=True)
class Address:
    """A traffic IP and the interface that raises it."""

    text: str
    interface: str


@dataclass(frozen=True)
class Instance:
    """One VRRP instance: its number, and that this machine is the one of `rank` (0: preferred) among `of`."""

    name: str
    number: int
    rank: int
    of: int
    interface: str
    source: str
    peers: tuple[str, ...]
    addresses: tuple[Address, ...]

    @property
    def priority(self) -> int:
        """Higher is preferred. Wide steps keep two that miss the holder from both taking over at the same time."""
        return _HIGHEST - self.rank * max(1, min(_STEP, (_HIGHEST - 1) // max(1, self.of)))


def handing(number: int) -> str:
    """The file that says whether an instance is handed to another machine; its words are those of `SERVING`."""
    return f"handing{number}"


def marker(number: int, version: int) -> str:
    """The address of loopback that an instance advertises."""
    return f"127.112.0.{number}/32" if version == 4 else f"fd70:6f69:6e74:736d::{number:x}/128"


def configuration(instances: Iterable[Instance], settings: FaultTolerance, directory: str) -> str:
    """The whole file.

    No instance takes an address from a machine that holds it: that one hands it back, so that nothing in work is lost.
    """
    instances = tuple(instances)
    announcements = max(1, min(settings.arp_count, 100))
    lines = [
        "global_defs {",
        "    router_id pointsman",
        "    script_user root",
        "    enable_script_security",
        "    vrrp_version 3",
        "    vrrp_skip_check_adv_addr",
        "    vrrp_garp_master_delay 1",
        f"    vrrp_garp_master_repeat {announcements}",
        "    vrrp_garp_lower_prio_delay 1",
        f"    vrrp_garp_lower_prio_repeat {announcements}",
        "    vrrp_higher_prio_send_advert true",
        "    vrrp_garp_master_refresh 2",
        "    vrrp_garp_master_refresh_repeat 1",
        "}",
        "",
        "track_file serving {",
        f'    file "{directory}/{SERVING}"',
        "    weight 1",
        "}",
        "",
        "vrrp_script engine {",
        f'    script "/usr/bin/sh {directory}/{CHECK}"',
        "    interval 1",
        "    timeout 2",
        "    fall 2",
        "    rise 1",
        "}",
    ]
    for instance in instances:
        lines += [
            "",
            f"track_file {handing(instance.number)} {{",
            f'    file "{directory}/{handing(instance.number)}"',
        ]
        lines += ["    weight 1", "}", "", *_instance(instance)]
    return "".join(f"{line}\n" for line in lines)


def _instance(instance: Instance) -> list[str]:
    version = 6 if ":" in instance.source else 4
    peers = instance.peers or (_LOOPBACK[version],)
    lines = [
        f"vrrp_instance {instance.name} {{",
        "    state BACKUP",
        f"    interface {instance.interface}",
        f"    virtual_router_id {instance.number}",
        f"    priority {instance.priority}",
        "    advert_int 0.1",
        "    check_unicast_src",
        f"    unicast_src_ip {instance.source}",
        "    unicast_peer {",
        *(f"        {peer}" for peer in peers),
        "    }",
        "    nopreempt",
    ]
    others = sorted({address.interface for address in instance.addresses} - {instance.interface})
    if others:
        lines += ["    track_interface {", *(f"        {name}" for name in others), "    }"]
    lines += [
        "    track_file {",
        "        serving",
        f"        {handing(instance.number)}",
        "    }",
        "    track_script {",
        "        engine",
        "    }",
        "    virtual_ipaddress {",
        f"        {marker(instance.number, version)} dev lo no_track",
        "    }",
        "    virtual_ipaddress_excluded {",
    ]
    for address in instance.addresses:
        length = 128 if ":" in address.text else 32
        lines.append(f"        {address.text}/{length} dev {address.interface} no_track")
    return [*lines, "    }", "}"]
