"""Users and groups as people meet them: made on pages, refused everywhere else, second factors, lockout."""

from __future__ import annotations

import base64
import json
import re
import ssl
import time
from pathlib import Path

import httpx
import pytest
from tests.e2e.reader import PASSWORD, Reader, forms_of
from tools.instance import Instance, wait_for

from pointsman.identity.totp import STEP_SECONDS, code_at

WORDS = "four words of ann"
OWN: dict[str, str | list[str] | None] = {"own_password": PASSWORD}
ACTS = ("user cleo made", "password of cleo changed", "user cleo suspended", "user cleo deleted")
GROUP = 'op<b>&"s/1'
PLACE = "/system/groups/op%3Cb%3E%26%22s%2F1"


@pytest.fixture(scope="module", autouse=True)
def prompt(shared: Instance) -> None:
    """No attempt to log in is held back after a failure, which would take seconds each time."""
    body = {"properties": {"security": {"login_delay": 0}}}
    assert shared.rest("PUT", "config/active/global_settings", body)[0] == 200


def make_user(admin: Reader, name: str, *groups: str, password: str = WORDS) -> httpx.Response:
    """Makes a user by the form."""
    page = admin.get("/system/users/-/new")
    changes = {**OWN, "name": name, "password": password, "again": password, "group": list(groups)}
    return admin.send(page, admin.form(page, "/system/users/-/new"), changes)


def rest(
    instance: Instance, user: str, password: str, method: str, path: str, body: object = None
) -> httpx.Response:
    """One REST request of a user."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(verify=context, timeout=30) as client:
        address = f"{instance.ready['rest']}/api/tm/8.3/{path}"
        return client.request(method, address, json=body, headers={"Authorization": f"Basic {token}"})


def act(admin: Reader, user: str, word: str, **changes: str | list[str] | None) -> httpx.Response:
    """Sends one of the forms on a user's page."""
    page = admin.get(f"/system/users/{user}")
    form = admin.form(page, f"/system/users/{user}/{word}")
    return admin.send(page, form, {**OWN, **changes})


def test_a_group_is_copied_cut_and_given(shared: Instance, admin: Reader) -> None:
    """A copy of Guest loses what it says of pools; its user sees the rest and changes nothing."""
    page = admin.get("/system/groups/-/new?based_on=Guest")
    form = admin.form(page, "/system/groups/-/new")
    made = admin.send(page, form, {"name": GROUP, "based_on": "Guest"}, ("act", "apply"))
    assert made.status_code == 200
    page = admin.get(PLACE)
    assert "<b>&" not in page.text
    form = admin.form(page, f"{PLACE}/permissions")
    assert len(form.names()) > 200
    wrong = admin.send(page, form, {"p.Pools": "none", "own_password": "wrong"}, ("act", "apply"))
    assert wrong.status_code == 403
    cut: dict[str, str | list[str] | None] = {"p.Pools": "none", "p.Pools!Edit": "inherit", **OWN}
    assert "was changed" in admin.send(page, form, cut, ("act", "apply")).text
    page = admin.get(PLACE)
    settings: dict[str, str | list[str] | None] = {"description": "<i>shop</i>", "timeout": "7", **OWN}
    assert (
        "was changed" in admin.send(page, admin.form(page, PLACE, "timeout"), settings, ("act", "apply")).text
    )
    stored = shared.get(f"config/active/user_groups/{PLACE.rpartition('/')[2]}")["properties"]["basic"]
    told = {row["name"]: row["access_level"] for row in stored["permissions"]}
    assert (stored["timeout"], told["Pools"], "Pools!Edit" in told) == (7, "none", False)
    assert told["Rules"] == "ro"
    assert make_user(admin, "ann", GROUP).status_code == 200

    with Reader(shared) as ann:
        assert ann.log_in("ann", WORDS).status_code == 200
        for path, status in (("/services/pools", 403), ("/catalogs/rules", 200), ("/system/users", 200)):
            assert ann.get(path).status_code == status
        assert "/system/users/-/new" not in ann.get("/system/users").text
        rules = rest(shared, "ann", WORDS, "GET", "config/active/rules")
        assert rules.status_code == 200
        for method, path in (("GET", "pools"), ("GET", "pools/x"), ("PUT", "pools/x"), ("PUT", "rules/x")):
            refused = rest(shared, "ann", WORDS, method, f"config/active/{path}", {"properties": {}})
            assert (refused.status_code, refused.json()["error_id"]) == (403, "auth.forbidden")
        for branch in ("history", "superseded", "config_document"):
            assert rest(shared, "ann", WORDS, "GET", f"status/local_tm/{branch}").status_code == 403
        away = {
            "enabled": True,
            "port": 1,
            "pool": "discard",
            "listen_on_any": False,
            "listen_on_hosts": ["192.0.2.9"],
        }
        assert shared.put("virtual_servers", "away", {"basic": away})[0] == 201

        def heard() -> list[dict[str, str]]:
            found: list[dict[str, str]] = rest(
                shared, "ann", WORDS, "GET", "status/local_tm/events?limit=1000"
            ).json()["events"]
            return found

        events = wait_for("an event that is no audit", heard)
        assert "audit" not in {event["tag"] for event in events}
    used = shared.rest("DELETE", f"config/active/user_groups/{PLACE.rpartition('/')[2]}")
    assert used[0] == 409
    assert "users/ann" in used[1]["error_text"]
    assert shared.put("user_groups", "spare", {})[0] == 201
    for name, expected in (("admin", 403), ("spare", 204)):
        assert shared.rest("DELETE", f"config/active/user_groups/{name}")[0] == expected


