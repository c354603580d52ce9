"""Every form of the UI, walked by its routes: without its session's token, from another site, by who may only look."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route
from tests.unit.web_ui.test_login import PASSWORD, Site, fields, log_in, open_site

from pointsman.console.template import Pages
from pointsman.control.access import Access
from pointsman.web.ui import app
from pointsman.web.ui.desk import Desk

OPEN_TO_ALL = {
    "/language",
    "/theme",
    "/first-steps/dismiss",
    "/changes/undo/{revision}",
    "/changes/{token}/apply",
    "/changes/{token}/merge",
    "/changes/{token}/discard",
    "/account/password",
    "/account/factor/begin",
    "/account/factor/confirm",
    "/account/factor/cancel",
    "/account/factor/remove",
    "/account/sessions",
    "/saved-filters/keep",
    "/saved-filters/drop",
}
"""Forms that everybody has, because they are about oneself or about what one prepared with a right to, or ask for the
rights to the very changes that they would make.
"""


SEEN_BY_ALL = {
    "/search",
    "/search/found",
    "/wizards",
    "/account",
    "/changes/undo/{revision}",
    "/changes/{token}",
}
"""Pages that everybody has: they show what one may see, are about oneself, or ask for the rights to what they show."""


def routes(site: Site) -> list[Route]:
    """Everything behind the login."""
    control = site.running.control
    pages = Pages([Path(app.__file__).parent / "templates"])
    desk = Desk(control, site.users, Access(site.users, lambda: control.snapshot), pages, lambda: 9070)
    return [route for route in app.routes_of(desk) if isinstance(route, Route)]


def matching(path: str) -> str:
    """An address that a route's path matches."""
    return re.sub(r"\{\w+(:\w+)?\}", "Guest", re.sub(r"\{\w+:int\}", "1", path))


def posts(site: Site) -> dict[str, str]:
    """The path of every form, and an address that it matches."""
    found = [route.path for route in routes(site) if "POST" in (route.methods or ())]
    assert len(found) > 40
    return {path: matching(path) for path in found}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        await opened.users.create("gus", "four words of gus", ("Guest",))
        yield opened


async def csrf_of(browser: httpx.AsyncClient) -> str:
    return fields((await browser.get("/account")).text)["csrf"]


def everything(site: Site) -> object:
    control = site.running.control
    return control.revision, dict(site.users.accounts), dict(control.objects)


async def test_no_form_works_without_its_sessions_token(site: Site) -> None:
    """OWASP 5: each POST route, without a token, with a wrong one, with one of another session, from another site."""
    assert (await log_in(site.browser)).status_code == 303
    async with site.another_browser() as other:
        await log_in(other, "gus", "four words of gus")
        foreign = await csrf_of(other)
    own = await csrf_of(site.browser)
    before = everything(site)
    cross = {"sec-fetch-site": "cross-site"}
    for path, address in posts(site).items():
        for form in (
            {},
            {"csrf": ""},
            {"csrf": "x"},
            {"csrf": foreign},
            {"csrf": site.users.sessions.form_token()},
        ):
            answer = await site.browser.post(address, data={"a": "b", **form})
            assert answer.status_code == 403, (path, form)
        for headers in (cross, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}):
            answer = await site.browser.post(address, data={"csrf": own}, headers=headers)
            assert answer.status_code == 403, (path, headers)
        assert (await site.browser.post(address, json={"csrf": own})).status_code == 400, path
    assert everything(site) == before


async def test_who_may_only_look_changes_nothing(site: Site) -> None:
    """OWASP 14: each POST route, replayed with a good token by a user of the group Guest."""
    assert (await log_in(site.browser, "gus", "four words of gus")).status_code == 303
    csrf = await csrf_of(site.browser)
    before = everything(site)
    form = {
        "csrf": csrf,
        "confirm": "yes",
        "typed": "Guest",
        "name": "x",
        "own_password": "four words of gus",
        "act": "apply",
    }
    asked = 0
    for path, address in posts(site).items():
        if path in OPEN_TO_ALL or path.endswith("/check"):
            continue
        answer = await site.browser.post(address, data=form)
        assert answer.status_code == 403, (path, answer.status_code)
        asked += 1
    assert asked > 30
    for path, address in posts(site).items():
        if path.endswith("/check"):
            await site.browser.post(address, data=form)
    assert everything(site) == before


async def test_forms_for_everybody_are_known(site: Site) -> None:
    """A new form without a permission is noticed here."""
    assert (await log_in(site.browser, "gus", "four words of gus")).status_code == 303
    csrf = await csrf_of(site.browser)
    await site.users.create("nick", "four words of nick", ())
    async with site.another_browser() as browser:
        await log_in(browser, "nick", "four words of nick")
        csrf = await csrf_of(browser)
        free = set()
        for path, address in posts(site).items():
            answer = await browser.post(address, data={"csrf": csrf})
            if answer.status_code != 403 or "takes the permission" not in answer.text:
                free.add(path)
    assert free == OPEN_TO_ALL


async def test_pages_are_refused_to_who_may_not_see_them(site: Site) -> None:
    """OWASP 14: each page, asked for by somebody in no group; a new one without a permission is noticed here."""
    await site.users.create("nick", "four words of nick", ())
    await log_in(site.browser, "nick", "four words of nick")
    pages = [route.path for route in routes(site) if "GET" in (route.methods or ())]
    assert len(pages) > 100
    free = set()
    for path in pages:
        answer = await site.browser.get(matching(path))
        if answer.status_code != 403 or "takes the permission" not in answer.text:
            free.add(path)
    assert free == SEEN_BY_ALL
    for path in ("/search", "/wizards"):
        found = re.findall(
            r'<a [^>]*href="(/[a-z][^"]*)"', (await site.browser.get(path)).text.partition("<main")[2]
        )
        assert not found, f"{path} leads nowhere without rights"


async def test_no_permission_is_asked_for_that_groups_do_not_have(site: Site) -> None:
    """A misspelt name would be everybody's "none"."""
    from pointsman.schema.permission import PERMISSIONS
    from pointsman.web.ui.site import TABS

    asked = {place.permission for tab in TABS for place in tab.places if place.permission}
    missing = {
        name for name in asked if name not in PERMISSIONS and name.rpartition("!")[0] not in PERMISSIONS
    }
    assert not missing


async def test_a_session_is_another_one_after_each_login(site: Site) -> None:
    """OWASP 1: a cookie that was there before is dead after the login."""
    await log_in(site.browser, "gus", "four words of gus")
    cookie = next(iter(site.browser.cookies.jar))
    first = cookie.value
    await site.browser.post("/logout", data={"csrf": await csrf_of(site.browser)})
    site.browser.cookies.set(cookie.name, "chosen-by-somebody", domain="pm1.example")
    await log_in(site.browser)
    assert first and "chosen-by-somebody" not in {
        c.value for c in site.browser.cookies.jar if c.domain != "pm1.example"
    }
    assert site.users.sessions.find("chosen-by-somebody") is None
    assert site.users.sessions.find(first) is None
    form = fields((await site.browser.get("/account")).text)
    changed = await site.browser.post(
        "/account/password",
        data={
            "csrf": form["csrf"],
            "own_password": PASSWORD,
            "password": "quite other words",
            "again": "quite other words",
        },
    )
    assert changed.status_code == 303
    assert (await site.browser.get("/account")).status_code == 200
