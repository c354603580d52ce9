"""Percentiles of response times of an origin with known delays, over a reload and the death of the control plane."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.test_page import log_in
from tests.e2e.test_traffic import in_force, service
from tests.e2e.test_ui_activity import _client
from tests.origin import Delaying, delaying
from tools.instance import Instance, free_port, wait_for

DELAYS = (100, 100, 500, 100, 100)
"""In turn, in ms: the median is 100, the others are 500."""
CLIENTS = 3
SHARES = {"0.5": 0.5, "0.95": 0.95, "0.99": 0.99}
SECONDS = 60.0
LEEWAY = 0.06
"""A percentile is within 5 %, and told in whole ms."""


class Callers:
    """Clients that ask one after the other, fewer than 20 times a second in all, so that each request is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        self.took: list[float] = []
        self.failed: list[str] = []

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        for delay in itertools.cycle(DELAYS):
            if self._stop.is_set():
                break
            begun = time.monotonic()
            try:
                connection.request("GET", f"/{delay}")
                answer = connection.getresponse()
                if answer.read() != b"hello" or answer.status != 200:
                    self.failed.append(f"status {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
            self.took.append((time.monotonic() - begun) * 1000)
        connection.close()

    @contextlib.contextmanager
    def calling(self) -> Iterator[Callers]:
        """Asks as long as the block lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def quantile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1]


def measured(instance: Instance) -> dict[tuple[str, ...], float]:
    """Percentiles in ms, by the kind of object ("" for all), its name and the quantile."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        status, body = instance.rest("GET", "/metrics")
        if status == 200:
            return {
                (
                    family.name.removeprefix("pointsman_").removesuffix("response_seconds").strip("_"),
                    *(value for key, value in sample.labels.items() if key != "quantile"),
                    sample.labels["quantile"],
                ): sample.value * 1000
                for family in text_string_to_metric_families(body.decode())
                if family.name.endswith("response_seconds")
                for sample in family.samples
            }
    return {}


OBJECTS = (("",), ("virtual_server", "web"), ("pool", "app"))


def known(found: dict[tuple[str, ...], float]) -> bool:
    return all((*one, share) in found for one in OBJECTS for share in SHARES)


def right(found: dict[tuple[str, ...], float], origin: Delaying, callers: Callers) -> bool:
    """Whether each percentile lies between what the origin took and what clients waited; as the window holds the latest
    requests alone, at a tenth of them more or less.
    """
    if not known(found) or len(callers.took) < 50:
        return False
    for one in OBJECTS:
        for name, share in SHARES.items():
            least = quantile(origin.took, share - 0.1) * (1 - LEEWAY) - 1
            most = quantile(callers.took, min(1, share + 0.1)) * (1 + LEEWAY) + 1
            if not least <= found[*one, name] <= most:
                return False
    return True


def test_percentiles_are_what_the_origin_took(instance: Instance) -> None:
    port, second, stream = free_port(), free_port(), free_port()
    with delaying() as origin:
        service(instance, port, [{"node": origin.node}])
        basic = {"enabled": True, "port": stream, "pool": "app", "protocol": "stream"}
        assert instance.put("virtual_servers", "plain", {"basic": basic})[0] == 201
        wait_for("in force", lambda: in_force(instance))
        with Callers(port).calling() as callers:
            wait_for("percentiles are right", lambda: right(measured(instance), origin, callers), SECONDS)

            # A reload keeps them.
            basic = {"enabled": True, "port": second, "pool": "app"}
            assert instance.put("virtual_servers", "more", {"basic": basic})[0] == 201
            wait_for("in force", lambda: in_force(instance))
            assert known(measured(instance))
            wait_for("they are right", lambda: right(measured(instance), origin, callers), SECONDS)
            pages(instance, stream)

            # The control plane dies and comes back.
            (control,) = instance.processes()["control"]
            os.kill(control, signal.SIGKILL)
            wait_for("percentiles are back", lambda: right(measured(instance), origin, callers), SECONDS)
            assert instance.processes()["control"] != [control]
        assert not callers.failed


def pages(instance: Instance, stream: int) -> None:
    """All that shows them does, and a TCP service has none."""
    with socket.create_connection(("127.0.0.1", stream), timeout=30) as plain:
        plain.sendall(b"GET /0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 200")
    assert not [key for key in measured(instance) if "plain" in key]
    with _client(instance) as browser:
        assert log_in(browser, "secret-for-tests").status_code == 303
        for of, name in (("virtual-servers", "web"), ("pools", "app"), ("globals", "")):
            rows = browser.get(f"/activity/stats.json?of={of}").json()["rows"]
            (row,) = [row for row in rows if not name or row["name"] == name]
            shown = [row["statistics"][f"response_p{share}"] for share in (50, 95, 99)]
            assert shown == sorted(shown)
            assert shown[0] >= 90
            header = browser.get(f"/activity/stats.csv?of={of}").text.splitlines()[0]
            assert "response_p95" in header
        assert ">p95<" in browser.get("/activity/stats?of=virtual-servers").text
        for path, words in (
            ("/services/virtual-servers/web", "response time (p50), p95"),
            ("/services/pools/app", "response times: p50"),
        ):
            assert words in browser.get(path).text, path
        assert "response time" not in browser.get("/services/virtual-servers/plain/live").text

        def drawn(query: str) -> dict[str, Any]:
            found = browser.get(f"/activity/current.json{query}").json()
            return {
                line["measure"]: [value for value in values if value is not None]
                for line, values in zip(found["lines"], found["v"], strict=True)
            }

        for query in ("", "?vs=web", "?pool=app"):
            found = drawn(query)
            assert all(found[measure] for measure in ("p50", "p95", "p99")), query
            assert found["p99"][-1] >= 400
        assert drawn("?vs=plain")["p50"] == []
        assert "Response times" in browser.get("/activity?vs=web").text
