"""Login and logout in a real browser, with JavaScript and without, and two instances on one host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser.accessibility import faults
from tests.browser.conftest import Visit
from tests.browser.visitor import PASSWORD
from tools.instance import Instance


@pytest.mark.parametrize("scripts", [True, False])
def test_login_and_logout(shared: Instance, visit: Visit, scripts: bool) -> None:
    """R10, R51: the page of a current browser, over HTTPS with the certificate that it shows; no plug-in, no script
    needed.
    """
    visitor = visit(shared.ready["ui"], java_script_enabled=scripts)
    visitor.expected = ["status of 401"]
    page = visitor.log_in("wrong")
    expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")
    expect(page.locator("input[name=username]")).to_have_value("admin")
    expect(page.locator("input[name=password]")).to_have_value("")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator(".prints")).to_contain_text(shared.ready["sha1"])
    expect(page.locator(".prints")).to_contain_text(shared.ready["sha256"])
    expect(page.locator("noscript p, p:has-text('does not refresh itself')")).to_be_visible(
        visible=not scripts
    )
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    visitor.open("/system/licenses")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_login_leads_to_the_page_that_was_asked_for(shared: Instance, visit: Visit) -> None:
    page = visit(shared.ready["ui"]).log_in(path="/system/licenses?a=b")
    expect(page).to_have_url(shared.ready["ui"].rstrip("/") + "/system/licenses?a=b")


def test_two_instances_on_one_host_do_not_log_each_other_out(
    shared: Instance, tmp_path: Path, visit: Visit
) -> None:
    """R3: cookies do not know ports, so that their names carry the instance."""
    with Instance(tmp_path / "other") as other:
        visitor = visit(shared.ready["ui"])
        page = visitor.log_in()
        logged_in = expect(page.get_by_role("button", name="Log out"))
        logged_in.to_be_visible()
        visitor.log_in(path=other.ready["ui"])
        logged_in.to_be_visible()
        visitor.open("/")
        logged_in.to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        visitor.open(other.ready["ui"])
        logged_in.to_be_visible()
        visitor.context.close()  # before the instance goes, whose page would complain


def test_texts_around_the_login_fit_and_are_accepted(tmp_path: Path, visit: Visit) -> None:
    """At 360 pixels, in both themes, whatever they hold; the browser itself asks for the tick."""
    long = f"<img src=x onerror=alert(1)>\nauthorised people only {'W' * 200}"
    with Instance(tmp_path / "home") as instance:
        asked = {
            "login_banner": long,
            "login_banner_accept": True,
            "post_login_banner": long,
            "ui_page_banner": long,
        }
        body = {"properties": {"security": asked}}
        assert instance.rest("PUT", "config/active/global_settings", body)[0] == 200
        options: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "reduced_motion": "reduce"}
        visitor = visit(instance.ready["ui"], **options)
        page = visitor.open("/login")

        def check() -> None:
            assert not faults(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            assert page.locator("img").count() == 0

        check()
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        assert page.evaluate("document.querySelector('[name=accept]').validity.valueMissing")
        page.get_by_label("I have read the text above").check()
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="authorised people only")).to_be_visible()
        check()
        page.goto("about:blank")
