"""Services on a phone: names have room, no field lies over another, the current page is in sight in its list."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tools.instance import Instance, free_port

PHONE = {"width": 360, "height": 740}
LONG = "a service with a name of many words"


@pytest.fixture(scope="module")
def phone(shared: Instance) -> Instance:
    """A traffic manager with a pool and a virtual server in front of it."""
    rows = [{"node": "127.0.0.1:1"}, {"node": "a-host-with-a-long-name.example.com:8080"}]
    assert shared.put("pools", LONG, {"basic": {"nodes_table": rows}})[0] == 201
    basic = {"port": free_port(), "pool": LONG, "listen_on_any": False, "listen_on_hosts": ["127.62.0.3"]}
    assert shared.put("virtual_servers", LONG, {"basic": {**basic, "enabled": True}})[0] == 201
    return shared


def boxes(page: Page, selector: str) -> list[dict[str, Any]]:
    """Where the visible elements of a selector are."""
    found = [one.bounding_box() for one in page.locator(selector).all() if one.is_visible()]
    return [dict(box) for box in found if box is not None]


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two boxes have a part in common."""
    across = one["x"] + one["width"] > other["x"] + 1 and other["x"] + other["width"] > one["x"] + 1
    down = one["y"] + one["height"] > other["y"] + 1 and other["y"] + other["height"] > one["y"] + 1
    return bool(across and down)


@pytest.mark.parametrize("path", ["/services", "/services/virtual-servers", "/services/nodes"])
def test_names_have_room_beside_their_box(phone: Instance, visit: Visit, path: str) -> None:
    visitor = visit(phone.ready["ui"], viewport=PHONE)
    page = visitor.log_in(path=path)
    name = page.locator("tbody th").first
    expect(name).to_be_visible()
    row = page.locator("tbody tr").first.bounding_box()
    title, box = name.bounding_box(), page.locator("tbody td.tick input").first.bounding_box()
    assert row is not None and title is not None and box is not None
    assert title["width"] > row["width"] * 0.7
    assert abs(title["y"] - box["y"]) < title["height"]
    visitor.look(f"phone {path.rpartition('/')[2]}")


@pytest.mark.parametrize("path", ["/services/pools/-/new", f"/services/pools/{LONG.replace(' ', '%20')}"])
def test_fields_of_a_table_lie_beside_one_another(phone: Instance, visit: Visit, path: str) -> None:
    visitor = visit(phone.ready["ui"], viewport=PHONE)
    page = visitor.log_in(path=path)
    expect(page.locator("table.rows")).to_be_visible()
    found = boxes(page, "table.rows input:not([type=hidden]), table.rows select")
    assert len(found) > 8
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in found)
    assert not [(one, other) for one in found for other in found if one is not other and overlap(one, other)]
    visitor.look("phone fields")


def test_the_current_page_is_in_sight(phone: Instance, visit: Visit) -> None:
    page = visit(phone.ready["ui"], viewport=PHONE).log_in(path="/catalogs/custom")
    expect(page.locator(".side [aria-current]")).to_be_in_viewport(ratio=0.9)


def test_an_original_that_is_chosen_fills_the_form(phone: Instance, visit: Visit) -> None:
    page = visit(phone.ready["ui"]).log_in(path="/services/pools/-/new")
    page.get_by_label("Name").fill("copy of it")
    expect(page.get_by_role("button", name="Fill in")).to_be_hidden()
    page.get_by_label("Based on").select_option(LONG)
    expect(page.get_by_label("Node, row 2")).to_have_value("a-host-with-a-long-name.example.com:8080")
    expect(page.get_by_label("Name")).to_have_value("copy of it")
    page.get_by_label("Name").press("Enter")
    expect(page.locator("main")).to_contain_text("Pool copy of it was made.")
