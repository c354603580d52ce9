"""The pages about licences: asked for first, hostile text shown as text, nothing changed by strangers."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.licences import FINGERPRINT, STRANGER, licence_key
from tests.running import running
from tests.unit.web_ui.test_login import PASSWORD, Site, log_in
from tests.unit.web_ui.test_page import HOSTILE, Outline

from pointsman.control.licensing import Edition
from pointsman.identity.user import Users
from pointsman.schema.event import Event
from pointsman.web.ui.app import make_app


@asynccontextmanager
async def open_unlicensed(home: Path, *, community: bool = False) -> AsyncIterator[Site]:
    """The UI of a provisioned instance without a key."""
    events: list[Event] = []
    users, _ = await Users.open(home, on_event=events.append, given=PASSWORD)
    async with running(home, Edition(community=community), users=users) as manager:
        app = make_app(manager.control, users, health=lambda: "ok", rest_port=lambda: 9070)
        transport = httpx.ASGITransport(app, client=("192.0.2.8", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://pm1.example:9090") as browser:
            await log_in(browser)
            yield Site(manager, users, browser)


def token(page: httpx.Response) -> str:
    """The session's token in a page's form."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    return html.unescape(found[1])


async def send(site: Site, place: str, key: bytes | str = "", *, page: str, **more: str) -> httpx.Response:
    """Posts a page's form with a key as text, or as a file when it is bytes."""
    csrf = token(await site.browser.get(page))
    file = key if isinstance(key, bytes) else b""
    fields = {"csrf": csrf, "key": "" if isinstance(key, bytes) else key, **more}
    return await site.browser.post(place, data=fields, files={"file": ("my.key", file)})


async def test_an_unlicensed_instance_asks_first(tmp_path: Path) -> None:
    """R17: without a licence the first start presents an unlicensed page; traffic is served meanwhile."""
    async with open_unlicensed(tmp_path) as site:
        away = await site.browser.get("/")
        assert (away.status_code, away.headers["location"]) == (303, "/unlicensed")
        page = await site.browser.get("/unlicensed")
        assert "There is no licence yet" in page.text
        assert "10 Mb/s" in page.text
        assert "UDP is counted and not slowed down" in page.text
        csrf = token(page)
        chosen = await site.browser.post("/unlicensed/community", data={"csrf": csrf})
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/")
        assert (await site.browser.get("/")).status_code == 200
        assert (await site.browser.get("/unlicensed")).headers["location"] == "/"
        assert not site.running.licensing.choice_open


async def test_community_edition_bypasses_the_page(tmp_path: Path) -> None:
    """R17: ZEUS_COMMUNITY_EDITION=yes bypasses it."""
    async with open_unlicensed(tmp_path, community=True) as site:
        assert (await site.browser.get("/")).status_code == 200
        assert (await site.browser.get("/unlicensed")).status_code == 303


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_key_ends_the_question(tmp_path: Path, as_file: bool) -> None:
    """R17: a licence key is the other way."""
    async with open_unlicensed(tmp_path) as site:
        text = licence_key(bandwidth=50_000_000)
        added = await send(site, "/unlicensed/key", text if as_file else text.decode(), page="/unlicensed")
        assert (added.status_code, added.headers["location"]) == (303, "/")
        assert (await site.browser.get("/")).status_code == 200
        assert site.running.licensing.view().source == "A1"
        (newest, *_) = await site.running.control.transactions(limit=1)
        author = newest.author
        assert (author.name, author.address, author.surface) == ("admin", "192.0.2.8", "ui")


async def test_keys_are_added_and_removed_at_any_time(tmp_path: Path) -> None:
    """R67: System > Licenses: keys at any time."""
    async with open_unlicensed(tmp_path, community=True) as site:
        page = await site.browser.get("/system/licenses")
        assert "No licence key is installed" in page.text
        for serial in ("A", "B"):
            key = licence_key(serial, bandwidth=20_000_000 if serial == "A" else 0, cluster_size=7)
            assert (await send(site, "/system/licenses/add", key, page="/system/licenses")).status_code == 303
        outline = Outline((await site.browser.get("/system/licenses")).text)
        for words in ("20 Mb/s", "in use", "valid, another is in use", "Example Ltd", FINGERPRINT):
            assert words in outline.text
        csrf = token(await site.browser.get("/system/licenses"))
        removed = await site.browser.post("/system/licenses/remove", data={"csrf": csrf, "name": "B"})
        assert (removed.status_code, removed.headers["location"]) == (303, "/system/licenses")
        assert site.running.licensing.view().source == "A"
        page = await site.browser.get("/system/licenses")
        assert "UDP is counted" in page.text
        again = await site.browser.post("/system/licenses/remove", data={"csrf": csrf, "name": "B"})
        assert again.status_code == 409
        assert "there is no such object" in again.text


