"""Home and Diagnose of a running instance: what is wrong, what happened, who did it, where a request goes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import hashlib
import hmac
import html
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.certificates import self_signed
from tests.e2e.reader import Reader
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Origin

from pointsman.control.support import PARTS
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.database import Database
from pointsman.telemetry.event_log import EventLog

TAG = "<img src=x onerror=alert(1)>"
FORMULA = '=HYPERLINK("http://x","y")'
MANY = 10_000
SECRET = "very-secret-of-the-monitor"
CERTIFICATE, KEY = self_signed("shop.example.com", days=12)


async def fill(home: Path) -> None:
    """Ten thousand events of the past, some of which mean harm."""
    home.mkdir()
    (home / "log").mkdir()
    database = await Database.open(home / "telemetry.db")
    try:
        log = EventLog(database, home / "log" / "events.log", clock=lambda: time.time() - 3600)
        events = [
            Event("pools", "nodefail", Severity.SERIOUS, ObjectId("pools", f"old{n}"), f"number {n}")
            for n in range(MANY - 3)
        ]
        events += [
            Event("pools", "harm", Severity.WARN, ObjectId("pools", TAG), f"said {TAG}", author=TAG),
            Event("general", "harm", Severity.FATAL, None, FORMULA, "@SUM(A1)", author="+1"),
            Event("general", "harm", Severity.INFO, None, "w" * 5000 + "\n\u202eturned"),
        ]
        assert await log.append(events)
    finally:
        await database.close()


@pytest.fixture(scope="module")
def port() -> int:
    """Where the service listens."""
    return free_port()


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """A node that answers, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = asyncio.run_coroutine_threadsafe(Origin("a").start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, port: int, origin: Origin) -> Iterator[Instance]:
    """One traffic manager for all tests here: a long past, a service, a dead node, a certificate near its end."""
    home = tmp_path_factory.mktemp("diagnose") / "home"
    asyncio.run(fill(home))
    with Instance(home) as running:
        nodes = [{"node": f"127.0.0.1:{origin.port}"}, {"node": "127.0.0.1:1"}]
        basic = {"nodes_table": nodes, "monitors": ["Connect"], "note": TAG}
        assert running.put("pools", "shop", {"basic": basic})[0] == 201
        server = {"basic": {"enabled": True, "port": port, "pool": "shop"}}
        assert running.put("virtual_servers", "shop", server)[0] == 201
        key = {"basic": {"public": CERTIFICATE, "private": KEY}}
        assert running.put("ssl/server_keys", "shop", key)[0] == 201
        monitor = {"basic": {"type": "http"}, "http": {"authentication": f"user:{SECRET}"}}
        assert running.put("monitors", "probe", monitor)[0] == 201
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        wait_for("the dead node is told of", lambda: "127.0.0.1:1 is down" in reader.get("/").text)
        yield reader


def numbers(page: httpx.Response) -> list[int]:
    """The numbers of the events on a page."""
    parts = page.text.split('href="/diagnose/event-log/')[1:]
    return [int(part.partition('"')[0]) for part in parts if part.partition('"')[0].isdigit()]


def link(page: httpx.Response, word: str) -> str:
    """Where the link with exactly this word leads."""
    before = page.text.partition(f">{word}</a>")[0]
    return html.unescape(before.rpartition('href="')[2].partition('"')[0])


def test_home_says_what_is_wrong_and_leads_there(reader: Reader) -> None:
    home = reader.get("/")
    assert "<title>Warning - " in home.text
    assert "mark-warn.svg" in home.text
    for path in (
        "/services/pools/shop",
        "/services/why/shop/127.0.0.1%3A1",
        "/diagnose/event-log",
        "/diagnose",
    ):
        assert f'href="{path}"' in home.text
        assert reader.get(path).status_code == 200
    assert 'id="cluster"' in home.text and "in force" in home.text
    assert home.text.count('id="troubles"') == 1
    assert home.text.count("disable the node while it is being repaired") == 1, "what is wrong is told once"
    assert "Pool &#34;shop&#34;" not in home.text, "nor summed up where it is the only one"


def test_the_first_steps_go_when_they_are_not_wanted_any_more(instance: Instance) -> None:
    with Reader(instance) as another:
        another.log_in()
        home = another.get("/")
        assert "First steps" in home.text
        after = another.send(home, another.form(home, "/first-steps/dismiss"))
        assert after.status_code == 200
        assert "First steps" not in after.text
        assert "First steps" not in another.get("/").text


def test_the_diagnosis_lists_everything_with_what_to_do(reader: Reader) -> None:
    page = reader.get("/diagnose")
    assert "node 127.0.0.1:1 is down" in page.text
    assert "disable the node while it is being repaired" in page.text
    assert "in 11 days" in page.text, "the certificate, a note because nothing uses it"
    assert "Traffic IPs" in page.text
    assert reader.get("/diagnose/replication").status_code == 200


