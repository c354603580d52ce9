"""What the global settings and groups ask of logins, at the pages and over REST of a running instance."""

from __future__ import annotations

import re
import time

from tests.e2e.reader import PASSWORD, Reader
from tests.e2e.test_ui_access import WORDS, make_user, rest
from tools.instance import Instance, wait_for

from pointsman.identity.totp import STEP_SECONDS, code_at

POOLS = ("GET", "config/active/pools")


def ask(instance: Instance, **security: object) -> None:
    """Changes keys of `security`."""
    body = {"properties": {"security": security}}
    assert instance.rest("PUT", "config/active/global_settings", body)[0] == 200


def conditions(instance: Instance) -> str:
    """What is said of the global settings."""
    return str(instance.get("status/local_tm/conditions/global_settings"))


def test_failures_in_a_row_suspend_at_every_surface(shared: Instance, admin: Reader) -> None:
    ask(shared, max_login_attempts=3, login_delay=0, track_unknown_users=False)
    assert make_user(admin, "sue", "Guest").status_code == 200
    assert rest(shared, "sue", WORDS, *POOLS).status_code == 200
    with Reader(shared) as sue:
        for password in ("wrong1", "wrong2"):
            assert rest(shared, "sue", password, *POOLS).status_code == 401
        assert sue.log_in("sue", "wrong3").status_code == 401
        assert rest(shared, "sue", WORDS, *POOLS).status_code == 401
        assert sue.log_in("sue", WORDS).status_code == 401
        ask(shared, track_unknown_users=True)
        told = rest(shared, "sue", WORDS, *POOLS)
        assert (told.status_code, told.json()["error_id"]) == (429, "auth.invalid.wait")
        assert 0 < int(told.headers["retry-after"]) <= 901
        for number in range(3):
            assert rest(shared, "nobody-here", f"wrong{number}", *POOLS).status_code in (401, 429)
        assert rest(shared, "nobody-here", WORDS, *POOLS).status_code == 429
        page = admin.get("/system/users/sue")
        assert "Suspended for 15 min after failed logins" in page.text
        form = admin.form(page, "/system/users/sue/resume")
        assert admin.send(page, form, {"own_password": PASSWORD}).status_code == 200
        assert rest(shared, "sue", WORDS, *POOLS).status_code == 200
    ask(shared, max_login_attempts=0, track_unknown_users=False)

    def told_of() -> bool:
        events = shared.get("status/local_tm/events?tag=audit&limit=1000")["events"]
        return any(
            event["author"] == "sue" and "suspended for 15 minutes after 3" in event["reason"]
            for event in events
        )

    assert wait_for("the suspension is told", told_of)
    assert "login" not in conditions(shared)


def test_an_attempt_after_a_failure_is_held_back(shared: Instance, admin: Reader) -> None:
    ask(shared, login_delay=600)
    assert make_user(admin, "hal", "Guest").status_code == 200
    assert rest(shared, "hal", "wrong", *POOLS).status_code == 401
    with Reader(shared) as hal:
        refused = rest(shared, "hal", WORDS, *POOLS)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 601
        assert "Try again in" in hal.log_in("hal", WORDS).text
        assert rest(shared, "admin", PASSWORD, *POOLS).status_code == 200
        ask(shared, login_delay=0)
        assert hal.log_in("hal", WORDS).status_code == 200


def test_rest_waits_for_a_second_factor_that_a_group_requires(shared: Instance, admin: Reader) -> None:
    ask(shared, login_delay=0)
    everything = [{"name": "all", "access_level": "ro"}]
    group = {"basic": {"permissions": everything}, "second_factor": {"required_for": "pages"}}
    assert shared.put("user_groups", "strict", group)[0] == 201
    assert make_user(admin, "finn", "strict").status_code == 200
    refused = rest(shared, "finn", WORDS, *POOLS)
    assert (refused.status_code, refused.json()["error_id"]) == (403, "auth.second_factor_required")
    with Reader(shared) as finn:
        page = finn.log_in("finn", WORDS, "/services/pools")
        assert page.url.path == "/account"
        begun = finn.send(page, finn.form(page, "/account/factor/begin"), {"own_password": WORDS})
        found = re.search(r"secret=([A-Z2-7]{32})", begun.text)
        assert found
        code = code_at(found[1], int(time.time()) // STEP_SECONDS)
        form = finn.form(begun, "/account/factor/confirm")
        assert finn.send(begun, form, {"code": code, "api": "yes"}).status_code == 200
        assert finn.get("/services/pools").url.path == "/services/pools"
    assert rest(shared, "finn", WORDS, *POOLS).status_code == 200
    group["second_factor"] = {"required_for": "everything"}
    assert shared.put("user_groups", "strict", group)[0] == 200
    assert rest(shared, "finn", WORDS, *POOLS).status_code == 401
    assert "not yet acted on" not in str(shared.get("status/local_tm/conditions/user_groups/strict"))


def test_a_password_that_was_used_is_refused_for_a_while(shared: Instance, admin: Reader) -> None:
    ask(shared, password_reuse_after=3, password_changes_per_day=2)
    assert make_user(admin, "rita", "Guest").status_code == 200
    with Reader(shared) as rita:
        rita.log_in("rita", WORDS)

        def change(before: str, after: str) -> str:
            page = rita.get("/account")
            new: dict[str, str | list[str] | None] = {
                "own_password": before,
                "password": after,
                "again": after,
            }
            return rita.send(page, rita.form(page, "/account/password"), new).text

        assert "was changed" in change(WORDS, "brand new words")
        assert "security.password_reuse_after" in change("brand new words", WORDS)
        assert "was changed" in change("brand new words", "other new words")
        assert "security.password_changes_per_day" in change("other new words", "more new words")
    ask(shared, password_reuse_after=0, password_changes_per_day=0)
    kept = (shared.home / "identity" / "users.json").read_text()
    assert "former" in kept and "new words" not in kept


def test_texts_of_the_administrator(shared: Instance) -> None:
    """The whole way: over REST, to the pages, harmless whatever it is."""
    ask(
        shared,
        login_banner="<b>terms</b>\nof use",
        login_banner_accept=True,
        post_login_banner="<i>welcome</i>",
        ui_page_banner="<u>secret</u>",
    )
    with Reader(shared) as reader:
        page = reader.get("/login")
        assert "&lt;b&gt;terms&lt;/b&gt;\nof use" in page.text
        form = reader.form(page, "/login")
        right: dict[str, str | list[str] | None] = {"username": "admin", "password": PASSWORD}
        assert reader.send(page, form, right).status_code == 400
        inside = reader.send(page, form, {**right, "accept": "yes"})
        assert inside.status_code == 200
        assert "&lt;i&gt;welcome&lt;/i&gt;" in inside.text and "&lt;u&gt;secret&lt;/u&gt;" in inside.text
        assert "welcome" not in reader.get("/").text
    assert rest(shared, "admin", PASSWORD, *POOLS).status_code == 200
    ask(shared, login_banner="", login_banner_accept=False, post_login_banner="", ui_page_banner="")
