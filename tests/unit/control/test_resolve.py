"""Which names of a configuration are looked up."""

from __future__ import annotations

from pointsman.control.resolve import names_in
from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build


def test_names_are_looked_up_and_addresses_are_not() -> None:
    nodes = [{"node": node} for node in ("web1.example:80", "192.0.2.1:80", "[2001:db8::1]:80")]
    objects = {ObjectId("pools", "app"): build(POOL, "app", {"basic": {"nodes_table": nodes}})}
    machines = ("db.example:5432", "host.example", "2001:db8::2", "[2001:db8::3]:80", "192.0.2.2", "")
    for number, machine in enumerate(machines):
        settings = {"basic": {"type": "ping", "machine": machine}}
        objects[ObjectId("monitors", str(number))] = build(MONITOR, str(number), settings)
    assert names_in(Snapshot(objects)) == {"web1.example", "db.example", "host.example"}
