"""Changes of every kind under load: no request of any method fails, and no reload where run time can do."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.certificates import self_signed
from tests.e2e.test_traffic import Origins, in_force, service
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Load


async def test_no_request_fails_through_changes(instance: Instance, origins: Origins) -> None:
    port, other_port, tls_port = free_port(), free_port(), free_port()
    table: list[dict[str, Any]] = [{"node": origin.node, "weight": 5} for origin in origins]
    await asyncio.to_thread(
        service, instance, port, table, load_balancing={"algorithm": "weighted_round_robin"}
    )
    public, private = self_signed("one.example")
    assert (await asyncio.to_thread(instance.put, "ssl/server_keys", "cert", pem(public, private)))[0] == 201
    tls = {
        "basic": {"enabled": True, "port": tls_port, "pool": "app", "ssl_decrypt": True},
        "ssl": {"server_cert_default": "cert"},
    }
    assert (await asyncio.to_thread(instance.put, "virtual_servers", "secure", tls))[0] == 201
    await asyncio.to_thread(wait_for, "all is in force", lambda: in_force(instance))

    def change(number: int) -> None:
        match number % 6:
            case 0:
                states = ("active", "draining", "disabled")
                table[2]["state"] = states[number // 6 % 3]
                put("pools", "app", {"basic": {"nodes_table": table}})
            case 1:
                table[0]["weight"] = 1 + number % 10
                put("pools", "app", {"basic": {"nodes_table": table}})
            case 2:
                put("pools", "app", {"basic": {"nodes_table": table[:2]}})
            case 3:
                put("pools", "app", {"basic": {"nodes_table": table}})
            case 4:
                put("ssl/server_keys", "cert", pem(*self_signed(f"{number}.example")))
            case _:
                basic = {"enabled": True, "port": other_port, "pool": "app"}
                put("virtual_servers", "passing", {"basic": basic})
                status, body = instance.rest("DELETE", "config/active/virtual_servers/passing")
                assert status == 204, body

    def put(kind: str, name: str, settings: dict[str, Any]) -> None:
        status, body = instance.put(kind, name, settings)
        assert status in (200, 201), body

    load = Load(port, clients=8)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        for number in range(36):
            await asyncio.to_thread(change, number)
        await asyncio.to_thread(wait_for, "all changes are in force", lambda: in_force(instance))
        load.stop()
    report = running.result()
    assert not report.failed, report.failed
    assert report.requests > 500
    applies = (await asyncio.to_thread(instance.get, "status/local_tm/applies"))["applies"]
    needless = [
        apply
        for apply in applies
        if apply["act"] == "reload" and all("node" in why for why in apply["because"])
    ]
    assert not needless, needless


def pem(public: str, private: str) -> dict[str, Any]:
    """The properties of a server key."""
    return {"basic": {"public": public, "private": private}}
