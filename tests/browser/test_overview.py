"""The overview in a real browser: live, honest about documents, and every text shown as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.licences import ISSUER
from tools.instance import Instance

from pointsman.licence.incoming import drop
from pointsman.licence.key import Licence, issue
from pointsman.provision.order import ANNOUNCE, Order, write_order
from pointsman.schema.validate import NAME_LIMIT

TAG = "<img src=x onerror=alert(1)>"
TURNED = "\u202eturned\u2066 \u200f\u05d0"
SEEN = r"\u202eturned\u2066 \u200f" + TURNED[-1]
"""What is shown of it: nobody is to take it for another name."""
LONG = "w" * 5_000
PAGES = {"overview": "/", "licenses": "/system/licenses", "missing": "/nowhere", "login": "/login"}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A directory of documents, with one of a service and its pool."""
    directory = tmp_path / "documents"
    (directory / "config").mkdir(parents=True)
    table = [{"node": "127.0.0.1:9"}]
    pools = [{"name": "app", "properties": {"basic": {"nodes_table": table, "note": "first"}}}]
    (directory / "config" / "app").write_text(json.dumps({"version": 8.3, "pools": pools}))
    return directory


@pytest.fixture
def deployed(tmp_path: Path, documents: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """A traffic manager that follows the documents, with a licence whose holder's name is hostile."""
    monkeypatch.setenv("POINTSMAN_PROVISION_LOG", str(tmp_path / "provision.log"))
    home = tmp_path / "home"
    write_order(home, Order(watched=str(documents)))
    (home / ANNOUNCE).touch()
    drop(home, issue(Licence("S1", TAG, 1_700_000_000, 0, 0, 0), ISSUER).encode())
    with Instance(home) as running:
        yield running


def test_the_page_follows_what_happens(deployed: Instance, documents: Path, visit: Visit) -> None:
    """R10: live without a reload; R30, R32: it says that documents manage the instance, and when an import failed."""
    visitor = visit(deployed.ready["ui"])
    page = visitor.log_in()
    expect(page.locator("#managed")).to_contain_text(f"Managed by documents: {documents}")
    pools = page.locator("#tiles a", has_text="Pools").locator(".figure")
    expect(pools).to_have_text("1")
    page.evaluate("window.here = true")
    assert deployed.put("pools", "by hand", {"basic": {"nodes_table": [{"node": "127.0.0.1:8"}]}})[0] == 201
    expect(pools).to_have_text("2")
    broken = documents / "config" / f"broken {TAG.replace('/', '')}{TURNED}"
    broken.write_text(
        f'pools:\n- name: "{TAG}{TURNED}"\n  properties: {{basic: {{max_connection_attempts: "{LONG}"}}}}\n'
    )
    failed = page.locator("#documents")
    expect(failed).to_be_visible(timeout=15_000)
    expect(failed).to_contain_text("the last good configuration serves")
    expect(failed).to_contain_text(TAG)
    expect(page).to_have_title("Error - " + page.title().partition(" - ")[2])
    visitor.look("failed-import")
    page.set_viewport_size({"width": 360, "height": 740})
    visitor.look("failed-import-360")
    broken.unlink()
    expect(failed).to_have_count(0, timeout=15_000)
    assert page.evaluate("window.here"), "the page was loaded again"


def test_it_says_when_it_is_no_longer_live(provisioned: Instance, visit: Visit) -> None:
    visitor = visit(provisioned.ready["ui"])
    visitor.expected = ["ERR_CONNECTION_REFUSED", "status of 503"]
    page = visitor.log_in()
    with page.expect_navigation():  # with its scripts, which the instance gives as well
        page.get_by_role("button", name="Use Community Edition").click()
    expect(page.locator("#stale")).to_be_hidden()
    provisioned.stop()
    expect(page.locator("#stale")).to_contain_text("No answer since", timeout=15_000)
    visitor.look("stale")


NAMES = (TAG, TURNED, LONG[:NAME_LIMIT], "\"'><script>alert(2)</script>", "{{ 7 * 7 }}")


def people(instance: Instance) -> None:
    """Makes objects with names and notes that mean harm."""
    assert instance.put("pools", LONG, {"basic": {}})[0] == 400
    for name in NAMES:
        table = [{"node": "127.0.0.1:1"}, {"node": "[::1]:65535"}]
        assert instance.put("pools", name, {"basic": {"note": TAG + LONG, "nodes_table": table}})[0] == 201
        server = {"basic": {"enabled": True, "port": 1, "pool": name, "listen_on_any": False}}
        assert instance.put("virtual_servers", name, server)[0] == 201


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager full of hostile text."""
    home = tmp_path_factory.mktemp("peopled") / "home"
    home.mkdir()
    write_order(home, Order(state="done", community=True))
    drop(home, issue(Licence("S1", TAG + "\u05d0" * 8 + "h" * 160, 1_700_000_000, 0, 0, 0), ISSUER).encode())
    with Instance(home) as running:
        people(running)
        yield running


def names_are_text(visitor: Visitor) -> None:
    """Each name is on the page as it is, and made no element of its own."""
    services = visitor.page.locator("#services tbody th")
    expect(services).to_have_count(len(NAMES))
    text = services.all_text_contents()
    assert {SEEN if name == TURNED else name for name in NAMES} <= set(text)
    assert not set(TURNED[:1]) & set(visitor.page.content())
    assert visitor.page.locator("img:not(.brand img), script:not([src])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_fits_and_shows_text_as_text(
    peopled: Instance, visit: Visit, scheme: str, width: int
) -> None:
    """R10: no text of an object, a document or a licence becomes markup; no page is wider than a small screen."""
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 740}}
    visitor = visit(peopled.ready["ui"], **options)
    visitor.expected = ["status of 404"]
    visitor.open("/login")
    visitor.look(f"login-{scheme}-{width}")
    page = visitor.log_in()
    names_are_text(visitor)
    for name, path in PAGES.items():
        if name != "login":
            visitor.open(path)
            visitor.look(f"{name}-{scheme}-{width}")
    visitor.open("/system/licenses")
    expect(page.locator("td.name").first).to_contain_text(TAG)
