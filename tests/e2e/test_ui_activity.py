"""The Activity tab: the stream that its graphs draw, figures that agree with REST, connections and logs."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import itertools
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.e2e.test_page import log_in
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Origin

from pointsman.schema.counter import is_counted

PERCENTILES = ("response_p50", "response_p95", "response_p99")
FORMULA = "=cmd|' /C calc'!A0"
TAG = "<img src=x onerror=alert(1)>"


@dataclass
class Served:
    """A traffic manager whose service "shop" sends to an origin, and whose service "silent" nobody answers."""

    instance: Instance
    port: int
    silent_port: int
    node: str

    def request(self, count: int = 1) -> None:
        """Asks the shop so many times on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(count):
            connection.request("GET", "/")
            assert connection.getresponse().read()
        connection.close()

    def total(self) -> int:
        """Requests of the shop as REST counts them."""
        found = self.instance.get("status/local_tm/statistics/virtual_servers/shop")
        return int(found["statistics"]["total_requests"])


@pytest.fixture(scope="module")
def served(shared: Instance) -> Iterator[Served]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    origin: Origin = asyncio.run_coroutine_threadsafe(Origin("a").start(), loop).result()
    silent = socket.create_server(("127.0.0.1", 0))
    found = Served(shared, free_port(), free_port(), origin.node)
    try:
        for name, node in (
            ("web", origin.node),
            ("mute", f"127.0.0.1:{silent.getsockname()[1]}"),
            (FORMULA, origin.node),
            (TAG, origin.node),
        ):
            shared.put("pools", name, {"basic": {"nodes_table": [{"node": node}]}})
        for name, port, pool in (("shop", found.port, "web"), ("silent", found.silent_port, "mute")):
            basic = {"enabled": True, "port": port, "pool": pool}
            assert shared.put("virtual_servers", name, {"basic": basic})[0] == 201
        wait_for("both serve", lambda: all(map(_answers, (found.port, found.silent_port))))
        yield found
    finally:
        silent.close()
        asyncio.run_coroutine_threadsafe(origin.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _says(browser: httpx.Client, address: str, text: str) -> bool:
    return text in browser.get(address).text


def _client(instance: Instance) -> httpx.Client:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return httpx.Client(base_url=instance.ready["ui"], verify=context, timeout=20)


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with _client(served.instance) as client:
        assert log_in(client, "secret-for-tests").status_code == 303
        yield client


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Kind and data of each event of a stream."""
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            text = line.removeprefix("data: ")
            yield kind, json.loads(text) if kind == "points" else text


def test_the_stream_has_a_point_a_second_and_ends_with_the_session(
    served: Served, browser: httpx.Client
) -> None:
    page = browser.get("/activity?vs=shop&minutes=1").text
    address = re.search(r'data-stream="(/activity/[^"]+)"', page)
    assert address is not None and 'data-graph="0"' in page
    with browser.stream("GET", address[1].replace("&amp;", "&")) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        events = _events(stream.iter_lines())
        times: list[float] = []
        requests = 0.0
        began = time.time()
        before = -1
        asked = False
        for kind, news in events:
            assert kind == "points"
            for at, rate in zip(news["t"], news["v"][0], strict=True):
                requests += rate * (at - times[-1]) if times else 0.0
                times.append(at)
            fresh = [at for at in times if at > began]
            if not asked:
                # What was counted before this stream is not yet told when REST changes between two points.
                settled, before = before == served.total(), served.total()
                if settled and len(fresh) >= 2:
                    requests, asked = 0.0, True
                    served.request(30)
            elif round(requests) >= 30:
                break
        gaps = sorted(late - early for early, late in itertools.pairwise(fresh))
        assert 0.5 < gaps[len(gaps) // 2] < 2.5, gaps
        assert round(requests) == 30 == served.total() - before, "graph and REST agree"
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token is not None
        # Another connection of the same session: the stream has the first.
        with _client(served.instance) as other:
            other.cookies = browser.cookies
            assert other.post("/logout", data={"csrf": token[1]}).status_code == 303
        assert next(kind for kind, _ in events if kind != "points") == "over"
        assert list(events) == []


def test_the_stream_takes_a_session_and_no_other_site(served: Served, browser: httpx.Client) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
        assert browser.get("/activity/stream", headers=headers).status_code == 403
    browser.cookies.clear()
    assert browser.get("/activity/stream").headers["location"].startswith("/login")


def test_a_stream_does_not_hold_up_the_end(tmp_path: Any) -> None:
    with Instance(tmp_path / "home") as instance, _client(instance) as client:
        log_in(client, "secret-for-tests")
        with client.stream("GET", "/activity/stream") as stream:
            assert next(stream.iter_lines()) == "retry: 3000"
            began = time.monotonic()
            assert instance.stop() == 0
            assert time.monotonic() - began < 6, "the server waited for the stream"


def _rest(served: Served, path: str) -> dict[str, Any]:
    found: dict[str, Any] = served.instance.get(f"status/local_tm/statistics/{path}")["statistics"]
    return found


@pytest.mark.parametrize(
    ("of", "name", "path"),
    [
        ("virtual-servers", "shop", "virtual_servers/shop"),
        ("pools", "web", "pools/web"),
        ("nodes", "", "nodes/per_pool_node/web-{node}"),
    ],
)
def test_csv_and_json_are_the_statistics_of_rest(
    served: Served, browser: httpx.Client, of: str, name: str, path: str
) -> None:
    served.request(3)
    name, path = name or served.node, path.format(node=served.node)

    def mine(row: dict[str, Any]) -> bool:
        return bool(row["name"] == name and row.get("pool", "web") == "web")

    def counted(figures: dict[str, Any]) -> dict[str, Any]:
        return {key: figures[key] for key in figures if is_counted(path.rpartition("/")[0], key)}

    def agree() -> bool:
        once = counted(_rest(served, path))
        table = browser.get(f"/activity/stats.json?of={of}").json()["rows"]
        text = browser.get(f"/activity/stats.csv?of={of}")
        assert text.headers["content-type"] == "text/csv; charset=utf-8"
        row = next(filter(mine, csv.DictReader(io.StringIO(text.text))))
        told = next(filter(mine, table))["statistics"]
        found = {key: told[key] for key in told if key not in PERCENTILES}  # which REST has not
        same = {key: row[key] for key in once} == {key: str(value) for key, value in once.items()}
        asked = int(once.get("total_conn", served.total())) > 0
        return bool(asked and same and found == once == counted(_rest(served, path)))

    wait_for("both agree with REST, once what was asked is counted", agree)


def test_no_cell_is_a_formula(served: Served, browser: httpx.Client) -> None:
    rows = list(csv.reader(io.StringIO(browser.get("/activity/stats.csv?of=pools").text)))
    assert [f"'{FORMULA}"] == [row[0] for row in rows if "calc" in row[0]]
    heading = browser.get(f"/activity/current.csv?{urlencode({'pool': FORMULA})}").text.splitlines()[0]
    assert not re.search(r"(^|,)\"?[=+@-]", heading) and "calc" in heading


def test_the_table_is_sorted_filtered_and_bounded_by_its_address(
    served: Served, browser: httpx.Client
) -> None:
    names = re.findall(
        r'data-key="/([^"/]*)"', browser.get("/activity/stats?of=virtual-servers&sort=-name").text
    )
    assert names == ["silent", "shop"]
    page = browser.get("/activity/stats?of=pools&q=IMG&col=total_conn&col=bytes_in/s").text
    assert TAG not in page and "&lt;img" in page and "1 of 4" in page
    assert re.findall(r"<th scope=\"col\"[^>]*><a [^>]*>([^<]*)<", page) == [
        "Name",
        "State",
        "Requests",
        "In/s",
    ]
    rows = browser.get("/activity/stats/rows?of=pools&q=IMG&col=total_conn").text
    assert "<html" not in rows and "&lt;img" in rows
    for query in (
        "of=nodes&page=999999",
        "of=%00&sort=-nothing",
        "of=globals",
        "of=traffic-ips",
        "col=a&col=",
    ):
        assert browser.get(f"/activity/stats?{query}").status_code == 200


def test_graphs_of_anything_have_an_address(served: Served, browser: httpx.Client) -> None:
    query = urlencode([("pool", TAG), ("node", served.node), ("vs", "nobody"), ("minutes", "1")])
    page = browser.get(f"/activity?{query}").text
    assert TAG not in page and "There is no virtual server called nobody." in page
    wait_for("the whole has points", lambda: browser.get("/activity/current.json").json()["t"])
    document = browser.get("/activity/current.json").json()
    assert {"processor", "memory"} <= {line["measure"] for line in document["lines"]}
    assert all(len(column) == len(document["t"]) for column in document["v"])
    for span, points in (("1h", 60), ("1d", 288), ("1w", 336), ("30d", 360), ("90d", 360), ("no", 288)):
        assert len(browser.get(f"/activity/history.json?span={span}&vs=shop").json()["t"]) == points
        assert browser.get(f"/activity/history?span={span}&vs=shop").status_code == 200
    assert len(browser.get("/activity/history.csv?span=1h").text.splitlines()) == 61


def test_connections_are_those_that_are_open(served: Served, browser: httpx.Client) -> None:
    waiting = socket.create_connection(("127.0.0.1", served.silent_port))
    try:
        waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        client = "127.0.0.1", str(waiting.getsockname()[1])

        def seen() -> dict[str, str]:
            rows = csv.DictReader(io.StringIO(browser.get("/activity/connections.csv").text))
            return next((row for row in rows if (row["client"], row["port"]) == client), {})

        row = wait_for("the connection is listed", seen)
        assert (row["virtual_server"], row["pool"], row["method"]) == ("silent", "mute", "GET")
        assert int(row["bytes_in"]) > 10 and row["bytes_out"] == "0"
        assert "silent" in browser.get("/activity/connections?q=mute+GET").text
        assert "No connection matches" in browser.get("/activity/connections?q=nobody").text
    finally:
        waiting.close()


def test_logs_are_searched_and_downloaded_and_nothing_else_is(served: Served, browser: httpx.Client) -> None:
    assert "events.log" in browser.get("/activity/logs").text
    hostile = browser.get("/activity/logs/file?name=events.log&q=confadd+onerror").text
    assert TAG not in hostile and "&lt;img src=x" in hostile
    log = served.instance.home / "log" / "events.log"
    got = browser.get("/activity/logs/download?name=events.log")
    assert log.read_bytes().startswith(got.content) and got.content.endswith(b"\n")
    assert "attachment" in got.headers["content-disposition"]
    (served.instance.home / "log" / "link.log").symlink_to("/etc/passwd")
    for name in ("link.log", "../admin-password", "/etc/passwd", "", "nothing.log", "events.log\0"):
        for path in ("file", "lines", "download"):
            assert browser.get(f"/activity/logs/{path}?{urlencode({'name': name})}").status_code == 404
    assert "link.log" not in browser.get("/activity/logs").text


def test_the_map_shows_who_takes_the_traffic(served: Served, browser: httpx.Client) -> None:
    served.request(2)
    page = browser.get("/activity/map").text
    assert served.node in page and TAG not in page and "<meter" in page


def test_a_state_is_the_one_of_the_home_page(served: Served, browser: httpx.Client) -> None:
    """A virtual server that listens and whose pool is dead serves nobody."""
    instance = served.instance
    pool = {"nodes_table": [{"node": "127.0.0.1:1"}, {"node": "127.0.0.1:2"}], "monitors": ["Connect"]}
    assert instance.put("pools", "gone", {"basic": pool})[0] == 201
    server = {"enabled": True, "port": free_port(), "pool": "gone"}
    assert instance.put("virtual_servers", "stopped", {"basic": server})[0] == 201
    try:
        reason = "no node of pool &#34;gone&#34; can answer"
        wait_for("the home page tells of it", lambda: reason in browser.get("/live").text)
        for kind, name, word in (
            ("virtual-servers", "stopped", "down"),
            ("pools", "gone", "dead"),
            ("nodes", "127.0.0.1:2", "dead"),
        ):
            address = f"/activity/stats/rows?{urlencode({'of': kind, 'q': name})}"
            wait_for(f"{name} is {word}", partial(_says, browser, address, f"</span>{word}<"))
    finally:
        instance.rest("DELETE", "config/active/virtual_servers/stopped")
        instance.rest("DELETE", "config/active/pools/gone")
