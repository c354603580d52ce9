"""Services in a real browser: from trouble to its cause in two clicks, a node taken out under load, small screens."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.browser.accessibility import faults
from tests.browser.conftest import Visit
from tests.e2e.test_traffic import in_force
from tests.e2e.test_ui_draining import Listener
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Load, Origin, Report

ADDRESS = "127.62.0.1"
TAG = "<img src=x onerror=alert(1)>/..%2f"
LONG = "w" * 250
T = TypeVar("T")


class Background:
    """An event loop beside the test, for origins and load."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts something."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Does something and gives what came of it."""
        return self.begin(work).result(30)

    def end(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def behind() -> Iterator[Background]:
    """The loop."""
    made = Background()
    yield made
    made.end()


def make(instance: Instance, name: str, nodes: list[str], **pool: Any) -> int:
    """A virtual server with a pool of its name, both in force; gives its port."""
    port = free_port()
    table = [{"node": node} for node in nodes]
    assert instance.put("pools", name, {"basic": {"nodes_table": table, **pool}})[0] == 201
    basic = {
        "enabled": True,
        "port": port,
        "pool": name,
        "listen_on_any": False,
        "listen_on_hosts": [ADDRESS],
    }
    assert instance.put("virtual_servers", name, {"basic": basic})[0] == 201

    def in_force() -> bool:
        applies = instance.get("status/local_tm/applies?limit=1")
        return bool(applies["revision"] == applies["in_force"])

    wait_for(f"{name} is in force", in_force)
    return port


def test_from_the_home_page_to_the_cause_in_two_clicks(
    shared: Instance, visit: Visit, behind: Background
) -> None:
    """A pool is broken; the home page says so, and the second click is at the cause, which is checked on the spot."""
    origin = behind.do(Origin("a").start())
    monitor = {"basic": {"type": "http", "delay": 1, "timeout": 1, "failures": 1}, "http": {"path": "/check"}}
    assert shared.put("monitors", "front page", monitor)[0] == 201
    make(shared, "broken", [origin.node], monitors=["front page"])
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in()
    behind.do(origin.stop())
    why = page.get_by_role("link", name="Why").first
    expect(why).to_be_visible(timeout=15_000)
    why.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Why is {origin.node} down?")
    expect(page.locator("#found")).to_contain_text("front page: connection refused")
    expect(page.locator("main")).to_contain_text(f"nothing listens on port {origin.port}")
    visitor.look("why")
    again = behind.do(Origin("a", origin.port).start())
    page.get_by_role("button", name="Check it now").click()
    expect(page.locator("#checked")).to_contain_text("succeeded")
    expect(page.locator("#checked")).to_contain_text("status 200")
    behind.do(again.stop())


def test_a_node_is_drained_and_removed_under_load_without_a_failed_request(
    shared: Instance, visit: Visit, behind: Background
) -> None:
    origins = [behind.do(Origin(name).start()) for name in "ab"]
    port = make(shared, "busy", [origin.node for origin in origins])
    load = Load(port, clients=4, address=ADDRESS, pause=0.005)
    running: Future[Report] = behind.begin(load.run(90))
    wait_for("both answer", lambda: {"a", "b"} <= load.report.answered.keys())
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in(path="/services/pools/busy")
    gone = origins[1].node
    page.get_by_label(f"Tick {gone}").check()
    page.get_by_role("button", name="Drain").click()
    expect(page.locator("main")).to_contain_text(f"Node {gone} of pool")
    page.get_by_role("link", name="follow").click()
    row = page.locator("tbody tr", has_text=gone)
    expect(row).to_contain_text("empty now", timeout=15_000)
    visitor.look("draining")
    row.get_by_role("button", name=f"Remove {gone}").click()
    expect(page.locator("main")).to_contain_text("was removed")
    expect(page.locator("main")).to_contain_text("No node drains now")
    before = load.report.answered["a"]
    wait_for("the other one serves", lambda: load.report.answered["a"] > before + 100)
    load.stop()
    report = running.result(30)
    assert not report.failed, report.failed
    for origin in origins:
        behind.do(origin.stop())


def test_the_map_is_live_and_leaves_the_reader_alone(shared: Instance, visit: Visit) -> None:
    """What is ticked and opened stays so while the page renews itself; what turns is shown without a reload."""
    make(shared, "map", ["127.0.0.1:1", "127.0.0.1:2"], passive_monitoring=False)
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in(path="/services?q=map")
    page.evaluate("window.here = true")
    page.get_by_label("Tick map").check()
    page.locator("summary", has_text="2 nodes").click()
    quick = page.get_by_role("button", name="Drain 127.0.0.1:1")
    expect(quick).to_be_visible()
    rows = [{"node": "127.0.0.1:1", "state": "disabled"}, {"node": "127.0.0.1:2"}]
    assert shared.put("pools", "map", {"basic": {"nodes_table": rows}})[0] == 200
    expect(page.locator(".branch li", has_text="127.0.0.1:1")).to_contain_text("disabled")
    expect(quick).to_be_visible()
    expect(page.get_by_label("Tick map")).to_be_checked()
    assert page.evaluate("window.here"), "the page was loaded again"
    page.get_by_role("button", name="Activate 127.0.0.1:1").click()
    expect(page.locator("main")).to_contain_text("was activated")
    page.get_by_label("Tick all").check()
    page.get_by_role("button", name="Disable", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text('Disable virtual server "map"?')
    page.get_by_label("I want that").check()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.locator("main")).to_contain_text('Virtual server "map" was disabled')


def test_what_is_typed_into_a_live_table_stays(shared: Instance, visit: Visit) -> None:
    make(shared, "weights", ["127.0.0.1:1", "127.0.0.1:2"])
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in(path="/services/pools/weights")
    renewed = page.expect_response("**/live")
    field = page.get_by_label("Weight of 127.0.0.1:2")
    field.fill("42")
    page.get_by_role("heading", level=1).click()
    with renewed:
        pass
    with page.expect_response("**/live"):
        pass
    expect(field).to_have_value("42")
    field.press("Enter")
    expect(page.locator("main")).to_contain_text("The weights of 1 node were changed")
    expect(page.get_by_label("Weight of 127.0.0.1:2")).to_have_value("42")


@pytest.mark.parametrize("width", [1280, 360])
def test_a_wish_for_a_draining_node_is_shown_until_it_is_done(
    shared: Instance, visit: Visit, width: int
) -> None:
    """With who asked for it, and the sessions that are still bound to the node; in a narrow window as well."""
    name, port = f"held-{width}", free_port()
    assert shared.put("persistence", name, {"basic": {"type": "ip"}})[0] == 201
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        node = f"127.0.0.1:{server.server_address[1]}"
        basic = {"nodes_table": [{"node": node}], "persistence_class": name}
        assert shared.put("pools", name, {"basic": basic})[0] == 201
        where = {"enabled": True, "port": port, "pool": name, "protocol": "client_first"}
        assert shared.put("virtual_servers", name, {"basic": where})[0] == 201
        wait_for("it is in force", lambda: in_force(shared), 30)
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"hello")
            basic["nodes_table"] = [{"node": node, "state": "draining"}]
            assert shared.put("pools", name, {"basic": basic})[0] == 200
            visitor = visit(
                shared.ready["ui"], viewport={"width": width, "height": 800}, reduced_motion="reduce"
            )
            page = visitor.log_in(path="/activity/draining")
            row = page.get_by_role("row").filter(has_text=name)
            row.get_by_role("button", name=f"Disable {node} when it is empty").click()
            expect(row).to_contain_text("will be disabled when empty")
            expect(row).to_contain_text("asked by admin")
            expect(row).to_contain_text("1 session still bound to it")
            visitor.look(f"draining-wish-{width}")
            if width == 1280:
                assert not faults(page)
        expect(row).to_have_count(0)
        server.shutdown()
    found = shared.get(f"config/active/pools/{name}")["properties"]["basic"]["nodes_table"]
    assert [entry["state"] for entry in found] == ["disabled"]


PAGES = {
    "services": "/services",
    "nodes": "/services/nodes",
    "servers": "/services/virtual-servers",
    "server": f"/services/virtual-servers/{quote(TAG, safe='')}",
    "pool": f"/services/pools/{quote(TAG, safe='')}",
    "pools": "/services/pools",
    "why": f"/services/why/{quote(TAG, safe='')}/127.0.0.1%3A1",
    "draining": "/activity/draining",
    "groups": "/services/traffic-ip-groups",
    "group": f"/services/traffic-ip-groups/{LONG}",
    "monitor": "/catalogs/monitors/Connect",
    "add": f"/services/pools/{quote(TAG, safe='')}/add-nodes",
}


@pytest.fixture(scope="module")
def hostile(shared: Instance) -> Instance:
    """Names that mean harm, and long ones."""
    for name in (TAG, LONG):
        rows = [{"node": "127.0.0.1:1"}, {"node": f"{'h' * 60}.{'o' * 60}.example:2", "state": "draining"}]
        basic = {"nodes_table": rows, "note": TAG, "monitors": ["Connect"]}
        assert shared.put("pools", name, {"basic": basic})[0] == 201
        server = {"enabled": True, "port": free_port(), "pool": name, "listen_on_any": False}
        assert shared.put("virtual_servers", name, {"basic": server})[0] == 201
    group = {"basic": {"ipaddresses": ["192.0.2.7", "2001:db8::7"], "note": TAG}}
    assert shared.put("traffic_ip_groups", LONG, group)[0] == 201
    return shared


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_fit_and_show_names_as_text(hostile: Instance, visit: Visit, width: int) -> None:
    # Without motion, because a colour that is just changing has a contrast of its own.
    visitor = visit(hostile.ready["ui"], viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page = visitor.log_in()
    for name, path in PAGES.items():
        visitor.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        for summary in page.locator("details.fold > summary").all()[:3]:
            summary.click()
        visitor.look(f"services-{name}-{width}")
        assert page.locator("main img").count() == 0
        if width == 1280:
            assert not faults(page), name
