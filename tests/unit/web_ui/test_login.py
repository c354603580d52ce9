"""The browser's way in: what a session needs, what a form needs, and what is refused."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.running import Running, running

from pointsman.console.login import UNASKED, local_path
from pointsman.identity.user import Users
from pointsman.web.ui.app import make_app

PASSWORD = "correct horse battery"
COOKIE = "__Host-pointsman-123456789abc"


@dataclass
class Site:
    """The UI with its users, and a browser without a session."""

    running: Running
    users: Users
    browser: httpx.AsyncClient

    def another_browser(self, address: str = "192.0.2.9") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            make_app(self.running.control, self.users, health=lambda: "ok", rest_port=lambda: 9070),
            client=(address, 1),
        )
        return httpx.AsyncClient(transport=transport, base_url="https://pm1.example:9090")


@asynccontextmanager
async def open_site(home: Path, word: str = "ok") -> AsyncIterator[Site]:
    async with running(home) as manager:
        users, _ = await Users.open(home, on_event=manager.events.append, given=PASSWORD)
        transport = httpx.ASGITransport(
            make_app(manager.control, users, health=lambda: word, rest_port=lambda: 9070),
            client=("192.0.2.8", 1),
        )
        async with httpx.AsyncClient(transport=transport, base_url="https://pm1.example:9090") as browser:
            yield Site(manager, users, browser)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


def fields(page: str) -> dict[str, str]:
    """The inputs of the page's form."""
    found = re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


async def log_in(
    browser: httpx.AsyncClient, user: str = "admin", password: str = PASSWORD, path: str = "/login"
) -> httpx.Response:
    form = fields((await browser.get(path)).text)
    return await browser.post("/login", data={**form, "username": user, "password": password})


async def test_a_login_leads_where_one_wanted_to_go(site: Site) -> None:
    away = await site.browser.get("/?a=b%2Fc")
    assert (away.status_code, away.headers["location"]) == (303, "/login?next=/%3Fa%3Db%252Fc")
    back = await log_in(site.browser, path=away.headers["location"])
    assert (back.status_code, back.headers["location"]) == (303, "/?a=b%2Fc")
    page = await site.browser.get("/")
    assert page.status_code == 200
    assert '<span class="words">admin</span>' in page.text
    assert (await site.browser.get("/login?next=/live")).headers["location"] == "/live"


async def test_the_cookie_is_bound_to_host_instance_and_script_free(site: Site) -> None:
    cookie = (await log_in(site.browser)).headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert name == COOKIE
    assert attributes == {"httponly", "secure", "path=/", "samesite=lax"}


async def test_wrong_password_and_unknown_user_look_the_same(site: Site) -> None:
    pages = []
    for user, password in (("admin", "wrong"), ("nobody", PASSWORD)):
        answer = await log_in(site.browser, user, password)
        assert answer.status_code == 401
        pages.append(re.sub(r'value="[^"]*"', "", answer.text))
    assert pages[0] == pages[1]
    assert "User name or password is wrong." in pages[0]
    assert COOKIE not in site.browser.cookies
    assert (await log_in(site.browser)).status_code == 303


async def test_guessing_is_slowed_down_for_that_address_only(site: Site) -> None:
    for _ in range(5):
        assert (await log_in(site.browser, password="wrong")).status_code == 401
    waiting = await log_in(site.browser)
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) >= 1
    async with site.another_browser() as other:
        assert (await log_in(other)).status_code == 303


async def test_a_login_makes_a_new_session_and_ends_the_one_it_came_with(site: Site) -> None:
    await log_in(site.browser)
    first = site.browser.cookies[COOKIE]
    form = {"csrf": site.users.sessions.form_token(), "username": "admin", "password": PASSWORD}
    await site.browser.post("/login", data=form)
    second = site.browser.cookies[COOKIE]
    assert first != second
    assert site.users.sessions.find(first) is None
    async with site.another_browser() as other:
        other.cookies.set(COOKIE, "planted-by-somebody", domain="pm1.example")
        await log_in(other)
        assert other.cookies[COOKIE] != "planted-by-somebody"


async def test_logout_needs_the_sessions_own_token(site: Site) -> None:
    await log_in(site.browser)
    form = fields((await site.browser.get("/")).text)
    assert (await site.browser.post("/logout", data={"csrf": "x"})).status_code == 403
    assert (await site.browser.get("/logout")).status_code == 405
    assert (await site.browser.get("/")).status_code == 200
    token = site.browser.cookies[COOKIE]
    out = await site.browser.post("/logout", data=form)
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert site.users.sessions.find(token) is None
    assert (await site.browser.get("/")).status_code == 303
    assert (await site.browser.post("/logout", data=form)).status_code == 303


