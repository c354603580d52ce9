"""Traffic managers in a real browser: join by the page, removal, the name that is replaced, and hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.visitor import PASSWORD
from tools.instance import Instance, wait_for

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202eturned"
LONG = "w" * 240
FORM = "/system/traffic-managers"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Instance, Instance]]:
    """Two traffic managers on addresses of their own; the second has a service."""
    with (
        Instance(tmp_path / "a", "--name", "pm1", "--listen", "127.0.0.2") as one,
        Instance(tmp_path / "b", "--name", "pm2", "--listen", "127.0.0.3") as other,
    ):
        for pool in (TAG, LONG):
            assert one.put("pools", pool, {"basic": {"note": TAG + TURNED}})[0] == 201
        assert other.put("pools", "own", {"basic": {}})[0] == 201
        server = {"basic": {"pool": "own", "port": 1, "listen_on_any": False}}
        assert other.put("virtual_servers", TAG + TURNED + LONG, server)[0] == 400
        assert other.put("virtual_servers", TAG + TURNED, server)[0] == 201
        yield one, other


def ask_to_join(page: Page, instance: Instance) -> None:
    """Fills in where the cluster is, and has its fingerprints shown."""
    where = urlsplit(instance.ready["ui"])
    page.get_by_label("Name or address of a member").fill(where.hostname or "")
    page.get_by_label("Port of its admin server").fill(str(where.port))
    page.get_by_role("button", name="Show the fingerprints").click()
    page.get_by_label("Your own password").fill(PASSWORD)


def look_everywhere(page: Page, look: object, name: str) -> None:
    """The page fits windows of every width, light and dark."""
    assert callable(look)
    for width, scheme in ((360, "light"), (900, "dark"), (1600, "light"), (360, "dark"), (1600, "dark")):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 800})
        look(f"{name}-{scheme}-{width}")
    assert page.locator("img").count() == 0
    fields = page.locator("main input:not([type=hidden]), main select, main textarea")
    unnamed = fields.evaluate_all("all => all.filter(e => !e.labels.length).map(e => e.outerHTML)")
    assert not unnamed


def test_join_and_removal_by_the_page(two: tuple[Instance, Instance], visit: Visit) -> None:
    """R46: the fingerprints are shown and confirmed before a password is sent; a member is removed by its name."""
    one, other = two
    visitor = visit(other.ready["ui"])
    visitor.expected = ["status of 400", "status of 409"]
    page = visitor.log_in()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    page.get_by_role("navigation", name="System").get_by_role("link", name="Traffic Managers").click()
    expect(page.get_by_text("This traffic manager is not in a cluster.")).to_be_visible()
    look_everywhere(page, visitor.look, "alone")
    ask_to_join(page, one)
    expect(page.locator("main")).to_contain_text(one.ready["sha256"])
    expect(page.locator("main")).to_contain_text(TAG + r"\u202eturned")
    look_everywhere(page, visitor.look, "fingerprints")
    join = page.get_by_role("button", name="Join")
    page.get_by_label("and the password").fill(PASSWORD)
    join.click()
    expect(page.get_by_role("alert")).to_contain_text("Compare the fingerprints")
    ask_to_join(page, one)
    confirmed = page.get_by_label("I have compared the fingerprints")
    confirmed.check()
    page.get_by_label("and the password").fill(PASSWORD)
    join.click()
    expect(page.get_by_role("alert")).to_contain_text("has virtual servers of its own")
    ask_to_join(page, one)
    confirmed.check()
    page.get_by_label("may replace the virtual servers").check()
    page.get_by_label("and the password").fill("wrong")
    join.click()
    expect(page.get_by_role("alert")).to_contain_text("password")
    ask_to_join(page, one)
    confirmed.check()
    page.get_by_label("may replace the virtual servers").check()
    page.get_by_label("and the password").fill(PASSWORD)
    join.click()
    page = visitor.log_in(path=FORM)  # the cluster's users are its own now
    expect(page.get_by_role("row").filter(has_text="pm1")).to_contain_text("alive")
    look_everywhere(page, visitor.look, "members")
    at_one = visit(one.ready["ui"])
    at_one.expected = ["status of 400"]
    page = at_one.log_in(path=FORM)
    row = page.get_by_role("row").filter(has_text="pm2")
    row.get_by_text("Remove pm2", exact=True).click()
    row.get_by_label("Your own password").fill(PASSWORD)
    row.get_by_role("button", name="Remove pm2").click()
    expect(page.get_by_role("alert")).to_contain_text("type its name")
    row.get_by_label("Type its name").fill("pm2")
    row.get_by_label("Your own password").fill(PASSWORD)
    row.get_by_role("button", name="Remove pm2").click()
    expect(page.get_by_role("rowheader", name="pm2")).to_have_count(0)

    def told() -> bool:
        visitor.open(FORM)
        return visitor.page.get_by_text("was removed from its cluster").count() == 1

    wait_for("the removed one says so", told)
    look_everywhere(visitor.page, visitor.look, "removed")


def test_the_name_is_replaced_by_an_address(tmp_path: Path, visit: Visit) -> None:
    """R50: "Replace Traffic Manager Name", one way only; the page says that the way back is the configure script."""
    with Instance(tmp_path / "home", "--name", "pm1.example.com") as instance:
        visitor = visit(instance.ready["ui"])
        visitor.expected = ["status of 400"]
        page = visitor.log_in()
        page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
        page.get_by_role("navigation", name="System").get_by_role("link", name="Traffic Managers").click()
        expect(page.get_by_role("heading", name="Join a cluster")).to_be_visible()
        page.get_by_role("link", name="Replace Traffic Manager Name").click()
        expect(page.get_by_text("There is no way back on this page:")).to_be_visible()
        expect(page.locator("form.card")).to_contain_text("configure")
        look_everywhere(page, visitor.look, "replace")
        button = page.get_by_role("button", name="Replace Traffic Manager Name")
        button.click()
        expect(page.get_by_role("alert")).to_contain_text("confirm")
        assert page.get_by_label("IP address").input_value()
        page.get_by_label("Replace the name").check()
        button.click()
        expect(page.get_by_text("The name will be replaced.")).to_be_visible()
        visitor.context.close()  # what it asks for while the control plane starts again would be a complaint
