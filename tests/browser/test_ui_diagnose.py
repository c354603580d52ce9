"""Home and Diagnose in a real browser: live, accessible in both themes, narrow, and with every text shown as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.accessibility import faults
from tests.browser.conftest import Visit
from tests.certificates import self_signed
from tools.instance import Instance, free_port

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202eturned\u2066"
LONG = "w" * 240
SEEN = """
() => Array.from(document.querySelectorAll('nav [aria-current]')).every(
  (here) => here.getBoundingClientRect().right <= document.documentElement.clientWidth)
"""
"""Whether the names of the present tab and page are in the window."""
PAGES = (
    "/",
    "/diagnose",
    "/diagnose/event-log",
    "/diagnose/event-log?severity=SERIOUS&text=w&since=2020-01-01",
    "/diagnose/event-log/1",
    "/diagnose/audit-log",
    "/diagnose/audit-log?kind=acts",
    "/diagnose/audit-log/5",
    "/diagnose/replication",
    "/diagnose/explain",
    "/diagnose/support",
)


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, int]]:
    """A traffic manager in trouble, with names that mean harm; and the port of a service of it."""
    with Instance(tmp_path_factory.mktemp("diagnose") / "home") as running:
        port = free_port()
        nodes = [{"node": "127.0.0.1:1"}, {"node": "127.0.0.1:2", "state": "draining"}]
        for name in (TAG, LONG, f"{TAG}{TURNED}"):
            pool = {"basic": {"nodes_table": nodes, "note": TAG + LONG * 20, "monitors": ["Connect"]}}
            assert running.put("pools", name, pool)[0] == 201
        basic = {"enabled": True, "port": port, "pool": TAG}
        assert running.put("virtual_servers", f"{TAG}{TURNED}", {"basic": basic})[0] == 201
        assert (
            running.put("virtual_servers", LONG, {"basic": {**basic, "port": port, "note": TURNED}})[0] == 201
        )
        public, private = self_signed("shop.example.com", days=3)
        assert (
            running.put("ssl/server_keys", LONG, {"basic": {"public": public, "private": private}})[0] == 201
        )
        yield running, port


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_is_accessible_and_fits(harmed: tuple[Instance, int], visit: Visit, width: int) -> None:
    instance, port = harmed
    options = {
        "viewport": {"width": width, "height": 800},
        "reduced_motion": "reduce",
    }
    visitor = visit(instance.ready["ui"], **options)
    page = visitor.log_in()
    expect(page.locator("#troubles")).to_contain_text("is down")
    for number, path in enumerate(
        (
            *PAGES,
            f"/diagnose/explain?url=http://{TAG}:{port}/",
            f"/diagnose/explain?url=http://a.example:{port}/{TAG}",
        )
    ):
        visitor.expected = ["status of 400"]
        visitor.open(path)
        assert not faults(page), path
        assert page.locator("img:not(.brand img), script:not([src])").count() == 0
        assert TURNED[0] not in page.locator("body").inner_text()
        assert page.evaluate(SEEN), f"{path}: one does not see where one is"
        visitor.look(f"diagnose-{number}-{width}")


def test_the_title_and_the_icon_tell_the_state(harmed: tuple[Instance, int], visit: Visit) -> None:
    page = visit(harmed[0].ready["ui"]).log_in()
    expect(page).to_have_title("Error - " + page.title().partition(" - ")[2])
    icon = page.locator("link[rel=icon]")
    assert "mark-error.svg" in (icon.get_attribute("href") or "")
    answer = page.request.get(page.url.rstrip("/") + (icon.get_attribute("href") or ""))
    assert answer.headers["content-type"] == "image/svg+xml"


def test_the_event_log_is_followed_until_one_pauses(harmed: tuple[Instance, int], visit: Visit) -> None:
    instance = harmed[0]
    page = visit(instance.ready["ui"]).log_in(path="/diagnose/event-log?about=pools%2Flive")
    expect(page.locator("#tail-state")).to_contain_text("Live")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(0)
    assert instance.put("pools", f"live {TAG}", {"basic": {}})[0] == 201
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(f"pools/live {TAG}")
    assert page.locator("main img").count() == 0
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#tail-state")).to_have_text("Paused")
    assert instance.put("pools", "live 2", {"basic": {}})[0] == 201
    page.get_by_role("button", name="Follow").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("pools/live 2")
    rows.first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Event ")


def test_the_first_steps_lead_on_and_can_be_put_away(harmed: tuple[Instance, int], visit: Visit) -> None:
    page = visit(harmed[0].ready["ui"]).log_in()
    expect(page.locator("#first-steps")).to_contain_text("Send it the first request")
    page.get_by_role("button", name="Do not show again").click()
    expect(page.locator("#live")).to_be_visible()
    expect(page.locator("#first-steps")).to_have_count(0)


def test_a_report_is_downloaded_and_the_page_stays(
    harmed: tuple[Instance, int], visit: Visit, tmp_path: Path
) -> None:
    page = visit(harmed[0].ready["ui"]).log_in(path="/diagnose/support")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Make and download a report").click()
    assert coming.value.suggested_filename.startswith("support-")
    coming.value.save_as(tmp_path / "report.tar.gz")
    assert (tmp_path / "report.tar.gz").read_bytes()[:2] == b"\x1f\x8b"
    expect(page.get_by_role("button", name="Make and download a report")).to_be_enabled()