def test_nobody_gives_what_they_do_not_have(shared: Instance, admin: Reader) -> None:
    people = [{"name": "Access_Management", "access_level": "full"}, {"name": "all", "access_level": "ro"}]
    assert shared.put("user_groups", "people", {"basic": {"permissions": people}})[0] == 201
    make_user(admin, "pia", "people", password="four words of pia")
    with Reader(shared) as pia:
        pia.log_in("pia", "four words of pia")
        own: dict[str, str | list[str] | None] = {"own_password": "four words of pia"}
        new = {**own, "name": "eve", "password": WORDS, "again": WORDS}
        page = pia.get("/system/users/-/new")
        form = pia.form(page, "/system/users/-/new")
        assert pia.send(page, form, {**new, "group": ["admin"]}).status_code == 403
        assert pia.send(page, form, {**new, "group": ["people"]}).status_code == 200
        assert "may do more than you" in pia.get("/system/users/admin").text
        csrf = dict(form.fields)["csrf"]
        for word in ("password", "factor", "groups", "suspend", "delete", "sessions"):
            body = {
                "csrf": csrf,
                **own,
                "password": WORDS,
                "again": WORDS,
                "typed": "admin",
                "group": "people",
            }
            assert pia.client.post(f"/system/users/admin/{word}", data=body).status_code == 403
        page = pia.get("/system/groups/people")
        form = pia.form(page, "/system/groups/people/permissions")
        assert pia.send(page, form, {**own, "p.all": "full"}, ("act", "apply")).status_code == 403
    more = {"properties": {"basic": {"permissions": [{"name": "all", "access_level": "full"}]}}}
    refused = rest(shared, "pia", "four words of pia", "PUT", "config/active/user_groups/people", more)
    assert refused.status_code == 403
    assert rest(shared, "eve", WORDS, "PUT", "config/active/pools/x", {"properties": {}}).status_code == 403