def test_a_page_of_ten_thousand_events_comes_at_once(reader: Reader) -> None:
    seconds = []
    for _ in range(5):
        begun = time.monotonic()
        page = reader.get("/diagnose/event-log")
        seconds.append(time.monotonic() - begun)
        assert len(numbers(page)) == 100
    assert min(seconds) < 0.2
    assert numbers(page) == sorted(numbers(page), reverse=True)
    older = reader.get(link(page, "Older"))
    assert max(numbers(older)) == min(numbers(page)) - 1
    assert link(older, "Newest") == "/diagnose/event-log"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("severity=FATAL", 1),
        ("severity=FATAL&severity=WARN&tag=harm", 2),
        ("tag=harm", 3),
        ("about=pools%2Fold9999", 0),
        ("about=pools%2Fold999", 8),
        ("text=number+4711", 1),
        ("text=%25", 0),
        ("author=%2B1", 1),
        ("tag=harm&since=2099-01-01T00:00", 0),
        ("tag=harm&until=2020-01-01", 0),
    ],
)
def test_events_are_filtered(reader: Reader, query: str, count: int) -> None:
    page = reader.get(f"/diagnose/event-log?{query}")
    assert page.status_code == 200
    assert len(numbers(page)) == count


def test_what_is_no_filter_is_refused_with_what_to_write(reader: Reader) -> None:
    page = reader.get("/diagnose/event-log?since=tomorrow")
    assert page.status_code == 400
    assert "2030-01-31T14:05" in page.text
    assert reader.get("/diagnose/event-log/999999999").status_code == 404
    assert reader.get("/diagnose/event-log/99999999999999999999999").status_code == 404
    assert reader.get("/diagnose/audit-log/999999999").status_code == 404


def test_hostile_events_are_text_on_pages_and_harmless_in_files(reader: Reader) -> None:
    page = reader.get("/diagnose/event-log?tag=harm")
    assert TAG not in page.text
    assert "\u202e" not in page.text
    assert html.escape(TAG) in page.text
    one = reader.get(f"/diagnose/event-log/{numbers(page)[-1]}")
    assert one.status_code == 200
    assert TAG not in one.text
    exported = reader.get("/diagnose/event-log.csv?tag=harm")
    assert exported.headers["content-disposition"] == 'attachment; filename="event-log.csv"'
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert len(rows) == 3
    assert (rows[1]["reason"], rows[1]["detail"], rows[1]["author"]) == (f"'{FORMULA}", "'@SUM(A1)", "'+1")
    whole = reader.get("/diagnose/event-log.json").json()
    assert len(whole) > MANY
    assert any(row["reason"] == FORMULA for row in whole)
    assert reader.get("/diagnose/event-log.xml").status_code == 404


