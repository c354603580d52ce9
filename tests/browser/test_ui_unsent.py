"""A session that ended while somebody typed: what was typed is there again after the login, for them alone."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.visitor import PASSWORD
from tests.e2e.reader import Reader
from tests.e2e.test_ui_access import WORDS, make_user
from tools.instance import Instance

POOL = "/services/pools/app"


def send_without_a_session(page: Page, button: str = "Update") -> None:
    page.context.clear_cookies()
    page.get_by_role("button", name=button, exact=True).first.click()
    expect(page.locator("#complaint")).to_contain_text("what you sent was not done")


def log_in(page: Page, user: str = "admin", password: str = PASSWORD) -> None:
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")


def test_what_was_typed_is_there_again(shared: Instance, visit: Visit) -> None:
    made = {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}}
    assert shared.put("pools", "app", made)[0] in (200, 201)
    visitor = visit(shared.ready["ui"])
    visitor.expected.append("401 (Unauthorized)")  # a wrong password in between
    page = visitor.log_in(path=POOL)
    note = page.locator("[name='basic.note']")
    note.fill("typed for a long time")
    page.locator("[name='basic.passive_monitoring'][type=checkbox]").uncheck()
    page.locator("[data-add-row='basic.nodes_table']").click()
    page.locator("[name='basic.nodes_table#3.node']").fill("127.0.0.1:10")
    send_without_a_session(page)
    log_in(page, password="wrong")
    expect(page.locator("#complaint")).to_contain_text("wrong")
    log_in(page)
    expect(page.locator("#unsent")).to_be_visible()
    expect(note).to_have_value("typed for a long time")
    expect(page.locator("[name='basic.passive_monitoring'][type=checkbox]")).not_to_be_checked()
    page.get_by_role("button", name="Update", exact=True).first.click()
    expect(page.locator(".banner.ok")).to_contain_text("Pool app was changed")
    expect(page.locator("#unsent")).to_be_hidden()
    basic = shared.get("config/active/pools/app")["properties"]["basic"]
    assert basic["note"] == "typed for a long time" and not basic["passive_monitoring"]
    assert [row["node"] for row in basic["nodes_table"]] == ["127.0.0.1:9", "127.0.0.1:10"]


def test_who_left_a_page_or_is_somebody_else_finds_nothing(shared: Instance, visit: Visit) -> None:
    assert shared.put("pools", "app", {"basic": {"note": "as it is"}})[0] in (200, 201)
    with Reader(shared) as admin:
        admin.log_in()
        assert make_user(admin, "pat", "admin").status_code == 200
    page = visit(shared.ready["ui"]).log_in(path=POOL)
    note = page.locator("[name='basic.note']")
    note.fill("given up")
    page.get_by_role("link", name="Home").click()
    page.goto(page.url.rstrip("/") + POOL)
    expect(note).to_have_value("as it is")
    note.fill("of the administrator")
    send_without_a_session(page)
    log_in(page, "pat", WORDS)
    expect(note).to_have_value("as it is")
    expect(page.locator("#unsent")).to_be_hidden()
