"""The page on 9090: login, what it shows, and what it refuses."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import httpx
import pytest
from tools.instance import Instance, wait_for

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def browser(shared: Instance) -> Iterator[httpx.Client]:
    """A client with cookies that trusts the instance's certificate blindly, as a first visitor does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with httpx.Client(base_url=shared.ready["ui"], verify=context, timeout=20) as client:
        yield client


def log_in(browser: httpx.Client, password: str) -> httpx.Response:
    """Posts the login form with its hidden token."""
    form = browser.get("/login").text
    fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', form))
    return browser.post("/login", data={**fields, "username": "admin", "password": password})


def test_login_and_status(shared: Instance, browser: httpx.Client) -> None:
    first = browser.get("/")
    assert first.status_code == 303
    assert first.headers["location"].startswith("/login?next=")
    # Else the next attempt would be held back for seconds.
    prompt = {"properties": {"security": {"login_delay": 0}}}
    assert shared.rest("PUT", "config/active/global_settings", prompt)[0] == 200
    assert log_in(browser, "wrong").status_code == 401
    assert log_in(browser, "secret-for-tests").status_code == 303
    assert shared.put("pools", HOSTILE, {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}})[0] == 201
    basic = {"enabled": False, "port": 8000, "pool": HOSTILE}
    assert shared.put("virtual_servers", HOSTILE, {"basic": basic})[0] == 201
    page = wait_for("the page shows the service", lambda: ">http <" in (p := browser.get("/")).text and p)
    assert page.status_code == 200
    assert HOSTILE not in page.text
    assert "&lt;img" in page.text
    policy = page.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"


IE_11 = "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko"
IE_MODE = "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0"


def test_internet_explorer_gets_a_notice(shared: Instance, browser: httpx.Client) -> None:
    """R10: Internet Explorer is past its end: a plain page without script says so, and takes no password."""
    for agent in (IE_11, IE_MODE):
        for path in ("/", "/login", "/system/licenses", "/nowhere"):
            page = browser.get(path, headers={"User-Agent": agent})
            assert page.status_code == 200
            assert "Internet Explorer is no longer maintained" in page.text
            assert not re.search("<(script|form|input|link)", page.text)
            assert "default-src 'self'" in page.headers["content-security-policy"]
        assert browser.get("/healthz", headers={"User-Agent": agent}).text.strip() == "ok"
        posted = browser.post("/login", data={"username": "admin"}, headers={"User-Agent": agent})
        assert "no longer maintained" in posted.text
        assert "set-cookie" not in posted.headers
    assert 'name="password"' in browser.get("/login", headers={"User-Agent": EDGE}).text


def test_the_page_works_by_whatever_name_and_port_it_is_reached(browser: httpx.Client) -> None:
    """R8: behind a translated address and a mapped port, login, redirects and forms go on where the browser is."""
    for host in ("tm.example", "TM.example.:8443", "203.0.113.9:19090", "[2001:db8::1]:443", "localhost:1"):
        visit_as(host, browser)


def visit_as(host: str, browser: httpx.Client) -> None:
    """Logs in, reads a page and logs out by an address."""
    there = {"Host": host}
    first = browser.get("/system/licenses", headers=there)
    assert (first.status_code, first.headers["location"]) == (303, "/login?next=/system/licenses")
    form = browser.get(first.headers["location"], headers=there).text
    sent = {**there, "Origin": f"https://{host}", "Sec-Fetch-Site": "same-origin"}
    fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', form))
    login = {**fields, "username": "admin", "password": "secret-for-tests"}
    done = browser.post("/login", data=login, headers=sent)
    assert (done.status_code, done.headers["location"]) == (303, "/system/licenses")
    assert "domain=" not in done.headers["set-cookie"].lower()
    page = browser.get("/system/licenses", headers=there)
    assert page.status_code == 200
    (token,) = set(re.findall(r'name="csrf" value="([^"]+)"', page.text))
    out = browser.post("/logout", data={"csrf": token}, headers=sent)
    assert (out.status_code, out.headers["location"]) == (303, "/login")


def test_health_needs_no_login(browser: httpx.Client) -> None:
    answer = browser.get("/healthz")
    assert (answer.status_code, answer.text.strip()) == (200, "ok")


def test_the_fingerprints_are_those_of_the_served_certificate(shared: Instance) -> None:
    import hashlib
    from urllib.parse import urlsplit

    port = urlsplit(shared.ready["ui"]).port
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port or 0)))
    for kind in ("sha1", "sha256"):
        digest = hashlib.new(kind, der).hexdigest().upper()
        assert shared.ready[kind] == ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
