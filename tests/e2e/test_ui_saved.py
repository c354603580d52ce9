"""Kept filters, without JavaScript: made, used, replaced and removed, each user's own, and addresses of lists only."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import pytest
from tests.e2e.reader import PASSWORD, Reader
from tools.instance import Instance

from pointsman.web.ui.saving import DROP, KEEP, MOST

HOSTILE = "<b>x</b> \"&' \u00e9"
LISTS = {
    "/diagnose/event-log": "severity=WARN&severity=SERIOUS&text=a+b",
    "/diagnose/audit-log": "user=admin&text=%3Cb%3E",
    "/activity/stats": "of=nodes&q=web&sort=-total_conn&col=total_conn&col=errors",
    "/activity/connections": "q=192.0.2",
    "/services": "q=web&state=trouble",
    "/services/nodes": "q=web&state=disabled",
    "/services/virtual-servers": "q=web&sort=name&order=falling&hide=0.1",
    "/services/pools": "state=trouble",
    "/catalogs/rules": "q=web",
    "/catalogs/monitors": "q=web",
    "/system/users": "q=adm",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One traffic manager with something in each list."""
    with Instance(tmp_path_factory.mktemp("saved") / "home") as running:
        assert running.put("pools", "web", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})[0] == 201
        basic = {"enabled": True, "port": 1, "pool": "web", "listen_on_any": False}
        assert running.put("virtual_servers", "web", {"basic": basic})[0] == 201
        rule = running.rest("PUT", "config/active/rules/web", b"$x = 1;", content_type="text/plain")
        assert rule[0] in (200, 201, 204)
        yield running


@pytest.fixture
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as found:
        assert found.log_in().status_code == 200
        yield found


def keep(reader: Reader, address: str, name: str) -> str:
    """Keeps what a list shows at an address; gives the page that follows."""
    page = reader.get(address)
    assert page.status_code == 200, address
    return reader.send(page, reader.form(page, KEEP), {"name": name}).text


@pytest.mark.parametrize("path", LISTS)
def test_what_a_list_shows_is_kept_under_a_name(reader: Reader, path: str) -> None:
    query = LISTS[path]
    text = keep(reader, f"{path}?{query}&page=1", HOSTILE)
    assert HOSTILE not in text
    assert f'<a href="{path}?{query}" aria-current="true">{HOSTILE}</a>' in unescape(text)
    plain = reader.get(path)
    assert f'<a href="{path}?{query}">{HOSTILE}</a>' in unescape(plain.text)
    assert reader.get(f"{path}?{query}").status_code == 200
    gone = reader.send(plain, reader.form(plain, DROP), {}, ("name", HOSTILE))
    assert HOSTILE not in unescape(gone.text)


def test_what_cannot_be_kept_is_refused(reader: Reader) -> None:
    assert "nothing to keep" in keep(reader, "/services/pools", "plain")
    assert "1 to 60 characters" in keep(reader, "/services/pools?q=a", "x" * 61)
    assert "1 to 60 characters" in keep(reader, "/services/pools?q=a", " ")
    assert "too long" in keep(reader, f"/services/pools?q={'w' * 1000}", "long")
    page = reader.get("/services/pools?q=a")
    form = reader.form(page, KEEP)
    for away in (
        "//evil.example/?q=a",
        "https://evil.example/?q=a",
        "/account?q=a",
        "/services/pools/web?q=a",
    ):
        refused = reader.send(page, form, {"name": "away", "next": away})
        assert refused.status_code == 400 and "evil" not in refused.text, away
    assert "listed pages only" in refused.text
    for number in range(MOST):
        assert f"number {number}" in keep(reader, f"/services/pools?q={number}", f"number {number}")
    assert f"{MOST} kept filters already" in keep(reader, "/services/pools?q=more", "more")
    again = keep(reader, "/services/pools?q=another", "number 3")
    assert '<a href="/services/pools?q=another" aria-current="true">number 3</a>' in again
    assert "more" not in reader.get("/services/pools").text.partition("Kept filters")[2].partition("</ul>")[0]


def test_each_user_has_filters_of_their_own(instance: Instance, reader: Reader) -> None:
    keep(reader, "/services/nodes?q=mine", "mine alone")
    page = reader.get("/system/users/-/new")
    form = reader.form(page, "/system/users/-/new")
    words = "four unrelated words here"
    filled: dict[str, str | list[str] | None] = {
        "name": "ann",
        "password": words,
        "again": words,
        "group": ["admin"],
        "own_password": PASSWORD,
    }
    assert reader.send(page, form, {k: v for k, v in filled.items() if k in form.names()}).status_code == 200
    with Reader(instance) as other:
        assert other.log_in("ann", words).status_code == 200
        assert "mine alone" not in other.get("/services/nodes").text
    assert "mine alone" in reader.get("/services/nodes").text
