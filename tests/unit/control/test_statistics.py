"""The statistics tree is whole, whatever parts of the data plane there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.compiling import snapshot

from pointsman.control.statistics import Statistics
from pointsman.schema.counter import STATISTICS_BY_PATH, CounterKind, is_counted
from pointsman.schema.counter.uncounted import WHOLE
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.schema.snapshot import Snapshot
from pointsman.telemetry import figures
from pointsman.telemetry.counters import Counters
from pointsman.telemetry.database import Database
from pointsman.telemetry.history import History
from pointsman.telemetry.machine import Machine

NETWORKS = "traffic_ips/ip_gateway"


async def test_pings_to_nodes_are_counted_without_traffic_ips_as_well(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")
    statistics = Statistics(
        Counters(),
        History(database),
        Machine(),
        Snapshot,
        dict,
        lambda pool, node: 0,
        dict,
        node_pings=lambda: (5, 4),
    )
    found = statistics[NETWORKS, ""]
    assert (found["node_ping_requests"], found["node_ping_responses"]) == (5, 4)
    assert set(found) == {counter.name for counter in STATISTICS_BY_PATH[NETWORKS].counters}
    await database.close()


BUSY: dict[str, Any] = {
    "bandwidth/gold": {},
    "pools/app": {
        "basic": {
            "nodes_table": [
                {"node": "10.0.0.1:80"},
                {"node": "10.0.0.2:80", "state": "draining"},
                {"node": "10.0.0.3:80", "state": "disabled"},
            ]
        }
    },
    "virtual_servers/web": {"basic": {"enabled": True, "port": 80, "pool": "app"}},
}
PROXIES = {
    "web": Proxy(ObjectId("virtual_servers", "web"), Role.LISTENER),
    "app": Proxy(ObjectId("pools", "app"), Role.POOL, True, {"n": "10.0.0.1:80"}),
}
OF_THE_MACHINE = (
    "globals sys_",
    "globals hourly_peak_",
    "globals up_time",
    "network_interface ",
    "traffic_ips/ip_gateway gateway_ping_",
    "traffic_ips/ip_gateway number_",
)
"""What is counted and may be 0 here, where no time passes, no address is raised and the machine is what it is."""


def busy_row(proxy: str, kind: str, server: str = "") -> Sample:
    """A row in which every column has grown beyond 32 bits."""
    columns = {
        *figures.COLUMNS[kind],
        "scur",
        "qcur",
        "qtime",
        "rtime",
        "srv_icur",
        "req_tot",
        "ssl_sess",
        "comp_in",
    }
    found = dict.fromkeys(columns, str((5 << 32) + 5)) | {"mode": "http"}
    return Sample("1", True, proxy, server, kind, found)


async def test_what_is_said_to_be_counted_is_and_nothing_else(tmp_path: Path) -> None:
    """Where everything happens, exactly the counters that the list calls uncounted stay 0."""
    database = await Database.open(tmp_path / "telemetry.db")
    counters = Counters()
    counters.absorb(
        [busy_row("web", "frontend"), busy_row("app", "backend"), busy_row("app", "server", "n")], PROXIES
    )
    shot = snapshot(BUSY)
    own = {"events_seen": 1, "time_last_config_update": 1}
    statistics = Statistics(
        counters,
        History(database),
        Machine(),
        lambda: shot,
        dict,
        lambda pool, node: 1,
        lambda: own,
        node_pings=lambda: (5, 4),
    )
    zero, seen = set(), set()
    for kind, name in statistics:
        if kind.startswith("nodes/") and "10.0.0.1" not in name:
            continue
        seen.add(kind)
        for counter in STATISTICS_BY_PATH[kind].counters:
            where = f"{kind} {counter.name}"
            if counter.kind is CounterKind.STATE or where.startswith(OF_THE_MACHINE):
                continue
            if statistics[kind, name][counter.name] == 0:
                zero.add(where)
    said = {
        f"{kind} {counter.name}"
        for kind in seen
        for counter in STATISTICS_BY_PATH[kind].counters
        if not is_counted(kind, counter.name)
    }
    assert zero == said
    absent = set(STATISTICS_BY_PATH) - seen
    assert {kind for kind in absent if not kind.startswith("traffic_ips/traffic_ip")} <= WHOLE
    await database.close()
