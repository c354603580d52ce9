"""Nodes that die with no monitor to watch them: the traffic itself must find out, wherever in a pool it goes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.engine.rig import Rig, request, service, until
from tools.instance import free_port
from tools.traffic import Load, Origin

Origins = tuple[Origin, Origin, Origin]
SOON = {"max_connect_time": 1}


async def lose(rig: Rig, origin: Origin, port: int, method: str) -> None:
    """Ends an origin and sends requests until a server of it is down; what they get does not matter."""
    await origin.stop()

    async def noticed() -> bool:
        await Load(port, clients=1, methods=(method,), limit=1).run(20)
        rows = await rig.engine.samples()
        assert rig.plan is not None
        proxies = rig.plan.proxies
        return any(
            row.figures["status"].startswith("DOWN")
            and (proxies[row.proxy].nodes or {})[row.server] == origin.node
            for row in rows
            if row.kind == "server" and row.current
        )

    await until("the node is seen to be dead", noticed, 30)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_failure_pool_takes_over(rig: Rig, origins: Origins, method: str) -> None:
    a, b, _ = origins
    port = free_port()
    spare: dict[tuple[str, str], Any] = {("pools", "spare"): {"basic": {"nodes_table": [{"node": b.node}]}}}
    objects = {**service(port, [a], basic={"failure_pool": "spare"}, connection=SOON), **spare}
    await rig.apply(objects, "start")
    assert await request(port, 4, (method,)) == {"a": 4}
    await lose(rig, a, port, method)
    assert await request(port, 4, (method,)) == {"b": 4}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_next_priority_takes_over(rig: Rig, origins: Origins, method: str) -> None:
    a, b, _ = origins
    port = free_port()
    rows = [{"node": a.node, "priority": 2}, {"node": b.node}]
    ranked = {"priority_enabled": True}
    await rig.apply(service(port, rows, load_balancing=ranked, connection=SOON), "start")
    assert await request(port, 4, (method,)) == {"a": 4}
    await lose(rig, a, port, method)
    assert await request(port, 4, (method,)) == {"b": 4}
