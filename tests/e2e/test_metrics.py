"""Metrics of a running instance: behind its login, and the same figures that REST tells."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import quote, urlsplit

from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.test_traffic import Origins, in_force, request, service
from tools.instance import Instance, free_port, wait_for


async def test_metrics_are_what_rest_tells(shared: Instance, origins: Origins) -> None:
    """R32: GET /metrics on 9070, with the same user and password."""
    port = free_port()
    service(shared, port, [{"node": origin.node} for origin in origins])
    wait_for("in force", lambda: in_force(shared))
    await request(port, 60)
    statistics = "status/local_tm/statistics"

    def counted() -> int:
        return int(shared.get(f"{statistics}/virtual_servers/web")["statistics"]["total_requests"])

    wait_for("they are counted", lambda: counted() == 60)

    def read() -> dict[str, dict[tuple[str, ...], float]]:
        status, body = shared.rest("GET", "/metrics")
        assert status == 200
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(body.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found

    def requests_and_responses() -> tuple[float, float]:
        found = read()
        responses = sum(found["pointsman_virtual_server_responses_total"].values())
        return found["pointsman_virtual_server_requests_total"][("web",)], responses

    wait_for("they are told", lambda: requests_and_responses() == (60, 60))
    metrics = read()
    nodes = metrics["pointsman_node_requests_total"]
    assert {node for node, _ in nodes} == {origin.node for origin in origins}
    assert sum(nodes.values()) == 60
    for (node, pool), value in nodes.items():
        told = shared.get(f"{statistics}/nodes/per_pool_node/{quote(f'{pool}-{node}', safe='')}")
        assert told["statistics"]["total_conn"] == value
    assert metrics["pointsman_virtual_server_listening"] == {("web",): 1}
    assert metrics["pointsman_engine_serving"] == {(): 1}
    assert set(metrics["pointsman_node_up"].values()) == {1}


def test_metrics_need_the_login_and_hold_no_secret(shared: Instance, tmp_path: Path) -> None:
    monitor = {"basic": {"type": "http"}, "http": {"authentication": "probe:monitor-secret-1"}}
    assert shared.put("monitors", "m", monitor)[0] == 201
    parts = urlsplit(shared.ready["rest"])
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert (response.status, b"pointsman_" in response.read()) == (401, False)
    finally:
        connection.close()
    status, body = shared.rest("GET", "/metrics")
    assert status == 200
    assert b"monitor-secret-1" not in body
    for method, expected in (("PUT", 405), ("DELETE", 405), ("HEAD", 200)):
        assert shared.rest(method, "/metrics", {} if method == "PUT" else None)[0] == expected