def test_what_is_taken_from_a_user_ends_sessions(shared: Instance, admin: Reader) -> None:
    """OWASP 4: password, suspension, groups, deletion, and an administrator's wish."""
    make_user(admin, "cleo", "Monitoring")
    with Reader(shared) as cleo:

        def inside() -> bool:
            return "/login" not in str(cleo.get("/account").url)

        for word, changes in (
            ("groups", {"group": ["Demo"]}),
            ("password", {"password": "quite other words", "again": "quite other words"}),
            ("sessions", {}),
            ("suspend", {}),
        ):
            password = WORDS if word in ("groups", "password") else "quite other words"
            assert cleo.log_in("cleo", password).status_code == 200
            assert inside()
            assert act(admin, "cleo", word, **changes).status_code == 200
            assert not inside(), word
        assert "User name or password is wrong" in cleo.log_in("cleo", "quite other words").text
        assert rest(shared, "cleo", "quite other words", "GET", "config/active/pools").status_code == 401
        act(admin, "cleo", "resume")
        assert cleo.log_in("cleo", "quite other words").status_code == 200
        assert act(admin, "cleo", "delete", typed="cle").status_code == 400
        assert act(admin, "cleo", "delete", typed="cleo", own_password="").status_code == 403
        assert inside()
        assert act(admin, "cleo", "delete", typed="cleo").status_code == 200
        assert not inside()
    assert admin.get("/system/users/cleo").status_code == 404
    assert "/suspend" not in admin.get("/system/users/admin").text

    def reasons() -> list[str]:
        events = shared.get("status/local_tm/events?tag=audit&limit=1000")["events"]
        return [event["reason"] for event in events]

    def told_of() -> bool:
        found = " | ".join(reasons())
        return all(told in found for told in ACTS)

    assert wait_for("the acts are told", told_of)
    assert not any(word in reason for reason in reasons() for word in (WORDS, "quite other words"))


def test_what_was_prepared_is_not_applied_when_the_right_to_is_gone(shared: Instance, admin: Reader) -> None:
    """A change lies prepared while its group is cut: applying it is refused, and nothing is changed."""
    may = {"basic": {"permissions": [{"name": "all", "access_level": "full"}]}}
    assert shared.put("user_groups", "cut", may)[0] == 201
    assert shared.put("pools", "kept", {"basic": {"note": "before"}})[0] == 201
    assert make_user(admin, "cid", "cut").status_code == 200
    with Reader(shared) as cid:
        assert cid.log_in("cid", WORDS).status_code == 200
        page = cid.get("/services/pools/kept")
        form = cid.form(page, "/services/pools/kept", "basic.note")
        review = cid.send(page, form, {"basic.note": "after"}, ("act", "review"))
        apply = next(form for form in forms_of(review.text) if form.action.endswith("/apply"))
        less = [{"name": "all", "access_level": "full"}, {"name": "Pools", "access_level": "ro"}]
        assert shared.put("user_groups", "cut", {"basic": {"permissions": less}})[0] == 200
        assert cid.send(review, apply).status_code == 403
    assert shared.get("config/active/pools/kept")["properties"]["basic"]["note"] == "before"


def test_new_passwords_are_looked_at(shared: Instance, admin: Reader) -> None:
    """OWASP 8: length, the user's name, what is guessed first, and what the global settings ask."""
    for bad, why in (
        ("sh0rt!x", "8 to 1024"),
        ("xdora1234", "user name"),
        ("Password2026!", "guessed first"),
    ):
        refused = make_user(admin, "dora", password=bad)
        assert refused.status_code == 400
        assert why in refused.text
        assert bad not in refused.text
    security = {"properties": {"security": {"password_min_numeric_chars": 2}}}
    assert shared.rest("PUT", "config/active/global_settings", security)[0] == 200
    assert "2 digits or more" in make_user(admin, "dora").text
    security["properties"]["security"]["password_min_numeric_chars"] = 0
    assert shared.rest("PUT", "config/active/global_settings", security)[0] == 200
    for name in ("", "a:b", "a\u202eb", "ADMIN", "x" * 300):
        assert make_user(admin, name).status_code == 400, name
    assert make_user(admin, "dora").status_code == 200
    with Reader(shared) as dora:
        dora.log_in("dora", WORDS)
        page = dora.get("/account")
        form = dora.form(page, "/account/password")
        new: dict[str, str | list[str] | None] = {"password": "brand new words", "again": "brand new words"}
        assert dora.send(page, form, {**new, "own_password": "wrong"}).status_code == 403
        assert dora.send(page, form, {**new, "own_password": WORDS, "again": "x"}).status_code == 400
        with Reader(shared) as elsewhere:
            elsewhere.log_in("dora", WORDS)
            before = {cookie.value for cookie in dora.client.cookies.jar}
            assert "was changed" in dora.send(page, form, {**new, "own_password": WORDS}).text
            assert before.isdisjoint({cookie.value for cookie in dora.client.cookies.jar})
            assert "/login" in str(elsewhere.get("/account").url)


