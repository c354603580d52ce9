"""Long names leave room for what stands beside them: figures on a phone, and whole words in a narrow column."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tools.instance import Instance, free_port

LONG = "a-name-that-some-script-made-and-nobody-would-type"


@pytest.fixture(scope="module")
def long_named(shared: Instance) -> Instance:
    """A traffic manager whose service has a long name, and a pool with a node that drains."""
    for pool, state in ((LONG, "active"), ("shop", "draining")):
        rows = [{"node": "127.0.0.1:8081", "state": state}, {"node": "127.0.0.1:2"}]
        assert shared.put("pools", pool, {"basic": {"nodes_table": rows}})[0] == 201
    basic = {"port": free_port(), "pool": LONG, "listen_on_any": False, "listen_on_hosts": ["127.62.0.4"]}
    assert shared.put("virtual_servers", LONG, {"basic": {**basic, "enabled": True}})[0] == 201
    return shared


def test_figures_are_in_sight_on_a_phone(long_named: Instance, visit: Visit) -> None:
    visitor = visit(long_named.ready["ui"], viewport={"width": 360, "height": 740})
    page = visitor.log_in(path="/activity/stats")
    figure = page.locator("#stats tbody td.number").first
    expect(figure).to_be_visible()
    box = figure.bounding_box()
    assert box is not None and box["x"] + box["width"] <= 360
    visitor.look("phone statistics")


def test_what_scrolls_keeps_the_ground_of_its_card(long_named: Instance, visit: Visit) -> None:
    visitor = visit(long_named.ready["ui"], viewport={"width": 1280, "height": 900})
    page = visitor.log_in(path="/activity")
    ground = "one => getComputedStyle(one).backgroundColor"
    card = page.locator(".card:not(.scroll)").first.evaluate(ground)
    assert page.locator(".card.scroll").first.evaluate(ground) == card


def test_a_draining_nodes_pool_is_not_cut_within_a_word(long_named: Instance, visit: Visit) -> None:
    visitor = visit(long_named.ready["ui"], viewport={"width": 1280, "height": 900})
    page = visitor.log_in(path="/activity/draining")
    link = page.get_by_role("link", name="shop", exact=True)
    expect(link).to_be_visible()
    assert link.evaluate("link => link.getClientRects().length") == 1
    visitor.look("draining")
