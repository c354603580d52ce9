"""The pictures of docs/guide/ui.md, made of pages as they are now.

They are taken in every run, so that each page still looks like something; POINTSMAN_PICTURES=1 puts them into the
guide.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import Visit
from tests.origin import hello
from tools.instance import Instance, free_port

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "guide" / "pictures"
WANTED = bool(os.environ.get("POINTSMAN_PICTURES"))
SMALLEST = 15_000
"""Bytes of a picture that shows more than an empty page."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with a few services, one of whose nodes is dead."""
    with hello() as port:
        alive = f"127.0.0.1:{port}"
        with Instance(tmp_path_factory.mktemp("guide") / "home", "--name", "tm1.example.com") as running:
            for name, nodes in (("shop", [alive, "127.0.0.1:9"]), ("api", [alive]), ("static", [alive])):
                table = [{"node": node} for node in nodes]
                assert running.put("pools", name, {"basic": {"nodes_table": table}})[0] == 201
                basic = {"enabled": True, "port": free_port(), "pool": name}
                assert running.put("virtual_servers", name, {"basic": basic})[0] == 201
            yield running


def shop_port(instance: Instance) -> int:
    """Where the service "api" listens."""
    port: int = instance.get("config/active/virtual_servers/api")["properties"]["basic"]["port"]
    return port


def keep(page: Page, name: str, tmp_path: Path) -> None:
    """Takes a picture of what is in the window."""
    file = (PICTURES if WANTED else tmp_path) / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    page.screenshot(path=file)
    assert file.stat().st_size > SMALLEST, f"the picture of {name} is nearly empty"


def test_the_pictures_of_the_guide(shop: Instance, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(shop.ready["ui"], viewport={"width": 1200, "height": 760}, color_scheme="light")
    page = visitor.log_in()
    page.get_by_text("127.0.0.1:9").first.wait_for()
    keep(page, "home", tmp_path)
    visitor.open("/services/why/shop/127.0.0.1:9")
    keep(page, "why", tmp_path)
    visitor.open("/wizards/new-service")
    page.get_by_label("Name of the service").fill("blog")
    page.get_by_label("Port").fill(str(free_port()))
    page.get_by_role("button", name="Next").click()
    page.locator("textarea").first.fill("192.0.2.10:80\n192.0.2.11:80")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Finish").wait_for()
    keep(page, "wizard", tmp_path)
    visitor.open("/services/pools/api")
    page.locator("summary").filter(has_text="Connection").first.click()
    page.locator("[name='connection.max_connect_time']").fill("7")
    form = page.locator("form").filter(has=page.locator("[name='connection.max_connect_time']"))
    form.get_by_role("button", name="Review first").click()
    page.get_by_text("Passes the checks").first.wait_for()
    keep(page, "review", tmp_path)
    visitor.open("/activity?minutes=1")
    page.locator("canvas").first.wait_for()
    for step in range(
        120
    ):  # traffic that comes and goes, for half a minute; nothing but the picture depends on it
        for _ in range(abs(step % 40 - 20)):
            urllib.request.urlopen(f"http://127.0.0.1:{shop_port(shop)}/", timeout=5).close()
        page.wait_for_timeout(250)
    keep(page, "activity", tmp_path)
    page.emulate_media(color_scheme="dark")
    visitor.open("/services")
    page.get_by_role("link", name="shop").first.wait_for()
    keep(page, "map-dark", tmp_path)
