"""The one page: it tells the status, shows hostile text as text, and hides nothing silently."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from tests.running import AUTHOR
from tests.unit.web_ui.test_login import Site, log_in, open_site

from pointsman.console.template import Pages, format_ago, format_bytes, format_count
from pointsman.control.import_order import ImportOrder
from pointsman.control.status import ServiceView, Status
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.problem import ObjectId
from pointsman.store import Put
from pointsman.web.ui.home_view import MOST_SERVICES, home_view
from pointsman.web.ui.overview import SHOWN_SERVICES, overview

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
NOW = 1_000_000.0


def service(name: str, reason: str = "", *, enabled: bool = True, **figures: int) -> ServiceView:
    """A service that serves unless there is a reason."""
    return ServiceView(name, enabled, not reason, "http", 80, "p", reason, figures, ())


def status(*, services: Any = (), level: Any = "ok") -> Status:
    """A status with these services."""
    return Status("pm1", "1", level, "A sentence.", 2, 2, services, (), (), {})


class Outline(HTMLParser):
    """What a page consists of: elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_hostile_names_are_text_everywhere(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        control = site.running.control
        nodes = [{"node": "10.0.0.1:80"}]
        basic = {"enabled": True, "port": 80, "pool": HOSTILE}
        await control.edit(AUTHOR, [
            Put(ObjectId("pools", HOSTILE), {"basic": {"nodes_table": nodes, "monitors": [HOSTILE]}}),
            Put(ObjectId("virtual_servers", HOSTILE), {"basic": basic}),
        ])  # fmt: skip
        assert await control.wait_in_force(control.revision, 10)
        dead = NodeHealth(HOSTILE, "10.0.0.1:80", NodeState.DEAD, f"said {HOSTILE}", 5.0)
        site.running.live.health = {(HOSTILE, "10.0.0.1:80"): dead}
        await log_in(site.browser)
        for path in ("/", "/live"):
            page = Outline((await site.browser.get(path)).text)
            assert page.text.count(HOSTILE) >= 5
            assert f"said {HOSTILE}" in page.text
            assert not any(tag == "img" for tag, _ in page.elements)
            assert not any(
                name.startswith("on") or name == "style" for _, found in page.elements for name in found
            )
        async with site.another_browser() as other:
            refused = await log_in(other, HOSTILE, "x")
            assert HOSTILE not in refused.text
            assert not any(tag == "img" for tag, _ in Outline(refused.text).elements)


async def test_the_page_is_accessible_and_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        login = Outline((await site.browser.get("/login")).text)
        await log_in(site.browser)
        page = Outline((await site.browser.get("/")).text)
        for outline in (login, page):
            inputs = {
                found["id"]
                for tag, found in outline.elements
                if tag == "input" and found.get("type") != "hidden"
            }
            assert inputs <= {found.get("for") for tag, found in outline.elements if tag == "label"}
            assert [tag for tag, _ in outline.elements].count("h1") == 1
            assert ("html", {"lang": "en"}) in outline.elements
            addresses = [
                found[name]
                for _, found in outline.elements
                for name in ("src", "href", "action")
                if name in found
            ]
            assert all(address and address.startswith(("/", "#")) for address in addresses)
            assert not any(tag in ("style", "iframe") for tag, _ in outline.elements)
        assert "No service is set up yet." in page.text
        assert all("src" in found for tag, found in page.elements if tag == "script")


async def test_unknown_pages_and_methods(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await log_in(site.browser)
        missing = await site.browser.get("/nowhere")
        assert (missing.status_code, "There is no such page." in missing.text) == (404, True)
        assert (await site.browser.delete("/")).status_code == 405


async def test_a_fault_of_ours_tells_nothing(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await log_in(site.browser)
        basic = {"nodes_table": [{"node": "n:1"}]}
        await site.running.control.put(AUTHOR, ObjectId("pools", "p"), {"basic": basic})
        site.running.live.health = {("p", "n:1"): object()}  # type: ignore[dict-item]  # the fault
        transport = site.browser._transport
        assert isinstance(transport, httpx.ASGITransport)
        transport.raise_app_exceptions = False
        answer = await site.browser.get("/")
        assert answer.status_code == 500
        assert "Something went wrong here." in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_static_files_are_cached_by_content() -> None:
    pages = Pages()
    app = Starlette(routes=[Route("/static/{digest}/{name}", pages.static)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x") as browser:
        good = await browser.get(pages.address("console.css"))
        assert good.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in good.headers["cache-control"]
        assert "cache-control" not in (await browser.get("/static/old/console.css")).headers
        assert (await browser.get("/static/x/..%2ftemplate.py")).status_code == 404


def test_what_is_in_trouble_comes_first() -> None:
    services = (service("fine"), service("off", "disabled", enabled=False), service("broken", "no node"))
    view = overview(status(services=services, level="error"), NOW, None, 0.0)
    assert [(row.service.name, row.state.mark, row.state.word) for row in view.services] == [
        ("broken", "error", "down"),
        ("fine", "ok", "serving"),
        ("off", "off", "disabled"),
    ]
    assert (view.mark, view.word) == ("error", "Error")


def test_what_does_not_fit_is_counted() -> None:
    services = tuple(service(f"s{n}") for n in range(SHOWN_SERVICES + 7))
    view = overview(status(services=services), NOW, None, 0.0)
    assert len(view.services) == SHOWN_SERVICES
    assert home_view(view, None).more_services == SHOWN_SERVICES + 7 - MOST_SERVICES


def test_rates_need_two_looks_and_a_short_time() -> None:
    before = status(services=(service("s", total_requests=100),))
    after = status(services=(service("s", total_requests=150),))
    assert overview(after, NOW, None, 0.0).services[0].rate is None
    assert overview(after, NOW, before, 2.0).services[0].rate == 25.0
    assert overview(after, NOW, before, 3600.0).services[0].rate is None
    assert overview(before, NOW, after, 2.0).services[0].rate is None


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (format_count(1234567), "1\u202f234\u202f567"), (format_count(None), "\u2013"),
        (format_bytes(999), "999 B"), (format_bytes(1_500_000), "1.5 MB"), (format_bytes(2 * 10**15), "2000.0 TB"),
        (format_ago(NOW - 59, NOW), "59 s"), (format_ago(NOW - 7200, NOW), "2 h"), (format_ago(NOW + 5, NOW), "0 s"),
        (format_ago(0.0, 86_400.0 * 3), "3 d"),
    ],
)  # fmt: skip
def test_figures_are_readable(shown: str, text: str) -> None:
    assert shown == text


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_the_contrast_of_wcag_aa_in_light_and_dark() -> None:
    import pointsman.console

    tokens = Path(str(pointsman.console.__file__)).parent / "static" / "styles" / "01-tokens.css"
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", tokens.read_text())
    schemes = [{name: light for name, light, _ in found}, {name: dark for name, _, dark in found}]
    pairs = [
        (text, ground)
        for text in ("text", "quiet", "accent", "ok", "warn", "error", "off")
        for ground in ("ground", "surface", "raised")
    ]
    pairs += [
        ("accent-text", "accent"),
        *((mark, f"{mark}-ground") for mark in ("ok", "warn", "error", "off")),
    ]
    pairs += [(text, "accent-ground") for text in ("text", "quiet", "accent")]
    for scheme in schemes:
        for text, ground in pairs:
            one, other = sorted((luminance(scheme[text]), luminance(scheme[ground])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (text, ground)


def test_what_turns_text_is_an_escape_but_in_a_form() -> None:
    """R10: a name is not to look like another; a form's field goes back as it came."""
    values = {
        "title": "a\u202eb\x00",
        "next": "/",
        "username": "c\u202ed",
        "complaint": "",
        "csrf": "x",
        "banner": "",
    }
    page = bytes(Pages().render("login.html", values).body).decode()
    assert r"a\u202eb\x00</strong>" in page
    assert 'value="c\u202ed"' in page


async def test_the_page_says_that_documents_manage_the_instance(tmp_path: Path) -> None:
    """R30: a calm line says so and since when; R32: a failed import is a red banner with the cause."""
    documents = tmp_path / "docs"
    (documents / "config").mkdir(parents=True)
    (documents / "config" / "a").write_text("pools:\n- name: app\n")
    async with open_site(tmp_path) as site:
        importer = site.running.control.importer
        await importer.take_snapshot()
        await log_in(site.browser)
        assert "anaged by documents" not in (await site.browser.get("/")).text
        importer.watched = documents
        await importer.run(ImportOrder(documents))
        page = await shown_at(site, f"Managed by documents: {documents}")
        assert "1 object." in page.text
        (documents / "config" / "b").write_text("pools: 3\n")
        await importer.run(ImportOrder(documents))
        page = await shown_at(site, f"{documents}/config/b:1:8")
        banners = [attributes for _, attributes in page.elements if attributes.get("class") == "banner error"]
        assert [banner.get("id") for banner in banners] == ["documents"], "told once"
        assert not any(attributes.get("id") == "troubles" for _, attributes in page.elements)


async def shown_at(site: Site, text: str) -> Outline:
    """The live part of the home page once it holds a text; what it shows may be a second old."""
    async with asyncio.timeout(10):
        while text not in (page := Outline((await site.browser.get("/live")).text)).text:
            await asyncio.sleep(0.05)
    return page