def test_an_expired_password_leads_to_the_page_for_another(tmp_path: Path) -> None:
    """A group's `password_expire_time`: pages lead to Account, REST takes nothing, until there is another one."""
    shared = Instance(tmp_path / "home")
    with shared:
        assert shared.put("user_groups", "old", {"basic": {"password_expire_time": 1}})[0] == 201
    file = shared.home / "identity" / "users.json"
    users = json.loads(file.read_text())
    yesterday = int(time.time()) - 90_000
    users["users"]["otto"] = {**users["users"]["admin"], "groups": ["old", "Demo"], "changed": yesterday}
    file.write_text(json.dumps(users))
    with shared, Reader(shared) as otto:
        refused = rest(shared, "otto", PASSWORD, "GET", "status/local_tm/information")
        assert (refused.status_code, refused.json()["error_id"]) == (403, "auth.password_expired")
        page = otto.log_in("otto", PASSWORD, "/services/pools")
        assert page.url.path == "/account"
        assert "Password expired" in page.text
        assert otto.get("/catalogs/rules").url.path == "/account"
        form = otto.form(page, "/account/password")
        new: dict[str, str | list[str] | None] = {"password": WORDS, "again": WORDS, "own_password": PASSWORD}
        assert "was changed" in otto.send(page, form, new).text
        assert otto.get("/services/pools").url.path == "/services/pools"
        assert rest(shared, "otto", WORDS, "GET", "config/active/pools").status_code == 200


def test_a_second_factor(shared: Instance, admin: Reader) -> None:
    """OWASP 10: enrolment by a code, a second step after the password, each code once, recovery codes, REST."""
    make_user(admin, "tom", "Demo")
    with Reader(shared) as tom:
        tom.log_in("tom", WORDS)
        page = tom.get("/account")
        begun = tom.send(page, tom.form(page, "/account/factor/begin"), {"own_password": WORDS})
        assert "<svg" in begun.text
        found = re.search(r"secret=([A-Z2-7]{32})", begun.text)
        assert found
        secret = found[1]
        form = tom.form(begun, "/account/factor/confirm")
        assert tom.send(begun, form, {"code": "000000"}).status_code == 400
        step = int(time.time()) // STEP_SECONDS
        done = tom.send(begun, form, {"code": code_at(secret, step)})
        recovery = re.findall(r"<li>([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})</li>", done.text)
        assert len(recovery) == 10
        assert secret not in tom.get("/account").text
    kept = (shared.home / "identity" / "users.json").read_text()
    assert secret not in kept and "factor" in kept
    assert rest(shared, "tom", WORDS, "GET", "config/active/pools").status_code == 401

    def second_step(reader: Reader, code: str) -> httpx.Response:
        page = reader.log_in("tom", WORDS)
        assert page.url.path == "/login"
        assert not [cookie for cookie in reader.client.cookies.jar if cookie.value]
        return reader.send(page, reader.form(page, "/login/code"), {"code": code})

    with Reader(shared) as tom:
        assert second_step(tom, code_at(secret, step)).status_code == 401, "it was used to enrol"
        assert "/login" in str(tom.get("/account").url)
        assert second_step(tom, code_at(secret, step + 1)).url.path == "/"
        assert tom.get("/account").url.path == "/account"
    with Reader(shared) as tom:
        assert second_step(tom, code_at(secret, step + 1)).status_code == 401
        assert second_step(tom, recovery[0]).url.path == "/"
        assert "9 recovery codes are left" in tom.get("/account").text
    with Reader(shared) as tom:
        assert second_step(tom, recovery[0]).status_code == 401
        assert second_step(tom, recovery[1].upper()).url.path == "/"
        page = tom.get("/account")
        form = tom.form(page, "/account/factor/remove")
        assert tom.send(page, form, {"own_password": "wrong"}).status_code == 403
        assert "was removed" in tom.send(page, form, {"own_password": WORDS}).text
    assert rest(shared, "tom", WORDS, "GET", "config/active/pools").status_code == 200


