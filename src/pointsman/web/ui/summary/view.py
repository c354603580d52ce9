"""How requests pass a virtual server: where it listens, its rules, its pool, the nodes.

Pure. Invariant: what does not fit is counted, not hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.console.language.choice import say
from pointsman.schema.pool import NodeRow, Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.objects.pages import address_of

MOST_NODES = 8
_CHAIN = 5


@dataclass(frozen=True)
class Named:
    """An object by name; `address` is "" for one that does not exist. `off` marks what is switched off."""

    name: str
    address: str
    off: bool = False


@dataclass(frozen=True)
class PoolPart:
    """A pool on the way; `more` nodes are not shown."""

    pool: Named
    algorithm: str
    monitors: tuple[Named, ...]
    persistence: Named | None
    nodes: tuple[NodeRow, ...]
    more: int


@dataclass(frozen=True)
class Way:
    """The way through one virtual server; `pools` are its own and those that take over one after the other.

    `special` says what happens where it has no pool of its own.
    """

    server: Named
    enabled: bool
    note: str
    port: int
    protocol: str
    listens: tuple[Named, ...]
    certificate: Named | None
    request_rules: tuple[Named, ...]
    response_rules: tuple[Named, ...]
    pools: tuple[PoolPart, ...]
    special: str


def ways(objects: Mapping[ObjectId, AnyResource], names: Sequence[str]) -> tuple[Way, ...]:
    """The ways through virtual servers."""
    found = ((name, objects.get(ObjectId("virtual_servers", name))) for name in names)
    return tuple(_way(objects, name, one) for name, one in found if isinstance(one, VirtualServer))


def _way(objects: Mapping[ObjectId, AnyResource], name: str, server: VirtualServer) -> Way:
    def named(type_path: str, word: str) -> Named:
        identity = ObjectId(type_path, word.removeprefix("/") if type_path == "rules" else word)
        address = address_of(identity) if identity in objects else ""
        return Named(identity.name, address, type_path == "rules" and word.startswith("/"))

    basic = server.basic
    listens: tuple[Named, ...] = ()
    if not basic.listen_on_any:
        groups = (named("traffic_ip_groups", group) for group in basic.listen_on_traffic_ips)
        listens = (*groups, *(Named(host, "") for host in basic.listen_on_hosts))
    certificate = None
    if basic.ssl_decrypt:
        certificate = named("ssl/server_keys", server.ssl.server_cert_default or "no certificate")
    parts: list[PoolPart] = []
    following = basic.pool
    while len(parts) < _CHAIN and isinstance(pool := objects.get(ObjectId("pools", following)), Pool):
        if any(part.pool.name == following for part in parts):
            break
        persistence = pool.basic.persistence_class
        parts.append(
            PoolPart(
                named("pools", following),
                say(pool.load_balancing.algorithm.replace("_", " ")),
                tuple(named("monitors", monitor) for monitor in pool.basic.monitors),
                named("persistence", persistence) if persistence else None,
                pool.basic.nodes_table[:MOST_NODES],
                max(0, len(pool.basic.nodes_table) - MOST_NODES),
            )
        )
        following = pool.basic.failure_pool
    special = ""
    if not parts:
        special = {
            "discard": "Every connection is closed.",
            "builtin_dns": "The traffic manager answers.",
        }.get(basic.pool, f"There is no pool called {basic.pool}.")
    return Way(
        named("virtual_servers", name),
        basic.enabled,
        basic.note,
        basic.port,
        basic.protocol,
        listens,
        certificate,
        tuple(named("rules", rule) for rule in basic.request_rules),
        tuple(named("rules", rule) for rule in basic.response_rules),
        tuple(parts),
        special,
    )
