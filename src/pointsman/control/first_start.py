"""What exists before anybody configures anything: factory objects, this traffic manager's own object, the demo.

Invariant: each is made once; what an administrator changed or deleted later stays so.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from pathlib import Path

from pointsman.control.renaming import nameip
from pointsman.private_file import write_private
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.store import Author, Change, Put, Store

PRODUCT = Author("", "", "product")
"""The author of what the product does by itself."""
DEMO = ObjectId("virtual_servers", "demo")
"""The demo's virtual server."""
DEMO_PORT = 8080
_WANTED_NODE_PORTS = (8081, 8082, 8083)


def demo_ports(home: Path) -> tuple[int, ...]:
    """Loopback ports of the demo's nodes: those of the first start, which took 8081 to 8083 where they were free."""
    path = home / "demo.json"
    try:
        return tuple(int(port) for port in json.loads(path.read_text()))
    except FileNotFoundError:
        ports = tuple(_free(port) for port in _WANTED_NODE_PORTS)
        write_private(path, json.dumps(ports).encode())
        return ports


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


async def furnish(store: Store, name: str, demo: Iterable[int]) -> None:
    """Makes what is missing: factory objects in an empty store, this member's object, the demo when asked for."""
    own = ObjectId("traffic_managers", name)
    changes: list[Change] = []
    if store.revision == 0:
        for kind in RESOURCE_TYPES:
            changes += [Put(ObjectId(kind.path, made), settings) for made, settings in kind.factory.items()]
        changes += _demo(tuple(demo))
    else:
        changes += _of_new_types(store)
    if own not in store.objects:
        called = nameip(name)
        changes.append(Put(own, {"basic": called} if called else {}))
    if changes:
        why = "this traffic manager is new" if own not in store.objects else "what a new version brings"
        await store.commit(changes, PRODUCT, "first start" if store.revision == 0 else why)


def _of_new_types(store: Store) -> list[Change]:
    """The factory objects of types that came with a newer version: none of theirs was ever heard of."""
    return [
        Put(identity, settings)
        for kind in RESOURCE_TYPES
        for identity, settings in (
            (ObjectId(kind.path, name), settings) for name, settings in kind.factory.items()
        )
        if not any(store.changed_at(ObjectId(kind.path, name)) for name in kind.factory)
    ]


def _demo(ports: tuple[int, ...]) -> list[Change]:
    if not ports:
        return []
    nodes = [{"node": f"127.0.0.1:{port}"} for port in ports]
    pool = {
        "basic": {
            "nodes_table": nodes,
            "monitors": ["Simple HTTP"],
            "note": "Three small nodes to try things on.",
        }
    }
    service = {
        "basic": {
            "enabled": True,
            "port": DEMO_PORT,
            "pool": DEMO.name,
            "note": f"Try it: curl http://127.0.0.1:{DEMO_PORT}/",
        }
    }
    return [Put(ObjectId("pools", DEMO.name), pool), Put(DEMO, service)]
