"""What is told Prometheus: what it should know, well-formed whatever names people choose, at a bounded cost."""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.running import AUTHOR, Running, running

from pointsman.control.import_record import ImportResult, Memory, write_memory
from pointsman.control.metrics import CAUSE_LENGTH, Collected
from pointsman.document.fault import Fault
from pointsman.schema.counter import STATISTICS_BY_PATH
from pointsman.schema.problem import ObjectId, Problem
from pointsman.store import Put

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
HOSTILE = 'a"b\\c\nd{}=,ü'


def read(manager: Running) -> Samples:
    """The samples by name and labels, as Prometheus would read them."""
    text = Collected(manager.control).text().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(samples: Samples, name: str) -> dict[str, str]:
    """The labels of the only sample of that name."""
    (found,) = [dict(words) for sample, words in samples if sample == name]
    return found


async def test_the_instance_its_licence_and_certificate_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        samples = read(manager)
        assert labels(samples, "pointsman_instance_info")["traffic_manager"] == "pm1"
        assert labels(samples, "pointsman_license_info") == {"source": "community"}
        assert samples["pointsman_license_bandwidth_bits_per_second", ()] == 10_000_000
        assert samples["pointsman_license_cluster_members", ()] == 4
        assert samples["pointsman_engine_serving", ()] == 1
        assert samples["pointsman_config_revision", ()] == manager.control.revision
        assert samples["pointsman_config_revision_in_force", ()] == manager.control.in_force
        ends = manager.control.certificate.view.not_after.timestamp()
        assert samples["pointsman_certificate_expiry_timestamp_seconds", ()] == ends
        assert not [name for name, _ in samples if "import" in name], "nothing was ever imported"


async def test_the_cause_of_a_failed_import_is_a_label(tmp_path: Path) -> None:
    """R32: metrics say that the last import failed, when, and why."""
    cause = Fault("web.yaml", 3, 7, Problem(None, (), "x", HOSTILE + "x" * 1000))
    result = ImportResult(1234.5, "failed", "change", "/config", "", 1, faults=(cause,))
    write_memory(tmp_path, Memory(result))
    async with running(tmp_path) as manager:
        samples = read(manager)
        found = labels(samples, "pointsman_config_import_last_info")
        assert (found["outcome"], found["trigger"]) == ("failed", "change")
        assert found["cause"] == result.cause[:CAUSE_LENGTH]
        assert samples["pointsman_config_import_last_success", ()] == 0
        assert samples["pointsman_config_import_last_timestamp_seconds", ()] == 1234.5


async def test_services_pools_and_nodes_are_told_whatever_their_names(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        name = HOSTILE.replace("\n", " ")
        await configure(manager, [name])
        manager.live.figures = Figures()
        samples = read(manager)
        web, app = (("virtual_server", name),), (("pool", name),)
        node = (("node", "127.0.0.1:1"), ("pool", name))
        assert samples["pointsman_virtual_server_listening", web] == 1
        assert samples["pointsman_virtual_server_requests_total", web] == 7
        assert samples["pointsman_virtual_server_connections", web] == 7
        assert samples["pointsman_virtual_server_responses_total", (("status", "5xx"), *web)] == 7
        assert samples["pointsman_pool_received_bytes_total", app] == 7
        assert samples["pointsman_pool_nodes", (*app, ("state", "unknown"))] == 2
        assert samples["pointsman_node_up", node] == 0
        assert samples["pointsman_node_response_mean_seconds", node] == 0.007
        assert samples["pointsman_requests_total", ()] == 7


async def test_a_thousand_services_cost_little(tmp_path: Path) -> None:
    """R32: metrics of 1,000 services, pools and 2,000 nodes."""
    async with running(tmp_path) as manager:
        await configure(manager, [f"site{number}" for number in range(1000)])
        manager.live.figures = Figures()
        best = 60.0
        for _ in range(3):
            began = time.process_time()
            text = Collected(manager.control).text()
            best = min(best, time.process_time() - began)
        print(f"{best * 1000:.0f} ms, {len(text)} bytes")
        assert text.count(b"\npointsman_virtual_server_requests_total{") == 1000
        assert best < 2, "far above what it takes"


class Figures(dict[tuple[str, str], dict[str, int | str]]):
    """Seven of everything."""

    def __missing__(self, key: tuple[str, str]) -> dict[str, int | str]:
        return {counter.name: 7 for counter in STATISTICS_BY_PATH[key[0]].counters}

    def get(self, key: tuple[str, str], default: object = None) -> dict[str, int | str]:
        return self[key]


async def configure(manager: Running, names: list[str]) -> None:
    """A virtual server and a pool of two nodes for each name."""
    changes = []
    for position, name in enumerate(names):
        nodes = [{"node": "127.0.0.1:1"}, {"node": "127.0.0.1:2"}]
        changes.append(Put(ObjectId("pools", name), {"basic": {"nodes_table": nodes}}))
        basic = {"enabled": True, "port": 10_000 + position, "pool": name}
        changes.append(Put(ObjectId("virtual_servers", name), {"basic": basic}))
    revision = await manager.control.edit(AUTHOR, changes)
    assert await manager.control.wait_in_force(revision, 60)
