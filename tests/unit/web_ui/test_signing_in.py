"""What the configuration asks of who logs in: texts, their acceptance, a second factor that a group requires."""

from __future__ import annotations

import html
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.running import AUTHOR
from tests.unit.web_ui.test_login import COOKIE, PASSWORD, Site, fields, log_in, open_site

from pointsman.control.login_rules import govern_logins
from pointsman.identity.account import Factor
from pointsman.identity.totp import STEP_SECONDS, code_at, new_secret
from pointsman.identity.user import Outcome
from pointsman.schema.problem import ObjectId

HOSTILE = "<script>alert(1)</script>\r\n\"'&{{ 7*7 }}\u202e</p>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;\n&#34;&#39;&amp;{{ 7*7 }}\\u202e&lt;/p&gt;"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        govern_logins(opened.running.control, opened.users)
        yield opened


async def ask(site: Site, **security: object) -> None:
    settings: dict[str, dict[str, Any]] = {"security": dict(security)}
    await site.running.control.put(AUTHOR, ObjectId("global_settings", ""), settings)


async def require(site: Site, group: str, what: str) -> None:
    await site.running.control.put(
        AUTHOR, ObjectId("user_groups", group), {"second_factor": {"required_for": what}}
    )


async def test_texts_are_shown_as_they_are_and_where_they_belong(site: Site) -> None:
    await ask(
        site, login_banner=HOSTILE, ui_page_banner=f"page {HOSTILE}", post_login_banner=f"after {HOSTILE}"
    )
    login = (await site.browser.get("/login")).text
    assert SHOWN in login and f"page {SHOWN}" in login and "after" not in login
    assert "<script>" not in login and 'name="accept"' not in login
    assert (await log_in(site.browser)).status_code == 303
    first = (await site.browser.get("/")).text
    assert f"after {SHOWN}" in first and f"page {SHOWN}" in first
    for path in ("/", "/account", "/nowhere"):
        page = (await site.browser.get(path)).text
        assert f"page {SHOWN}" in page and "after" not in page.partition("<main")[2]
    await ask(site, login_banner="", ui_page_banner="", post_login_banner="")
    assert "page-banner" not in (await site.browser.get("/")).text


async def test_a_text_of_any_length_leaves_a_page(site: Site) -> None:
    await ask(site, ui_page_banner="x" * 1_000_000)
    assert len((await site.browser.get("/login")).content) < 20_000


async def test_a_text_that_must_be_accepted_is_before_the_password_is_looked_at(site: Site) -> None:
    await ask(site, login_banner="for members of the club", login_banner_accept=True)
    page = (await site.browser.get("/login")).text
    assert re.search(r'<input type="checkbox" name="accept" value="yes" required', page)
    form = fields(page)
    form.pop("accept")
    answers = [
        await site.browser.post("/login", data={**form, "username": "admin", "password": password, **more})
        for password in (PASSWORD, "wrong")
        for more in ({}, {"accept": "no"})
    ]
    assert [answer.status_code for answer in answers] == [400] * 4
    assert len({re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}) == 1
    assert "without accepting" in answers[0].text and COOKIE not in site.browser.cookies
    good = {**form, "username": "admin", "password": PASSWORD, "accept": "yes"}
    assert (await site.browser.post("/login", data=good)).status_code == 303


async def test_without_a_text_there_is_nothing_to_accept(site: Site) -> None:
    await ask(site, login_banner_accept=True)
    assert 'name="accept"' not in (await site.browser.get("/login")).text
    assert (await log_in(site.browser)).status_code == 303