def test_guessing_is_counted_at_every_surface_and_names_are_not_told(shared: Instance, admin: Reader) -> None:
    """OWASP 6: UI and REST share the count; who does not exist is answered as who does."""
    make_user(admin, "gail", "Guest")
    with Reader(shared) as guesser:
        known = guesser.log_in("gail", "wrong")
        unknown = guesser.log_in("nobody-here", "wrong")
        strip = re.compile(r'value="[^"]*"')
        assert (known.status_code, strip.sub("", known.text)) == (
            unknown.status_code,
            strip.sub("", unknown.text),
        )
        for n in range(4):
            assert rest(shared, "gail", f"wrong{n}", "GET", "config/active").status_code == 401
        assert guesser.log_in("gail", "wrong again").status_code == 429
    assert rest(shared, "gail", "wrong", "GET", "config/active").status_code == 429
    assert rest(shared, "admin", PASSWORD, "GET", "config/active").status_code == 200
    assert wait_for("it ends", lambda: rest(shared, "gail", WORDS, "GET", "config/active").status_code == 200)


def test_a_weak_password_is_told_of_once(tmp_path: Path) -> None:
    """Feature 17: nothing is forced; one who logged in with it is told, with the way to change it."""
    shared = Instance(tmp_path / "home")
    shared.password_file.write_text("admin\n")
    with shared, Reader(shared) as reader:
        first = reader.log_in("admin", "admin")
        assert "guessed first" in first.text
        assert 'href="/account#password"' in first.text
        assert "guessed first" not in reader.get("/").text
        assert "Weak password" in reader.get("/account").text
        assert rest(shared, "admin", "admin", "GET", "config/active").status_code == 200


def test_nobody_is_sent_elsewhere_nor_framed(shared: Instance) -> None:
    with Reader(shared) as reader:
        for away in (
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/%09/evil.example",
            "/login/code",
        ):
            reader.client.cookies.clear()
            page = reader.client.get("/login", params={"next": away})
            assert page.headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            form = reader.form(page, "/login")
            body = {**dict(form.fields), "username": "admin", "password": PASSWORD, "next": away}
            answer = reader.client.post("/login", data=body, follow_redirects=False)
            assert answer.headers["location"].startswith("/")
            assert "evil" not in answer.headers["location"].partition("/")[0]
            assert not answer.headers["location"].startswith(("//", "/\\"))


def test_logins_are_told_to_who_may_know_of_them_alone(shared: Instance, admin: Reader) -> None:
    """The group Guest may view logs and not the audit log: the file of events is not among them."""
    make_user(admin, "greta", "Guest")
    with Reader(shared) as greta:
        assert greta.log_in("greta", WORDS).status_code == 200
        listed = greta.get("/activity/logs").text
        assert "haproxy.log" in listed and "events.log" not in listed
        assert greta.get("/activity/logs/file?name=haproxy.log").status_code == 200
        for word in ("file", "lines", "download"):
            assert greta.get(f"/activity/logs/{word}?name=events.log").status_code == 403
    assert admin.get("/activity/logs/file?name=events.log").status_code == 200
    parts = [
        {"name": "Support_Files", "access_level": "full"},
        {"name": "Log_Viewer", "access_level": "full"},
    ]
    assert shared.put("user_groups", "helpers", {"basic": {"permissions": parts}})[0] == 201
    make_user(admin, "hank", "helpers")
    with Reader(shared) as hank:
        page = hank.log_in("hank", WORDS, "/diagnose/support")
        assert page.status_code == 200 and "/diagnose/support/report" not in page.text
        csrf = dict(hank.form(page, "/logout").fields)["csrf"]
        assert hank.client.post("/diagnose/support/report", data={"csrf": csrf}).status_code == 403


def test_sessions_show_browsers_in_words_and_what_is_none_as_text(shared: Instance, admin: Reader) -> None:
    known = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    for agent in (known, '"><img src=x onerror=alert(1)>'):
        with Reader(shared) as other:
            other.client.headers["User-Agent"] = agent
            assert other.log_in().status_code == 200
    page = admin.get("/system/sessions").text
    assert f'<span title="{known}">Firefox 128 on Linux</span>' in page
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 2, "once to read, once as title"