async def test_what_is_refused_is_shown_as_text(tmp_path: Path) -> None:
    async with open_unlicensed(tmp_path) as site:
        for page, place in (
            ("/unlicensed", "/unlicensed/key"),
            ("/system/licenses", "/system/licenses/add"),
        ):
            answer = await send(site, place, HOSTILE, page=page)
            outline = Outline(answer.text)
            assert answer.status_code == 400
            assert "not a Pointsman licence key" in outline.text
            assert HOSTILE in outline.text
            assert not any(
                tag == "img" or (tag == "script" and "src" not in found) for tag, found in outline.elements
            )
            answer = await send(site, place, "Zeus ZXTM", page=page)
            assert "another product" in answer.text
            answer = await send(site, place, b"x" * 70_000, page=page)
            assert (answer.status_code, "at most 16384 bytes" in answer.text) == (413, True)
        await send(site, "/system/licenses/add", licence_key(), page="/system/licenses")
        foreign = licence_key("F", issuer=STRANGER)
        answer = await send(site, "/system/licenses/add", foreign, page="/system/licenses")
        assert (answer.status_code, "pointsman licence trust" in answer.text) == (400, True)
        assert site.running.control.names("license_keys") == ("A1",)


async def test_only_the_sessions_own_forms_count(tmp_path: Path) -> None:
    async with open_unlicensed(tmp_path) as site:
        text = {"csrf": "wrong", "key": licence_key().decode(), "name": "A1"}
        file = {"file": ("k", b"")}
        for place in ("/unlicensed/key", "/system/licenses/add"):
            assert (await site.browser.post(place, data=text, files=file)).status_code == 403
            assert (await site.browser.post(place, data=text)).status_code == 403
            assert (await site.browser.post(place, content=b"x")).status_code == 400
            broken = {"content-type": "multipart/form-data; boundary=b"}
            assert (await site.browser.post(place, content=b"--b\r\nx", headers=broken)).status_code in (
                400,
                403,
            )
            no_boundary = {"content-type": "multipart/form-data"}
            assert (await site.browser.post(place, content=b"x", headers=no_boundary)).status_code == 400
        for place in ("/unlicensed/community", "/system/licenses/remove"):
            assert (await site.browser.post(place, data=text)).status_code == 403
            assert (await site.browser.post(place, content=b"x")).status_code == 400
        async with site.another_browser() as stranger:
            for place in ("/unlicensed/key", "/unlicensed/community", "/system/licenses/add"):
                refused = await stranger.post(place, data=text)
                assert refused.headers["location"].startswith("/login")
            assert (await stranger.get("/unlicensed")).headers["location"].startswith("/login")
        assert site.running.control.names("license_keys") == ()
        assert site.running.licensing.choice_open


async def test_the_pages_are_accessible_and_need_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with open_unlicensed(tmp_path) as site:
        first = Outline((await site.browser.get("/unlicensed")).text)
        await send(site, "/system/licenses/add", licence_key(), page="/system/licenses")
        second = Outline((await site.browser.get("/system/licenses")).text)
        for outline in (first, second):
            inputs = {
                found["id"]
                for tag, found in outline.elements
                if tag in ("input", "textarea") and found.get("type") != "hidden"
            }
            assert inputs == {"key", "file"}
            assert inputs <= {found.get("for") for tag, found in outline.elements if tag == "label"}
            assert [tag for tag, _ in outline.elements].count("h1") == 1
            names = {name for _, found in outline.elements for name in found}
            assert not any(name.startswith("on") or name == "style" for name in names)
            assert all("src" in found for tag, found in outline.elements if tag == "script")
        page = await site.browser.get("/system/licenses")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