async def test_a_group_requires_a_second_factor_and_leads_to_it(site: Site) -> None:
    await site.users.create("gus", "four words of gus", ("Guest",))
    await log_in(site.browser, "gus", "four words of gus")
    assert (await site.browser.get("/services/pools")).status_code == 200
    await require(site, "Guest", "pages")
    for path in ("/", "/services/pools", "/live", "/diagnose/event-log", "/accountant"):
        answer = await site.browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/account"), path
    page = (await site.browser.get("/account")).text
    assert "Second factor required" in page
    form = {"csrf": fields(page)["csrf"]}
    assert (await site.browser.post("/theme", data={**form, "theme": "dark"})).headers[
        "location"
    ] == "/account"
    begun = {**form, "own_password": "four words of gus"}
    assert (await site.browser.post("/account/factor/begin", data=begun)).status_code == 303
    page = (await site.browser.get("/account")).text
    secret = html.unescape(re.findall(r"secret=([A-Z2-7]{32})", page)[0])
    code = code_at(secret, int(time.time()) // STEP_SECONDS)
    done = await site.browser.post("/account/factor/confirm", data={**form, "code": code, "api": "yes"})
    assert "recovery codes are shown this once" in done.text
    assert (await site.browser.get("/services/pools")).status_code == 200
    assert "Second factor required" not in (await site.browser.get("/account")).text
    await site.browser.post("/account/factor/remove", data=begun)
    assert (await site.browser.get("/services/pools")).headers["location"] == "/account"


async def test_the_strictest_group_decides_what_the_password_alone_opens(site: Site) -> None:
    await site.users.create("gus", "four words of gus", ("Guest", "Demo"))
    factor = Factor(new_secret(), api_without_code=True)
    await site.users.change("gus", lambda account: replace(account, factor=factor))
    for guest, demo, expected in (
        ("nothing", "nothing", Outcome.RIGHT),
        ("pages", "nothing", Outcome.RIGHT),
        ("pages", "everything", Outcome.WRONG),
        ("nothing", "everything", Outcome.WRONG),
        ("nothing", "pages", Outcome.RIGHT),
    ):
        await require(site, "Guest", guest)
        await require(site, "Demo", demo)
        login = await site.users.verify("gus", "four words of gus", "192.0.2.8", "REST")
        assert login.outcome is expected, (guest, demo)
    assert (await site.users.verify("gus", "four words of gus", "192.0.2.8", "UI")).needs_code


async def test_a_group_is_made_stricter_by_its_form(site: Site) -> None:
    await log_in(site.browser)
    page = (await site.browser.get("/system/groups/Guest")).text
    form = {
        **fields(page.partition('action="/system/groups/Guest"')[2].partition("</form>")[0]),
        "own_password": PASSWORD,
        "act": "apply",
        "description": "",
    }
    wrong = await site.browser.post("/system/groups/Guest", data={**form, "required_for": "somebody"})
    assert wrong.status_code == 400 and "Choose for what" in wrong.text
    good = await site.browser.post("/system/groups/Guest", data={**form, "required_for": "everything"})
    assert good.status_code == 303
    assert "required everywhere" in (await site.browser.get("/system/groups")).text
    stored = site.running.control.settings(ObjectId("user_groups", "Guest")) or {}
    assert stored["second_factor"] == {"required_for": "everything"}
    assert len(stored["basic"]["permissions"]) > 50


async def test_who_is_suspended_is_shown_and_let_in_again(site: Site) -> None:
    await ask(site, max_login_attempts=2, login_delay=0)
    await site.users.create("gus", "four words of gus", ("Guest",))
    async with site.another_browser() as other:
        for _ in range(2):
            assert (await log_in(other, "gus", "wrong")).status_code == 401
    await log_in(site.browser)
    assert "Suspended for 15 min after failed logins" in (await site.browser.get("/system/users")).text
    page = (await site.browser.get("/system/users/gus")).text
    form = {"csrf": fields(page)["csrf"], "own_password": PASSWORD}
    assert 'action="/system/users/gus/resume"' in page
    async with site.another_browser("192.0.2.77") as other:
        assert (await log_in(other, "gus", "four words of gus")).status_code == 401
        assert (await site.browser.post("/system/users/gus/resume", data=form)).status_code == 303
        assert (await log_in(other, "gus", "four words of gus")).status_code == 303