@contextlib.contextmanager
def following(reader: Reader, query: str = "") -> Iterator[Iterator[str]]:
    """The lines of an open stream."""
    with reader.client.stream("GET", f"/diagnose/event-log/tail{query}", timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        yield lines


def test_the_log_is_followed_until_the_session_ends(instance: Instance) -> None:
    with Reader(instance) as follower:
        page = follower.log_in()
        with following(follower, "?tag=confadd") as lines:
            assert instance.put("pools", "followed", {"basic": {"note": TAG}})[0] == 201
            told = next(line for line in lines if "followed" in line)
            assert told.startswith("data: ")
            assert "<img" not in told
            with Reader(instance) as second:
                # The same session in another tab logs out.
                second.client.cookies = follower.client.cookies
                second.send(page, second.form(second.get("/"), "/logout"))
            assert "event: end" in list(lines)
        assert instance.rest("DELETE", "config/active/pools/followed")[0] == 204


def test_no_other_site_follows_and_nobody_without_bounds(instance: Instance) -> None:
    with Reader(instance) as follower, contextlib.ExitStack() as stack:
        follower.log_in()
        foreign = follower.client.get("/diagnose/event-log/tail", headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        for _ in range(5):
            stack.enter_context(following(follower))
        assert follower.client.get("/diagnose/event-log/tail").status_code == 429


def test_the_audit_log_tells_who_changed_what(instance: Instance, reader: Reader) -> None:
    page = reader.get("/diagnose/audit-log")
    assert "login at UI from 127.0.0.1" in page.text
    assert "pools/shop created" in page.text
    assert instance.put("pools", "shop", {"basic": {"note": "=2+3"}})[0] == 200
    changed = reader.get("/diagnose/audit-log?kind=changes&user=admin&surface=rest&text=%3D2%2B3")
    assert changed.text.count("pools/shop changed") == 1
    path = changed.text.partition('<a href="/diagnose/audit-log/')[2].partition('"')[0]
    entry = reader.get(f"/diagnose/audit-log/{path}")
    assert html.escape(TAG) in entry.text and TAG not in entry.text
    assert "basic.note" in entry.text and "=2+3" in entry.text
    assert "pools/shop" not in reader.get("/diagnose/audit-log?kind=acts").text
    assert "Nothing matches." in reader.get("/diagnose/audit-log?user=nobody").text
    rows = list(csv.DictReader(io.StringIO(reader.get("/diagnose/audit-log.csv?kind=changes").text)))
    assert {"'=2+3"} == {
        row["after"] for row in rows if row["field"] == "basic.note" and "2+3" in row["after"]
    }
    assert all(row["surface"] and row["user"] for row in rows)


def test_no_secret_is_in_the_audit_log(reader: Reader) -> None:
    for form in ("csv", "json"):
        text = reader.get(f"/diagnose/audit-log.{form}").text
        assert "ssl/server_keys/shop" in text
        assert SECRET not in text
        assert "PRIVATE" not in text


def test_refusals_are_in_the_audit_log(instance: Instance, reader: Reader) -> None:
    with Reader(instance) as stranger:
        stranger.log_in(user="mallory", password="wrong")
    path = "/diagnose/audit-log?kind=acts&user=mallory"
    wait_for("the refusal is told of", lambda: "Not as wished" in reader.get(path).text)


def test_a_request_goes_where_the_page_says(reader: Reader, port: int, origin: Origin) -> None:
    url = f"http://127.0.0.1:{port}/x"
    page = reader.get("/diagnose/explain")
    told = reader.send(page, reader.form(page, "/diagnose/explain"), {"url": url, "method": "GET"})
    assert f"the node 127.0.0.1:{origin.port} of the pool shop" in told.text
    assert "/services/virtual-servers/shop#section-basic" in told.text
    assert ">Pool shop: SSL, Enable</a>" in told.text, "what is enabled is named"
    assert httpx.get(url).text.startswith("a")
    wrong = reader.get(f"/diagnose/explain?url=https://127.0.0.1:{port}/")
    assert "is not decrypted here" in wrong.text
    nobody = reader.get("/diagnose/explain?url=http://127.0.0.1:9/")
    assert "The connection is refused." in nobody.text
    assert reader.get("/diagnose/explain?url=gopher://x").status_code == 400


def test_a_report_holds_no_secret(instance: Instance, reader: Reader) -> None:
    page = reader.get("/diagnose/support")
    answer = reader.send(page, reader.form(page, "/diagnose/support/report"))
    assert answer.headers["content-type"] == "application/gzip"
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        files = {
            member.name.partition("/")[2]: (archive.extractfile(member) or io.BytesIO()).read()
            for member in archive.getmembers()
        }
    assert list(files) == [part.name for part in PARTS]
    assert all(part.name in page.text for part in PARTS)
    assert b"frontend" in files["engine/haproxy.cfg"]
    assert b"name: shop" in files["configuration.yaml"]
    assert json.loads(files["events.json"])
    everything = b"".join(files.values())
    keys = [file.read_bytes() for file in (instance.home / "store").glob("key*")]
    assert keys
    hidden = [SECRET.encode(), b"PRIVATE KEY-----\nM", KEY.splitlines()[1].encode(), b"secret-for-tests"]
    hidden += [line for text in keys for line in text.split() if len(line) >= 16]
    raw = [key for key in keys if len(key) == 32]
    derived = [hmac.new(key, b"session cookies", hashlib.sha256).digest() for key in raw]
    for key in (*raw, *derived):
        hidden += [key, key.hex().encode(), base64.b64encode(key)]
    hidden += [hashed.encode() for hashed in _hashes(instance.home)]
    for text in hidden:
        assert text not in everything, text[:20]
    wait_for(
        "the report is told of",
        lambda: "made a Technical Support report" in reader.get("/diagnose/audit-log?kind=acts").text,
    )


def _hashes(home: Path) -> list[str]:
    users = json.loads((home / "identity" / "users.json").read_text())["users"]
    return [user["password"] for user in users.values()]


def test_nobody_who_is_not_logged_in_sees_anything(instance: Instance) -> None:
    with Reader(instance) as stranger:
        stranger.client.follow_redirects = False
        for path in (
            "",
            "/event-log",
            "/event-log/tail",
            "/event-log.csv",
            "/audit-log.json",
            "/explain",
            "/support",
        ):
            assert stranger.get(f"/diagnose{path}").status_code == 303
        assert stranger.client.post("/diagnose/support/report").status_code == 303
