"""The frame around every page: keys, focus, contrast and colours of the system, motion, and how much is sent."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.test_ui_live import until
from tools.instance import Instance

from pointsman.web.ui.site import TABS

JUMPS = {
    "h": "/",
    "s": "/services",
    "c": "/catalogs",
    "d": "/diagnose",
    "a": "/activity",
    "y": "/system/traffic-managers",
}
TABLES = (
    "/",
    "/services/pools",
    "/services/nodes",
    "/catalogs/rules",
    "/diagnose/event-log",
    "/activity/stats?of=pools",
    "/system/users",
)
FIRST_PAGE_LIMIT = 200_000
"""Bytes of the first page with all that it needs, as they are sent."""
CONTRAST = """
() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const found = parts(colour);
      if (found.length < 4 || found[3] > 0) {
        return colour;
      }
    }
    return 'rgb(255, 255, 255)';
  };
  const found = {};
  for (const name of ['ok', 'warn', 'error', 'off', 'quiet']) {
    const sample = document.createElement('span');
    sample.className = name;
    sample.textContent = name;
    document.querySelector('main').append(sample);
    const [one, other] = [light(getComputedStyle(sample).color), light(ground(sample.parentElement))];
    found[name] = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }
  return found;
}
"""
"""How much the colours of text stand out from the ground, as WCAG counts it."""


@pytest.fixture(scope="module")
def site(shared: Instance) -> Iterator[Instance]:
    """A traffic manager with two of each thing that a list shows."""
    for name in ("one", "two"):
        assert (
            shared.put("pools", name, {"basic": {"nodes_table": [{"node": f"127.0.0.1:{len(name)}"}]}})[0]
            == 201
        )
        basic = {"enabled": False, "port": 1, "pool": name}
        assert shared.put("virtual_servers", name, {"basic": basic})[0] == 201
        rule = shared.rest("PUT", f"config/active/rules/{name}", b"$x = 1;", content_type="text/plain")
        assert rule[0] in (200, 201, 204)
    yield shared


def test_the_keys_do_what_the_help_says(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"])
    page = visitor.log_in()
    assert list(JUMPS.values()) == [tab.path for tab in TABS]
    for path in JUMPS.values():
        page.goto(visitor.address + path)
        for key, target in JUMPS.items():
            with page.expect_navigation(wait_until="load"):
                page.keyboard.press("g")
                page.keyboard.press(key)
            assert page.url == visitor.address + target, key
        page.keyboard.press("?")
        help = page.locator("dialog.palette")
        expect(help.locator("h2")).to_have_text("Keys")
        for key in ("Ctrl K", "/", "g", *JUMPS, "j", "k", "?"):
            expect(help.locator("kbd", has_text=re.compile(f"^{re.escape(key)}$")).first).to_be_visible()
        page.keyboard.press("Escape")
        expect(help).to_be_hidden()
        page.keyboard.press("/")
        expect(help).to_be_visible()
        page.keyboard.press("Escape")
        expect(help).to_be_hidden()


@pytest.mark.parametrize("path", TABLES)
def test_j_and_k_walk_over_the_rows_of_every_table(site: Instance, visit: Visit, path: str) -> None:
    visitor = visit(site.ready["ui"])
    page = visitor.log_in(path=path)
    rows = page.locator("main tbody tr:has(a)").locator("visible=true")
    expect(rows.first).to_be_visible()
    page.wait_for_load_state("load")  # the keys work from here on
    held = "document.activeElement.closest('main tbody tr[data-current]') !== null"
    above = "document.activeElement.closest('tr').matches('tr:has(a) ~ tr')"
    page.keyboard.press("j")
    assert page.evaluate(held), "on a row"
    for _ in range(20):  # new rows of the event log come on top
        page.keyboard.press("k")
        if not page.evaluate(above):
            break
    page.evaluate("window.top_row = document.activeElement.closest('tr')")
    page.keyboard.press("k")
    stays = """() => {
        const row = document.activeElement.closest("main tbody tr[data-current]");
        return row === window.top_row
            || row.compareDocumentPosition(window.top_row) === Node.DOCUMENT_POSITION_FOLLOWING;
    }"""
    assert page.evaluate(stays), "there is none before the first, but one that just came"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid", "the focus can be seen"
    if rows.count() > 1:
        page.evaluate("window.before = document.activeElement")
        page.keyboard.press("j")
        assert page.evaluate(held) and page.evaluate("window.before !== document.activeElement")
        page.keyboard.press("k")
        assert page.evaluate("window.before === document.activeElement")


def test_the_focus_comes_back_from_a_dialog(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"])
    page = visitor.log_in(path="/services/pools/one")
    link = page.get_by_role("link", name="Services", exact=True).first
    link.focus()
    page.keyboard.press("Control+k")
    expect(page.locator("dialog.palette input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.get_by_label("New name").fill("another")
    review = page.locator("form[action$='/rename'] button[value=review]")
    review.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.wide")
    expect(dialog.locator("h2")).to_be_focused()
    expect(dialog).to_contain_text("virtual_servers/one")
    expect(dialog).to_contain_text("renamed")
    page.keyboard.press("Escape")
    expect(review).to_be_focused()
    expect(page.get_by_label("New name")).to_have_value("another")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_more_contrast_is_more_contrast(site: Instance, visit: Visit, scheme: Any) -> None:
    visitor = visit(site.ready["ui"], color_scheme=scheme, contrast="more")
    page = visitor.log_in(path="/services/pools")
    found = page.evaluate(CONTRAST)
    assert all(ratio >= 7 for ratio in found.values()), found
    page.keyboard.press("j")
    assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 4
    visitor.look(f"frame-contrast-{scheme}")


def test_in_the_colours_of_the_system_states_and_places_are_told_apart(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"], forced_colors="active", reduced_motion="reduce")
    page = visitor.log_in(path="/services/pools")
    marks = page.evaluate(
        """() => ['ok', 'warn', 'error', 'off'].map((name) => {
          const mark = document.createElement('span');
          mark.className = 'mark ' + name;
          document.querySelector('main').append(mark);
          const style = getComputedStyle(mark);
          return [style.backgroundColor !== getComputedStyle(document.body).backgroundColor,
            style.borderRadius + style.clipPath + style.height];
        })"""
    )
    assert all(seen for seen, _ in marks), "the marks can be seen"
    assert len({shape for _, shape in marks}) == 4, "each has its shape"
    outline = "(link) => getComputedStyle(link).outlineStyle"
    assert page.locator(".tabs a[aria-current]").evaluate(outline) == "solid"
    assert page.locator(".tabs a:not([aria-current])").first.evaluate(outline) == "none"
    visitor.look("frame-forced-colours")
    page.keyboard.press("Control+k")
    expect(page.locator(".palette a[data-current]")).to_have_css("outline-style", "solid")


def test_nothing_moves_for_who_wants_no_motion(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"], reduced_motion="reduce")
    page = visitor.log_in(path="/services")
    moving = """() => Array.from(document.querySelectorAll('*')).filter((element) => {
      const style = getComputedStyle(element);
      return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
    }).length"""
    assert page.evaluate(moving) == 0
    assert visit(site.ready["ui"], reduced_motion="no-preference").log_in().evaluate(moving) > 0


def test_the_first_page_is_small(site: Instance, visit: Visit) -> None:
    """Everything that a browser without a cache is sent for the home page, packed where it is packed."""
    visitor = visit(site.ready["ui"])
    sizes: dict[str, int] = {}
    page = visitor.log_in(path="/search")
    page.goto(f"{visitor.address}/")
    until(page, "it is there", lambda: page.locator("#live").count() == 1)
    names = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    for name in {visitor.address + "/", *names}:
        answer = visitor.context.request.get(name, headers={"Accept-Encoding": "gzip"})
        body = answer.body()
        packed = answer.headers.get("content-encoding") == "gzip"
        sizes[name] = len(gzip.compress(body)) if packed else len(body)
    assert any(name.endswith("console.css") for name in sizes)
    assert any(name.endswith("live.js") for name in sizes)
    assert sum(sizes.values()) < FIRST_PAGE_LIMIT, sizes


def test_columns_are_hidden_and_stay_so_while_the_page_is_live(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"])
    page = visitor.log_in(path="/services/nodes")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Hide Since").check()
    page.get_by_label("Hide Errors").check()
    page.get_by_role("button", name="Show the list so").click()
    shown = ["Node", "Pool", "State", "Connections", "Requests"]
    for _ in range(2):
        headings = page.locator("[data-live] thead th").locator("visible=true")
        expect(headings.filter(has_text=re.compile(r"\w"))).to_have_text(shown)
        cells = page.locator("[data-live] tbody tr").first.locator("th, td").locator("visible=true")
        expect(cells).to_have_count(len(shown) + 1)
        with page.expect_response("**/services/nodes/live?**"):
            pass
    page.get_by_text("Keep this filter").click()
    page.get_by_label("Name", exact=True).fill("short list")
    page.get_by_role("button", name="Keep", exact=True).click()
    page.goto(f"{visitor.address}/services/nodes")
    page.get_by_role("link", name="short list").click()
    expect(page.locator("[data-live] thead th").filter(has_text="Errors")).to_be_hidden()
    page.get_by_role("button", name="Remove the filter short list").click()
    expect(page.get_by_role("link", name="short list")).to_have_count(0)


def test_what_the_page_shows_without_a_reload_is_what_is_kept(site: Instance, visit: Visit) -> None:
    visitor = visit(site.ready["ui"])
    page = visitor.log_in(path="/activity/stats?of=pools")
    page.get_by_label("Filter by name").fill("tw")
    expect(page.locator("#stats tbody tr")).to_have_count(1)
    page.get_by_text("Keep this filter").click()
    page.get_by_label("Name", exact=True).fill("just two")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("link", name="just two")).to_have_attribute("aria-current", "true")
    expect(page.locator("#stats tbody tr")).to_have_count(1)
    visitor.look("frame-saved")
    page.set_viewport_size({"width": 360, "height": 740})
    visitor.look("frame-saved-360")
    page.goto(f"{visitor.address}/catalogs/rules")
    page.get_by_label("Filter by name or description").press_sequentially("tw")
    page.get_by_text("Keep this filter").click()
    page.get_by_label("Name", exact=True).fill("rules")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("link", name="rules", exact=True)).to_have_attribute(
        "href", "/catalogs/rules?q=tw"
    )
