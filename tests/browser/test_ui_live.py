"""How pages keep themselves fresh: the same on every page, and never against whoever reads or writes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tools.instance import Instance, free_port, wait_for

HIDE = """
(hidden) => {
  Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}
"""
"""What a browser does when another tab covers this one; headless ones never do it by themselves."""
PAGES = ("/", "/services/pools/web", "/activity/stats?of=pools")
OTHERS = (
    "/services",
    "/services/nodes",
    "/services/virtual-servers/web",
    "/activity/draining",
    "/activity/map",
    "/activity/connections",
    "/activity/logs/file?name=events.log",
)
QUIET = ["ERR_INTERNET_DISCONNECTED"]


@dataclass
class Site:
    """A traffic manager with a service, whose pool can grow."""

    instance: Instance
    nodes: int = 0

    def grow(self) -> str:
        """One node and one pool more; gives the name of the pool, in which the node is as well."""
        self.nodes += 1
        table = [{"node": f"127.0.0.1:{number + 1}"} for number in range(self.nodes)]
        name = f"pool {self.nodes}"
        for pool in ("web", name):
            assert self.instance.put("pools", pool, {"basic": {"nodes_table": table}})[0] in (200, 201)
        return name


@pytest.fixture(scope="module")
def site(shared: Instance) -> Iterator[Site]:
    found = Site(shared)
    found.grow()
    basic = {"enabled": True, "port": free_port(), "pool": "web", "listen_on_any": False}
    assert shared.put("virtual_servers", "web", {"basic": basic})[0] == 201
    yield found


def asked(page: Page) -> list[str]:
    """What the page asks for from now on."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url))
    return found


def until(page: Page, what: str, condition: Any) -> None:
    """Waits for a condition and lets the page go on meanwhile."""

    def met() -> bool:
        page.wait_for_timeout(50)
        return bool(condition())

    wait_for(what, met, 30)


def goes_on(page: Page) -> None:
    """Waits until the page was refreshed twice more, the second time by an answer that was asked for after now."""
    for _ in range(2):
        with page.expect_response(lambda answer: "/live" in answer.url or "/rows" in answer.url):
            pass


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_fresh_pauses_sleeps_and_wakes(site: Site, visit: Visit, path: str) -> None:
    visitor = visit(site.instance.ready["ui"])
    visitor.expected = QUIET
    page = visitor.log_in(path=path)
    page.evaluate("window.here = true")
    region = page.locator("[data-live]")
    shown = region.inner_text()
    site.grow()
    until(page, "the page shows what is new", lambda: region.inner_text() != shown)
    goes_on(page)
    # A clock beside the page: a second tab of the same session, which is never paused.
    other = visitor.context.new_page()
    other.goto(visitor.address + path)
    page.get_by_role("button", name="Pause").click()
    requests = asked(page)
    page.evaluate("document.activeElement.blur()")
    goes_on(other)
    goes_on(other)
    assert not requests, "paused"
    with page.expect_response(lambda answer: "/live" in answer.url or "/rows" in answer.url):
        page.get_by_role("button", name="Resume").click()
    page.evaluate(HIDE, True)
    settled = page.evaluate("new Promise((done) => setTimeout(() => done(true), 0))")
    assert settled
    del requests[:]
    goes_on(other)
    goes_on(other)
    assert not requests, "hidden"
    with page.expect_response(lambda answer: "/live" in answer.url or "/rows" in answer.url):
        page.evaluate(HIDE, False)
    expect(page.locator("#stale")).to_be_hidden()
    visitor.context.set_offline(True)
    expect(page.locator("#stale")).to_contain_text("No answer since", timeout=30_000)
    visitor.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden(timeout=30_000)
    assert page.evaluate("window.here"), "the page was loaded again"
    other.goto(f"{visitor.address}/search")
    other.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login?next=**", timeout=30_000)


