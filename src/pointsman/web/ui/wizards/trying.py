"""How somebody can try a virtual server from a shell.

Pure. Invariant: what is given can be pasted as it is; names and addresses of users are quoted for the shell.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.schema.virtual_server import VirtualServer


def commands(server: VirtualServer, objects: Mapping[ObjectId, AnyResource], host: str) -> tuple[str, ...]:
    """Commands that ask a virtual server for something; none where no common tool speaks its protocol."""
    address = host.strip("[]") or "127.0.0.1"
    for name in server.basic.listen_on_traffic_ips if not server.basic.listen_on_any else ():
        group = objects.get(ObjectId("traffic_ip_groups", name))
        if isinstance(group, TrafficIpGroup) and group.basic.ipaddresses:
            address = group.basic.ipaddresses[0]
            break
    bracketed = f"[{address}]" if ":" in address else address
    place = f"{bracketed}:{server.basic.port}"
    match server.basic.protocol:
        case "http" if server.basic.ssl_decrypt:
            return (f"curl --insecure {shlex.quote(f'https://{place}/')}",)
        case "http":
            return (f"curl {shlex.quote(f'http://{place}/')}",)
        case "https" | "ssl":
            return (f"curl --insecure {shlex.quote(f'https://{place}/')}",)
        case "ftp" | "smtp" | "imapv4" | "pop3" | "ldap" | "telnet" | "rtsp" as scheme:
            word = {"imapv4": "imap"}.get(scheme, scheme)
            return (f"curl {shlex.quote(f'{word}://{place}/')}",)
        case "ldaps" | "imaps" | "pop3s":
            return (f"openssl s_client -connect {shlex.quote(place)}",)
        case "dns" | "dns_tcp" as kind:
            tcp = " +tcp" if kind == "dns_tcp" else ""
            return (f"dig @{address} -p {server.basic.port}{tcp} example.com",)
        case _:
            return ()
