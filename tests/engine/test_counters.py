"""Counters go on over reloads, and what an old worker counted last is not lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from tests.engine.rig import Rig, lives, request, service, until
from tools.instance import free_port
from tools.traffic import Origin

from pointsman.telemetry.counters import Counters

Origins = tuple[Origin, Origin, Origin]


class Totals:
    """A virtual server's requests over all workers, as a reader must count them: the last of each."""

    def __init__(self, rig: Rig, proxy: str) -> None:
        self._rig = rig
        self._proxy = proxy
        self._last: dict[str, int] = defaultdict(int)

    async def read(self) -> int:
        for row in await self._rig.engine.samples():
            if row.proxy == self._proxy and row.kind == "frontend":
                assert int(row.figures["req_tot"]) >= self._last[row.worker], "a worker's counters only grow"
                self._last[row.worker] = int(row.figures["req_tot"])
        return sum(self._last.values())

    @property
    def workers(self) -> int:
        return len(self._last)


async def test_counters_go_on_over_reloads(rig: Rig, origins: Origins) -> None:
    port, other = free_port(), free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    assert rig.plan is not None
    proxy = next(name for name in rig.plan.proxies if name.startswith("vs-"))
    totals = Totals(rig, proxy)
    await request(port, 30)
    assert await totals.read() == 30
    more = {**objects, ("virtual_servers", "more"): service(other, [])["virtual_servers", "web"]}
    sent = 30
    for number in range(4):
        await request(port, 25)  # counted by the old worker after the last reading
        sent += 25
        await rig.apply(more if number % 2 == 0 else objects, "reload")
        await request(port, 10)
        sent += 10

        async def all_counted(expected: int = sent) -> bool:
            return await totals.read() == expected

        await until("everything is counted once", all_counted)
    assert totals.workers == 5


async def test_the_last_counters_of_an_old_worker_are_read(rig: Rig, origins: Origins) -> None:
    """A connection outlives the reload and sends another request to the old worker, which then ends."""
    port, other = free_port(), free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    assert rig.plan is not None
    totals = Totals(rig, next(name for name in rig.plan.proxies if name.startswith("vs-")))
    _, worker = await rig.running()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    assert await totals.read() == 1
    more = {**objects, ("virtual_servers", "more"): service(other, [])["virtual_servers", "web"]}
    await rig.apply(more, "reload")
    await reader.readexactly(1)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower()
    writer.close()
    await until("the old worker has ended", lambda: rig.processes()[1] != worker and not lives(worker))
    assert await totals.read() == 2


async def test_a_node_that_refuses_has_errors_though_no_client_notices(rig: Rig, origins: Origins) -> None:
    """Every attempt at it counts, also those after which another node served."""
    a, b, _ = origins
    port = free_port()
    many = {"node_connection_attempts": 20}  # it is not found dead before the test is over
    await rig.apply(service(port, [a, b], basic=many), "start")
    assert rig.plan is not None
    assert set(await request(port, 8)) == {"a", "b"}
    await b.stop()
    assert await request(port, 12) == {"a": 12}
    counters = Counters()
    counters.absorb(await rig.engine.samples(), rig.plan.proxies)
    assert counters.pool_node("app", b.node)["errors"] >= 3
    assert counters.pool_node("app", a.node)["errors"] == 0
    assert counters.traffic_manager()["total_backend_server_errors"] >= 3


async def test_figures_of_one_proxy_can_be_asked_for(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    assert rig.plan is not None
    pool = next(section.backend for section in rig.plan.sections if section.backend)
    rows = await rig.engine.samples((pool,))
    assert {row.proxy for row in rows} == {pool}
    assert [row.kind for row in rows] == ["server", "server", "server", "backend"]
