"""Leaves of the statistics tree, and the whole of telemetry as the control loop uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.schema.counter import STATISTIC_TYPES, STATISTICS_BY_PATH
from pointsman.schema.event import Event, Severity
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.telemetry.event_log import EventQuery
from pointsman.telemetry.machine import Machine
from pointsman.telemetry.telemetry import SAVE_SECONDS, Telemetry

PROXIES = {
    "vs": Proxy(ObjectId("virtual_servers", "web"), Role.LISTENER),
    "p": Proxy(ObjectId("pools", "main"), Role.POOL, True, {"n1": "a:80", "n2": "[::1]:81"}),
}


def pool(nodes: list[dict[str, object]], **basic: object) -> Pool:
    return Pool.model_validate({"basic": {"nodes_table": nodes, **basic}})


def server(pool: str, **basic: object) -> VirtualServer:
    return VirtualServer.model_validate({"basic": {"pool": pool, "port": 80, **basic}})


SNAPSHOT = Snapshot(
    {
        ObjectId("virtual_servers", "web"): server("main", enabled=True, port=8080),
        ObjectId("virtual_servers", "off"): server("idle", protocol="ssl"),
        ObjectId("pools", "main"): pool(
            [{"node": "a:80"}, {"node": "[::1]:81", "state": "draining"}], failure_pool="spare"
        ),
        ObjectId("pools", "spare"): pool([{"node": "a:80", "state": "draining"}], failure_pool="main"),
        ObjectId("pools", "idle"): pool([{"node": "a:80"}]),
        ObjectId("pools", "lost"): pool([{"node": "c:80", "state": "disabled"}]),
    }
)


def samples(number: int, worker: str = "1", down: bool = False) -> list[Sample]:
    traffic = {"stot": str(number), "bin": str(number * 2**33), "mode": "http", "req_tot": str(number)}
    health = (
        {"status": "DOWN", "check_status": "L4CON", "last_chk": "Connection refused"}
        if down
        else {"status": "UP"}
    )
    return [
        Sample(worker, True, "vs", "", "frontend", traffic),
        Sample(worker, True, "p", "", "backend", traffic),
        Sample(worker, True, "p", "n1", "server", traffic | health),
        Sample(worker, True, "p", "n2", "server", {"stot": "0", "status": "DRAIN"}),
    ]


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_every_leaf_has_exactly_the_declared_counters(tmp_path: Path, clock: Clock) -> None:
    telemetry = await Telemetry.open(tmp_path, clock=clock)
    await telemetry.observe(samples(4, down=True), PROXIES)
    statistics = telemetry.statistics
    for leaf in STATISTIC_TYPES:
        names = statistics.names(leaf.path, SNAPSHOT) if leaf.per_object else ("",)
        for name in names:
            found = statistics.leaf(leaf.path, name, SNAPSHOT)
            assert found is not None
            assert list(found) == [counter.name for counter in leaf.counters]
            for counter in leaf.counters:
                value = found[counter.name]
                assert value in counter.values if counter.values else isinstance(value, int)
        assert statistics.leaf(leaf.path, "nobody" if leaf.per_object else "x", SNAPSHOT) is None
    assert statistics.leaf("nonsense", "", SNAPSHOT) is None
    await telemetry.close()


async def test_leaves_join_figures_configuration_and_health(tmp_path: Path, clock: Clock) -> None:
    telemetry = await Telemetry.open(tmp_path, clock=clock, started=clock.now - 10)
    await telemetry.observe(samples(4, down=True), PROXIES)

    def leaf(path: str, name: str = "") -> dict[str, int | str]:
        return dict(telemetry.statistics.leaf(path, name, SNAPSHOT) or {})

    web = leaf("virtual_servers", "web")
    assert (web["port"], web["protocol"], web["total_requests"], web["bytes_in"]) == (
        8080,
        "http",
        4,
        4 * 2**33,
    )
    assert leaf("virtual_servers", "off")["protocol"] == "sslforwarding"
    main = leaf("pools", "main")
    assert (main["algorithm"], main["nodes"], main["draining"], main["disabled"]) == ("roundrobin", 2, 1, 0)
    assert (main["state"], main["total_conn"], main["persistence"]) == ("active", 4, "none")
    assert [leaf("pools", name)["state"] for name in ("spare", "idle", "lost")] == [
        "draining",
        "disabled",
        "unused",
    ]
    assert telemetry.statistics.names("nodes/per_pool_node", SNAPSHOT) == (
        "idle-a:80",
        "lost-c:80",
        "main-[::1]:81",
        "main-a:80",
        "spare-a:80",
    )
    node = leaf("nodes/per_pool_node", "main-a:80")
    assert (node["state"], node["node_port"], node["failures"], node["total_conn"]) == ("dead", 80, 1, 4)
    assert leaf("nodes/per_pool_node", "main-[::1]:81")["state"] == "draining"
    assert leaf("nodes/per_pool_node", "spare-a:80")["state"] == "unknown"
    assert telemetry.statistics.names("nodes/node", SNAPSHOT) == ("a:80", "c:80")
    old = leaf("nodes/node", "a:80")
    assert (old["bytes_to_node_hi"], old["bytes_to_node_lo"], old["state"]) == (8, 0, "dead")
    whole = leaf("globals")
    assert (whole["total_requests"], whole["up_time"], whole["events_seen"]) == (4, 1000, 1)
    assert int(whole["sys_mem_total"]) > 0
    assert leaf("network_interface", "lo").keys() == {
        counter.name for counter in STATISTICS_BY_PATH["network_interface"].counters
    }
    await telemetry.close()


async def test_a_restart_of_the_control_plane_goes_on_where_it_was(tmp_path: Path, clock: Clock) -> None:
    telemetry = await Telemetry.open(tmp_path, clock=clock)
    assert [e.tag for e in await telemetry.observe(samples(4, down=True), PROXIES)] == ["nodefail"]
    clock.now += SAVE_SECONDS / 2
    await telemetry.observe(samples(9, down=True), PROXIES)
    shown = telemetry.counters.virtual_server("web")["total_requests"]

    after = await Telemetry.open(tmp_path, clock=clock)
    assert await after.observe(samples(11, down=True), PROXIES) == ()
    assert after.counters.virtual_server("web")["total_requests"] == 11 > shown
    assert [e.tag for e in await after.observe(samples(12), PROXIES)] == ["nodeworking"]
    assert [logged.event.tag for logged in await after.log.find()] == ["nodeworking", "nodefail"]
    await telemetry.close()
    await after.close()


async def test_a_new_worker_is_stored_at_once(tmp_path: Path, clock: Clock) -> None:
    telemetry = await Telemetry.open(tmp_path, clock=clock)
    await telemetry.observe(samples(4), PROXIES)
    await telemetry.observe(samples(9), PROXIES)
    await telemetry.observe(samples(1, worker="2"), PROXIES)
    after = await Telemetry.open(tmp_path, clock=clock)
    assert after.counters.virtual_server("web")["total_requests"] == 10
    await telemetry.close()
    await after.close()


async def test_a_damaged_database_is_an_event(tmp_path: Path) -> None:
    (tmp_path / "telemetry.db").write_bytes(b"x" * 5000)
    telemetry = await Telemetry.open(tmp_path)
    await telemetry.record(Event("vservers", "vsstart", Severity.INFO, None, "Started"))
    tags = [logged.event.tag for logged in await telemetry.log.find(EventQuery())]
    assert tags == ["vsstart", "zxtmswerror"]
    await telemetry.close()


def test_the_machine_is_read_from_proc(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 50 0 0 0 0 0\n")
    (tmp_path / "meminfo").write_text(
        "MemTotal: 2048000 kB\nMemFree: 1024000 kB\nBuffers: 102400 kB\nCached: 102400 kB\n"
        "SwapTotal: 102400 kB\nSwapFree: 51200 kB\n"
    )
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/file-nr").write_text("10\t0\t100\n")
    machine = Machine(tmp_path)
    stat.write_text("cpu  120 0 60 860 60 0 0 0 0 0\n")
    assert machine.figures() == {
        "sys_cpu_busy_percent": 30,
        "sys_cpu_idle_percent": 70,
        "sys_cpu_system_busy_percent": 10,
        "sys_cpu_user_busy_percent": 20,
        "sys_mem_buffered": 200,
        "sys_mem_free": 1000,
        "sys_mem_in_use": 800,
        "sys_mem_swap_total": 100,
        "sys_mem_swapped": 50,
        "sys_mem_total": 2000,
        "sys_fds_free": 90,
    }
    assert Machine(tmp_path / "nowhere").figures() == {}
    assert Machine(tmp_path / "nowhere").interfaces() == {}