def test_every_page_with_figures_refreshes_itself(site: Site, visit: Visit) -> None:
    visitor = visit(site.instance.ready["ui"])
    page = visitor.log_in()
    for path in OTHERS:
        page.goto(visitor.address + path)
        region = page.locator("[data-live]").get_attribute("data-live")
        with page.expect_response(visitor.address + str(region)) as answered:
            pass
        assert answered.value.status == 200, path
        expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_the_page_stands_still_while_somebody_writes_or_selects(site: Site, visit: Visit) -> None:
    visitor = visit(site.instance.ready["ui"])
    page = visitor.log_in(path="/services/pools/web")
    region, rows = (
        page.locator("[data-live]"),
        page.locator("[data-live] table[aria-label^='Nodes of'] tbody tr"),
    )
    expect(rows).to_have_count(site.nodes)
    weight = page.get_by_label("Weight of 127.0.0.1:1", exact=True)
    weight.fill("7")
    site.grow()
    goes_on(page)
    expect(rows).to_have_count(site.nodes - 1)
    page.get_by_role("heading", level=1).click()
    expect(rows).to_have_count(site.nodes)
    expect(weight).to_have_value("7")
    selected = "document.getSelection().toString()"
    page.evaluate(
        "document.getSelection().selectAllChildren(document.querySelector('[data-live] tbody th a'))"
    )
    site.grow()
    goes_on(page)
    assert page.evaluate(selected) == "127.0.0.1:1"
    expect(rows).to_have_count(site.nodes - 1)
    page.evaluate("document.getSelection().removeAllRanges()")
    expect(rows).to_have_count(site.nodes)
    page.get_by_label("Tick 127.0.0.1:1", exact=True).check()
    site.grow()
    expect(rows).to_have_count(site.nodes)
    expect(page.get_by_label("Tick 127.0.0.1:1", exact=True)).to_be_checked()
    expect(region).to_be_visible()


def test_what_is_open_and_where_the_focus_is_stays(site: Site, visit: Visit) -> None:
    """On a page whose rows keep their places, and on one whose rows change them."""
    visitor = visit(site.instance.ready["ui"])
    page = visitor.log_in(path="/services")
    page.locator("[data-live] details summary").first.click()
    items = page.locator("[data-live] details li")
    expect(items).to_have_count(site.nodes)
    focused = "document.activeElement.textContent"
    items.first.get_by_role("link").first.focus()
    before = page.evaluate(focused)
    site.grow()
    expect(items).to_have_count(site.nodes)
    expect(items.first).to_be_visible()
    assert page.evaluate(focused) == before
    page.goto(f"{visitor.address}/activity/stats?of=pools&sort=-name")
    names = page.locator("#stats tbody th")
    expect(names.first).to_have_text("web")
    last = names.last.inner_text()
    names.last.get_by_role("link").focus()
    name = site.grow()
    expect(page.locator("#stats tbody th", has_text=name)).to_have_count(1)
    assert page.evaluate(focused) == last
    assert names.all_inner_texts() == sorted(names.all_inner_texts(), reverse=True)


def test_the_light_and_the_icon_tell_the_state_on_every_live_page(tmp_path: Path, visit: Visit) -> None:
    with Instance(tmp_path / "home") as running:
        visitor = visit(running.ready["ui"])
        page = visitor.log_in(path="/activity/stats?of=pools")
        icon = page.locator("link[rel=icon]")
        told = {mark: icon.get_attribute(f"data-{mark}") or "" for mark in ("ok", "error")}
        expect(icon).to_have_attribute("href", told["ok"], timeout=30_000)
        monitor = {"basic": {"type": "connect", "delay": 1, "timeout": 1, "failures": 1}}
        assert running.put("monitors", "quick", monitor)[0] == 201
        pool = {"basic": {"nodes_table": [{"node": f"127.0.0.1:{free_port()}"}], "monitors": ["quick"]}}
        assert running.put("pools", "dead", pool)[0] == 201
        basic = {"enabled": True, "port": free_port(), "pool": "dead", "listen_on_any": False}
        assert running.put("virtual_servers", "dead", {"basic": basic})[0] == 201
        expect(icon).to_have_attribute("href", told["error"], timeout=30_000)
        expect(page.locator("#light")).to_have_class("light error")
        page.close()
