"""Stories of the wizards and of change safety in a real browser."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import Visit
from tests.browser.visitor import PASSWORD, USER
from tests.certificates import self_signed
from tests.origin import hello
from tools.instance import Instance, free_port, wait_for


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    """The port of an origin."""
    with hello() as port:
        yield port


class Clicks:
    """Counts them."""

    def __init__(self) -> None:
        self.count = 0

    def on(self, what: Locator) -> None:
        self.count += 1
        what.click()


def asked(url: str) -> str:
    """What a request gets; "" while nothing answers well."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=5, context=trusting) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""


def press(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_first_login_to_a_served_request(
    provisioned: Instance, visit: Visit, origin: int, scripts: bool
) -> None:
    visitor, port, clicks = visit(provisioned.ready["ui"], java_script_enabled=scripts), free_port(), Clicks()
    page = visitor.open("/")
    page.fill("input[name=username]", USER)
    page.fill("input[name=password]", PASSWORD)
    clicks.on(page.locator("button[type=submit]"))
    clicks.on(press(page, "Use Community Edition"))
    clicks.on(page.get_by_role("link", name="Wizards").first)
    clicks.on(page.get_by_role("link", name="Manage a new service").first)
    page.get_by_label("Name of the service").fill("shop")
    page.get_by_label("Port").fill(str(port))
    clicks.on(press(page, "Next"))
    page.get_by_label("Nodes").fill(f"127.0.0.1:{origin}")
    clicks.on(press(page, "Next"))
    clicks.on(press(page, "Next"))
    expect(page.get_by_text("Engine accepts")).to_be_visible()
    if scripts:
        visitor.look("wizard-review")
    clicks.on(press(page, "Finish"))
    expect(page.get_by_text(f"curl http://127.0.0.1:{port}/")).to_be_visible()
    wait_for("a served request", lambda: asked(f"http://127.0.0.1:{port}/") == "hello", 30)
    assert clicks.count < 10


def test_tls_with_a_certificate_of_the_catalog(shared: Instance, visit: Visit, origin: int) -> None:
    public, private = self_signed("shop.example")
    pair = {"basic": {"public": public, "private": private}}
    assert shared.put("ssl/server_keys", "shop.example", pair)[0] == 201
    pool = {"basic": {"nodes_table": [{"node": f"127.0.0.1:{origin}"}]}}
    assert shared.put("pools", "tls", pool)[0] == 201
    basic = {"enabled": True, "port": free_port(), "pool": "tls"}
    assert shared.put("virtual_servers", "tls", {"basic": basic})[0] == 201
    visitor, port = visit(shared.ready["ui"]), free_port()
    page = visitor.log_in(path="/wizards/ssl-decrypt")
    page.get_by_label("Virtual server").select_option("tls")
    press(page, "Next").click()
    page.get_by_label("Certificate").select_option("shop.example")
    page.get_by_label("Port").fill(str(port))
    press(page, "Next").click()
    press(page, "Finish").click()
    expect(page.get_by_text(f"curl --insecure https://127.0.0.1:{port}/")).to_be_visible()
    wait_for("a served request", lambda: asked(f"https://127.0.0.1:{port}/") == "hello", 30)


def note(shared: Instance, name: str) -> str:
    found: str = shared.get(f"config/active/pools/{name}")["properties"]["basic"]["note"]
    return found


def test_a_change_is_reviewed_over_the_page_applied_and_undone(shared: Instance, visit: Visit) -> None:
    pool = {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "note": "before"}}
    assert shared.put("pools", "story", pool)[0] == 201
    visitor = visit(shared.ready["ui"], viewport={"width": 1280, "height": 900})
    page = visitor.log_in(path="/services/pools/story")
    form = page.locator("#section-basic form")
    form.get_by_label("Note").fill("after")
    press(page, "Review first").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Engine accepts")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(form.get_by_label("Note")).to_have_value("after")  # what was typed is still there
    press(page, "Review first").first.click()
    dialog.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Pool story was changed.")).to_be_visible()
    assert note(shared, "story") == "after"
    page.get_by_role("link", name="Undo", exact=True).click()
    visitor.look("undo")
    press(page, "Undo").click()
    expect(page.get_by_text("was undone.")).to_be_visible()
    assert note(shared, "story") == "before"


def test_a_conflict_is_decided_over_the_page(shared: Instance, visit: Visit) -> None:
    pool = {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "note": "before"}}
    assert shared.put("pools", "fought", pool)[0] == 201
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in(path="/services/pools/fought")
    assert shared.put("pools", "fought", {"basic": {"note": "theirs"}})[0] == 200
    page.locator("#section-basic form").get_by_label("Note").fill("mine")
    press(page, "Review first").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Decide about each")
    dialog.get_by_label("Theirs").check()
    dialog.get_by_role("button", name="Continue to the review").click()
    expect(dialog).to_contain_text("Passes the checks")
    dialog.get_by_role("button", name="Close").click()
    assert note(shared, "fought") == "theirs"


def test_settings_are_narrowed_down_while_one_types(shared: Instance, visit: Visit) -> None:
    visitor = visit(shared.ready["ui"])
    page = visitor.log_in(path="/system/global-settings")
    page.get_by_label("Filter settings").fill("idle timeout")
    expect(page.locator("[data-field='connection.idle_timeout']")).to_be_visible()
    expect(page.locator("[data-field='connection.listen_queue_size']")).to_be_hidden()
    expect(page.locator("#section-java")).to_be_hidden()
    visitor.look("settings-filter")
    page.get_by_label("Filter settings").fill("")
    expect(page.locator("#section-java")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_of_changes_fits(shared: Instance, visit: Visit, width: int) -> None:
    long = "w" * 200
    pool = {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "note": long}}
    assert shared.put("pools", long, pool)[0] in (200, 201)
    visitor = visit(shared.ready["ui"], viewport={"width": width, "height": 800})
    visitor.log_in()
    revision = shared.get("status/local_tm/applies?limit=1")["revision"]
    for path in (
        "/wizards", "/wizards/new-service", "/wizards/free-disk-space", "/wizards/drain-node", "/changes/history",
        f"/changes/undo/{revision}", f"/changes/restore/{revision}", "/services/config-summary",
        "/services/config-summary/import", "/system/upgrade", "/system/security", "/system/snmp",
        f"/services/pools/{long}/as",
    ):  # fmt: skip
        visitor.open(path)
        visitor.look(f"{path.strip('/').replace('/', '-')[:60]}-{width}")