async def test_a_login_form_needs_a_token_of_ours(site: Site) -> None:
    for token in ("", "1.2.3", site.users.sessions.form_token() + "0"):
        form = {"csrf": token, "username": "admin", "password": PASSWORD}
        answer = await site.browser.post("/login", data=form)
        assert answer.status_code == 403
        assert "open for too long" in answer.text
    assert COOKIE not in site.browser.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://pm1.example:9070"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://pm1.example:9090"},
    ],
)
async def test_other_sites_cannot_post(site: Site, headers: dict[str, str]) -> None:
    form = {"csrf": site.users.sessions.form_token(), "username": "admin", "password": PASSWORD}
    answer = await site.browser.post("/login", data=form, headers=headers)
    assert answer.status_code == 403
    assert (await site.browser.post("/login", data=form)).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://pm1.example:9090"},
        {"Origin": "https://pm1.example:9090", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_our_own_form_posts_whatever_a_browser_says_of_it(site: Site, headers: dict[str, str]) -> None:
    """R10: browsers that hide the referrer give the origin of our own form as "null"."""
    form = {"csrf": site.users.sessions.form_token(), "username": "admin", "password": PASSWORD}
    assert (await site.browser.post("/login", data=form, headers=headers)).status_code == 303


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"username": "admin"}},
        {"content": b"x=" + b"y" * 20_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b"a&" * 60, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
)
async def test_what_is_not_the_form_is_refused(site: Site, body: dict[str, object]) -> None:
    answer = await site.browser.post("/login", **body)  # type: ignore[arg-type]  # httpx's options
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/", "/"), ("/live?x=1&y=2", "/live?x=1&y=2"), ("", "/"), ("live", "/"), ("//evil.example", "/"),
        ("/\\evil.example", "/"), ("https://evil.example/", "/"), ("/a\r\nSet-Cookie: x=y", "/"), ("/login", "/"),
        ("/logout", "/"), ("/\t/evil.example", "/"), ("javascript:alert(1)", "/"), ("/p\u00e4ge", "/p%C3%A4ge"),
        ("/@evil.example", "/@evil.example"),
    ],
)  # fmt: skip
def test_a_login_never_leads_to_another_site(wanted: str, leads_to: str) -> None:
    assert local_path(wanted) == leads_to


async def test_every_answer_carries_the_headers(site: Site) -> None:
    answers = [
        await site.browser.get(path)
        for path in ("/", "/login", "/healthz", "/nowhere", "/static/x/console.css")
    ]
    answers.append(await site.browser.post("/login", headers={"Origin": "https://evil.example"}))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


async def test_health_needs_no_login(tmp_path: Path) -> None:
    for word, status in (("ok", 200), ("starting", 503)):
        async with open_site(tmp_path / word, word) as opened:
            answer = await opened.browser.get("/healthz")
            assert (answer.status_code, answer.text) == (status, f"{word}\n")


@asynccontextmanager
async def for_a_long_time(tmp_path: Path) -> AsyncIterator[Callable[[dict[str, str]], Awaitable[list[int]]]]:
    """Gives what asks for a part of a page three times, twelve minutes apart: the statuses of the answers."""
    now = 0.0
    async with running(tmp_path) as manager:
        users, _ = await Users.open(
            tmp_path, on_event=manager.events.append, given=PASSWORD, clock=lambda: now
        )
        transport = httpx.ASGITransport(
            make_app(manager.control, users, health=lambda: "ok", rest_port=lambda: 9070)
        )
        async with httpx.AsyncClient(transport=transport, base_url="https://pm1.example:9090") as browser:
            await log_in(browser)

            async def ask(headers: dict[str, str]) -> list[int]:
                nonlocal now
                statuses = []
                for _ in range(3):
                    now += 700
                    statuses.append((await browser.get("/live", headers=headers)).status_code)
                return statuses

            yield ask


async def test_a_page_that_refreshes_itself_does_not_keep_the_session_alive(tmp_path: Path) -> None:
    async with for_a_long_time(tmp_path) as ask:
        assert (await ask({UNASKED: "yes"}))[-1] == 303


async def test_what_somebody_asked_for_keeps_the_session_alive(tmp_path: Path) -> None:
    async with for_a_long_time(tmp_path) as ask:
        assert await ask({}) == [200, 200, 200]


async def test_logins_are_in_the_event_log(site: Site) -> None:
    await log_in(site.browser, password="wrong")
    await log_in(site.browser)
    await site.browser.post("/logout", data=fields((await site.browser.get("/")).text))
    told = [event.reason for event in site.running.events if event.tag == "audit"]
    assert [text.split()[0] for text in told] == ["login", "login", "logout"]
    assert "refused at UI from 192.0.2.8" in told[0]
    assert PASSWORD not in repr(site.running.events)
