"""Every page that can be reached by links: it answers, fits, is accessible in both themes, and shows text as text.

The crawl begins at the home page and follows every link of the same host, so a page that nothing leads to is not here
and a link that leads nowhere fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page
from tests.browser.accessibility import faults
from tests.browser.conftest import Visit
from tools.instance import Instance

from pointsman.web.ui.site import TABS

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202eturned\u2066"
LONG = "w" * 240
MOST_PAGES = 220
DOWNLOADS = ("/content", "/download", ".csv", ".json", ".log", ".gz", ".yaml", "/export")
"""Ends of addresses that are files to keep, not pages."""


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with an object of every type that people make, under names that mean harm."""
    with Instance(tmp_path_factory.mktemp("crawl") / "home") as running:
        nodes = [{"node": "127.0.0.1:1"}, {"node": "127.0.0.1:2", "state": "draining"}]
        for name in (TAG, LONG):
            pool = {"basic": {"nodes_table": nodes, "note": TAG * 20, "monitors": ["Connect"]}}
            assert running.put("pools", name, pool)[0] == 201
        basic = {"enabled": True, "port": 1, "pool": TAG, "listen_on_any": False}
        assert running.put("virtual_servers", f"{TAG}{TURNED}", {"basic": basic})[0] == 201
        group = {"basic": {"ipaddresses": ["192.0.2.7"], "enabled": False, "note": TAG}}
        assert running.put("traffic_ip_groups", TAG, group)[0] == 201
        assert running.put("persistence", TAG, {"basic": {"note": LONG}})[0] == 201
        assert running.put("bandwidth", TAG, {"basic": {"note": TURNED}})[0] == 201
        assert running.put("monitors", TAG, {"basic": {"type": "http"}})[0] == 201
        for kind in ("rules", "extra_files"):
            answer = running.rest(
                "PUT", f"config/active/{kind}/harm", TAG.encode(), content_type="text/plain"
            )
            assert answer[0] in (201, 204, 200), answer
        yield running


def links(page: Page) -> list[str]:
    """Where the page leads on this host, without fragments."""
    found: list[str] = page.evaluate("Array.from(document.querySelectorAll('a[href]'), (a) => a.href)")
    host = urlsplit(page.url).netloc
    here = []
    for address in found:
        parts = urlsplit(urljoin(page.url, address))
        if parts.netloc == host and not parts.path.startswith("/static/"):
            here.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return here


def shape(address: str) -> str:
    """What pages of the same kind have in common, so that each kind is looked at closely once or twice."""
    parts = urlsplit(address)
    known = {place.path for tab in TABS for place in tab.places}
    path = parts.path
    if path in known:
        return path
    words = ["*" if "%" in word or word.isdecimal() or len(word) > 40 else word for word in path.split("/")]
    return "/".join(words) + ("?" if parts.query else "")


@pytest.mark.timeout(900)
def test_every_page_that_links_lead_to(peopled: Instance, visit: Visit, tmp_path: Path) -> None:
    # Without motion, because a colour that is just changing has a contrast of its own.
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
    visitor = visit(peopled.ready["ui"], **options)
    page = visitor.log_in()
    waiting, seen, shapes, bad = ["/"], {"/"}, dict[str, int](), []
    while waiting and len(seen) <= MOST_PAGES * 4:
        address = waiting.pop(0)
        kind = shape(address)
        shapes[kind] = shapes.get(kind, 0) + 1
        if shapes[kind] > 2 or len(shapes) > MOST_PAGES:
            continue
        answer = page.goto(visitor.address + address)
        if answer is None or answer.status != 200:
            bad.append(f"{address}: {answer.status if answer else 'no answer'}")
            continue
        if page.locator("img").count() or page.locator("script:not([src])").count():
            bad.append(f"{address}: text became an element")
        if set(TURNED[:1]) & set(page.locator("body").inner_text()):
            bad.append(f"{address}: turns text")
        if shapes[kind] == 1:
            bad += [f"{address}: {fault}" for fault in faults(page)]
        page.set_viewport_size({"width": 360, "height": 740})
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > 360:
            bad.append(f"{address}: {needed} pixels wide in a window of 360")
        page.set_viewport_size({"width": 1280, "height": 900})
        for found in links(page):
            if found not in seen and not urlsplit(found).path.endswith(DOWNLOADS):
                seen.add(found)
                waiting.append(found)
    assert not bad, "\n".join(bad)
    reached = {urlsplit(address).path for address in seen}
    assert {place.path for tab in TABS for place in tab.places} <= reached


def test_the_keyboard_alone_is_enough(peopled: Instance, visit: Visit) -> None:
    """Ctrl-K finds and opens an object, g and a letter go to a tab, the skip link leads past the navigation."""
    visitor = visit(peopled.ready["ui"])
    page = visitor.log_in()
    page.get_by_role("heading", name="Home").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Control+k")
    page.keyboard.type("global settings")
    page.locator(".palette a[data-current]").filter(has_text="Global Settings").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/system/global-settings")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/services")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    deadline = time.monotonic() + 5
    while page.locator("dialog[open]").count() and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert not page.locator("dialog[open]").count()
