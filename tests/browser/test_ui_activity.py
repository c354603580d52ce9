"""The Activity tab in a real browser: graphs that draw, figures that move, tables that keep their order and focus."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Origin

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202eturned\u2066"
DRAWN = """
() => Array.from(document.querySelectorAll('.graph canvas'), (canvas) => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
})
"""
"""Whether each canvas has a pixel that is not empty."""


@dataclass
class Busy:
    """A traffic manager whose service gets requests when told to."""

    instance: Instance
    port: int
    node: str

    def request(self, count: int) -> None:
        """So many requests on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(count):
            connection.request("GET", "/")
            assert connection.getresponse().read()
        connection.close()


@pytest.fixture(scope="module")
def busy(shared: Instance) -> Iterator[Busy]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    origin: Origin = asyncio.run_coroutine_threadsafe(Origin("a").start(), loop).result()
    found = Busy(shared, free_port(), origin.node)
    try:
        for name in ("web", f"{TAG}{TURNED}", "w" * 240):
            shared.put("pools", name, {"basic": {"nodes_table": [{"node": origin.node}]}})
        basic = {"enabled": True, "port": found.port, "pool": "web"}
        assert shared.put("virtual_servers", TAG, {"basic": basic})[0] == 201
        wait_for("the service serves", lambda: _serves(found))
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(origin.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _serves(busy: Busy) -> bool:
    try:
        busy.request(1)
    except OSError:
        return False
    return True


def until(page: Page, what: str, condition: Callable[[], bool]) -> None:
    """Waits for a condition and lets the page go on meanwhile."""

    def met() -> bool:
        page.wait_for_timeout(50)
        return condition()

    wait_for(what, met)


def points(page: Page) -> int:
    """Points that the graphs hold now."""
    return int(page.locator("#graphs").get_attribute("data-points") or 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_graphs_draw_as_it_happens(busy: Busy, visit: Visit, scheme: Literal["light", "dark"]) -> None:
    visitor = visit(busy.instance.ready["ui"], color_scheme=scheme)
    page = visitor.log_in(path="/activity?minutes=1")
    until(page, "points come", lambda: points(page) >= 3)
    assert page.locator(".graph").count() == 7
    assert page.evaluate(DRAWN) == [True] * 7
    busy.request(40)
    most = page.locator("[data-most='0']")
    until(page, "the requests are seen", lambda: most.text_content() != "0/s")
    page.get_by_role("button", name="Pause").click()
    held = points(page)
    file = f"{visitor.address}/activity/current.json"

    def known() -> int:
        return len(visitor.context.request.get(file).json()["t"])

    more = known() + 2
    until(page, "figures go on", lambda: known() >= more)
    assert points(page) == held, "paused"
    page.get_by_role("button", name="Resume").click()
    assert points(page) > held, "what came meanwhile is there"
    visitor.look(f"activity-{scheme}")


def test_several_objects_are_drawn_under_their_names(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"], viewport={"width": 360, "height": 740})
    query = urlencode(
        [("vs", TAG), ("pool", "web"), ("pool", f"{TAG}{TURNED}"), ("pool", "w" * 240), ("node", busy.node)]
    )
    page = visitor.log_in(path=f"/activity?{query}")
    until(page, "points come", lambda: points(page) >= 2)
    legend = page.locator(".graph").first.locator(".what").all_text_contents()
    assert legend[0] == f"Virtual server {TAG}" and legend[2] == f"Pool {TAG}\\u202eturned\\u2066"
    assert all(page.evaluate(DRAWN))
    visitor.look("activity-several-360")
    page.get_by_text("Choose what is plotted").click()
    page.get_by_label("web", exact=True).uncheck()
    page.get_by_role("button", name="Plot").click()
    expect(page.locator(".graph").first.locator(".what")).to_have_count(4)
    visitor.look("activity-chooser-360")


def test_history_draws_every_span(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"])
    page = visitor.log_in(path="/activity/history")
    for name, count in (("1 hour", 60), ("90 days", 360)):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("#graphs")).to_have_attribute("data-points", str(count))
        assert page.evaluate(DRAWN) == [True] * 5
    visitor.look("activity-history")


def test_a_session_that_ends_ends_the_stream(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"])
    page = visitor.log_in(path="/activity")
    until(page, "points come", lambda: points(page) >= 1)
    other = visitor.context.new_page()
    other.goto(f"{visitor.address}/search")
    other.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login?next=**")


def test_the_table_keeps_order_focus_and_filter(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"])
    page = visitor.log_in(path="/activity/stats?of=pools")
    page.evaluate("window.here = true")
    page.get_by_role("link", name="Requests", exact=True).click()
    heading = page.locator("th", has_text="Requests").filter(has_not_text="/s")
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert "sort=-total_conn" in page.url
    first = page.locator("#stats tbody tr").first
    expect(first.locator("th")).to_have_text("web")
    first.locator("a").first.focus()
    titles = page.locator("#stats thead th")
    place = [" ".join(title.split()) for title in titles.all_text_contents()].index("Requests")
    cell = first.locator("th, td").nth(place)
    before = cell.text_content()
    busy.request(25)
    expect(cell).not_to_have_text(before or "")
    assert page.evaluate("document.activeElement.textContent") == "web"
    page.get_by_label("Filter by name").fill("img")
    expect(page.locator("#stats tbody tr")).to_have_count(1)
    assert "q=img" in page.url and "sort=-total_conn" in page.url
    assert page.get_by_label("Filter by name").evaluate("(field) => field === document.activeElement")
    assert "q=img" in (page.get_by_role("link", name="CSV").get_attribute("href") or "")
    assert page.evaluate("window.here"), "the page was not loaded again"
    visitor.look("activity-stats")
    page.set_viewport_size({"width": 360, "height": 740})
    visitor.look("activity-stats-360")


def test_pages_fit_and_show_text_as_text(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"], viewport={"width": 360, "height": 740})
    page = visitor.log_in()
    for path in (
        "/activity/stats?of=nodes",
        "/activity/stats?of=globals",
        "/activity/connections",
        "/activity/map",
        "/activity/logs",
        "/activity/logs/file?name=events.log",
    ):
        visitor.open(path)
        assert page.locator("main img").count() == 0
        visitor.look(path.replace("/", "-").replace("?", "-"))


def test_without_javascript_the_figures_are_there(busy: Busy, visit: Visit) -> None:
    visitor = visit(busy.instance.ready["ui"], java_script_enabled=False)
    page = visitor.log_in(path="/activity")
    expect(page.locator("#figures tbody tr").first).to_contain_text("/s")
    page.goto(f"{visitor.address}/activity/stats?of=pools&sort=-total_conn&q=web")
    expect(page.locator("#stats tbody tr")).to_have_count(1)
