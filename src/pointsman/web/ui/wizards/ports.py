"""Which virtual servers would get in each other's way on a port.

Pure. Invariant: two that listen on different traffic IPs, or one for TCP and one for UDP, do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.virtual_server import VirtualServer

UDP = frozenset({"udp", "udpstreaming", "dns", "sipudp"})


def sharing(
    objects: Mapping[ObjectId, AnyResource], port: int | str, protocol: str, but: str = ""
) -> list[tuple[str, VirtualServer]]:
    """The virtual servers on a port, by name; `but` is one that does not count."""
    return sorted(
        (identity.name, server)
        for identity, server in objects.items()
        if isinstance(server, VirtualServer)
        and identity.name != but
        and server.basic.port == port
        and (server.basic.protocol in UDP) == (protocol in UDP)
    )


def everywhere(objects: Mapping[ObjectId, AnyResource], port: int | str, protocol: str, but: str = "") -> str:
    """What to say where a virtual server has the port on every address; "" where none has."""
    for name, server in sharing(objects, port, protocol, but):
        if server.basic.listen_on_any:
            return f'the virtual server "{name}" listens on port {port} already; choose another port'
    return ""


def on_groups(
    objects: Mapping[ObjectId, AnyResource],
    port: int | str,
    protocol: str,
    groups: Iterable[str],
    but: str = "",
) -> str:
    """What to say where a virtual server has the port on the traffic IPs of `groups`, or of any for none of them."""
    wanted = set(groups)
    for name, server in sharing(objects, port, protocol, but):
        if not wanted:
            return (
                f'the virtual server "{name}" has port {port} on some addresses; choose a traffic IP group of its own, '
                "or go back and choose another port"
            )
        if common := wanted & set(server.basic.listen_on_traffic_ips):
            return f'the virtual server "{name}" has port {port} on {sorted(common)[0]}; choose another group'
    return ""
