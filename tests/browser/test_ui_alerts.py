"""Desktop alerts: asked for by a click, one for each new trouble, in one tab only, and never twice."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.test_ui_live import HIDE, until
from tools.instance import Instance, free_port

RECORD = """
window.told = [];
window.Notification = class extends window.Notification {
  constructor(title, options) {
    super(title, options);
    window.told.push([title, options.body, options.tag]);
  }
};
"""
"""Notes what the browser is asked to show."""


def trouble(instance: Instance, name: str) -> None:
    """A pool whose only node does not answer, with a name of its own."""
    monitor = {"basic": {"type": "connect", "delay": 1, "timeout": 1, "failures": 1}}
    assert instance.put("monitors", "quick", monitor)[0] in (200, 201)
    pool = {"basic": {"nodes_table": [{"node": f"127.0.0.1:{free_port()}"}], "monitors": ["quick"]}}
    assert instance.put("pools", name, pool)[0] == 201
    place = {"listen_on_any": False, "listen_on_hosts": ["127.0.0.1"]}
    basic = {"enabled": True, "port": free_port(), "pool": name, **place}
    assert instance.put("virtual_servers", name, {"basic": basic})[0] == 201


def told(page: Page) -> list[list[str]]:
    """What this tab told since it was loaded."""
    found: list[list[str]] = page.evaluate("window.told")
    return found


def died(page: Page, name: str) -> int:
    """How often the tab told that a pool has no working node left."""
    return sum(name in title and "no working node" in body for title, body, _ in told(page))


def test_new_trouble_is_told_once(tmp_path: Path, visit: Visit) -> None:
    with Instance(tmp_path / "home") as running:
        visitor = visit(running.ready["ui"])
        visitor.expected = ["[DOM]"]
        visitor.context.add_init_script(RECORD)
        page = visitor.log_in(path="/account")
        button = page.get_by_role("button", name="Turn alerts on")
        button.click()
        expect(page.locator("#alerts-choice output")).to_contain_text("llow")
        assert not told(page)
        visitor.context.grant_permissions(["notifications"])
        page.reload()
        expect(page.locator("#alerts-choice")).to_contain_text("Off in this browser")
        button.click()
        expect(page.locator("#alerts-choice")).to_contain_text("On in this browser")
        until(page, "the first alert", lambda: [title for title, _, _ in told(page)] == ["Alerts are on"])
        page.goto(f"{visitor.address}/")
        until(page, "the stream is open", lambda: page.evaluate("localStorage.length") == 2)
        page.evaluate(HIDE, True)
        trouble(running, "first")
        until(page, "the trouble is told", lambda: died(page, "first") == 1)
        until(page, "the title of the hidden tab tells it", lambda: page.title().startswith("Error"))
        other = visitor.context.new_page()
        other.goto(f"{visitor.address}/services")
        trouble(running, "second")
        until(page, "the second trouble is told", lambda: died(page, "second") == 1)
        assert not told(other), "told by two tabs"
        other.close()
        page.reload()
        trouble(running, "third")
        until(page, "the third trouble is told", lambda: died(page, "third") == 1)
        assert not died(page, "first") and not died(page, "second"), "told again"
        page.goto(f"{visitor.address}/account")
        page.get_by_role("button", name="Turn alerts off").click()
        expect(page.locator("#alerts-choice")).to_contain_text("Off in this browser")
        assert page.evaluate("localStorage.length") == 0
        page.close()
