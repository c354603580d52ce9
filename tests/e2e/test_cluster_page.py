"""System > Traffic Managers: fingerprints confirmed before a join, members, removal with the name typed in."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tests.e2e.rest import CONFIG, Client
from tests.e2e.test_page import log_in
from tools.instance import Instance, wait_for

PAGE = "/system/traffic-managers"


def browser_of(instance: Instance) -> httpx.Client:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return httpx.Client(base_url=instance.ready["ui"], verify=context, timeout=30)


def fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form with an action."""
    (form,) = re.findall(rf'<form method="post" action="{action}".*?</form>', page, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    assert found
    return dict(found)


def test_join_and_removal_by_the_page(tmp_path: Path) -> None:
    """R46: fingerprints serve to verify the identity of members when joining; everything works without script."""
    with (
        Instance(tmp_path / "a", "--name", "pm1", "--listen", "127.0.0.2") as one,
        Instance(tmp_path / "b", "--name", "pm2", "--listen", "127.0.0.3") as two,
        browser_of(one) as at_one,
        browser_of(two) as at_two,
    ):
        for browser in (at_one, at_two):
            assert log_in(browser, "secret-for-tests").status_code == 303
        assert "is not in a cluster" in at_two.get(PAGE).text
        where = urlsplit(one.ready["ui"])
        wish = {"host": where.hostname, "port": str(where.port)}
        sent = fields(at_two.get(PAGE).text, f"{PAGE}/look")
        assert at_two.post(f"{PAGE}/look", data={**wish, "csrf": "wrong"}).status_code == 403
        shown = at_two.post(f"{PAGE}/look", data={**sent, **wish})
        assert shown.status_code == 200
        assert one.ready["sha1"] in shown.text and one.ready["sha256"] in shown.text
        join = {**fields(shown.text, f"{PAGE}/join"), "user": "admin", "part": "passive"}
        own = {"own_password": "secret-for-tests"}
        join |= own
        right = {"password": "secret-for-tests", "verified": "yes"}
        assert "Compare the fingerprints" in at_two.post(f"{PAGE}/join", data=join).text
        wrong = at_two.post(f"{PAGE}/join", data={**join, **right, "password": "wrong"})
        assert wrong.status_code == 409 and "administrator" in wrong.text
        assert at_two.post(f"{PAGE}/join", data={**join, **right}).status_code == 303
        # The users are the cluster's now, so sessions of before have ended where their passwords changed.
        assert log_in(at_two, "secret-for-tests").status_code == 303
        listed = at_two.get(PAGE).text
        assert "pm1" in listed and "pm2" in listed and "this one" in listed
        members = at_one.get(PAGE).text
        assert one.ready["sha256"] in members and two.ready["sha256"] in members
        for browser in (at_one, at_two):
            home = browser.get("/").text
            assert 'data-key="member-pm1"' in home and 'data-key="member-pm2"' in home
            assert "What the other members say" in browser.get("/diagnose").text
            assert "No edit lost to another one." in browser.get("/diagnose/replication").text
        removal = fields(members, f"{PAGE}/remove")
        assert removal["name"] == "pm2"
        assert at_one.post(f"{PAGE}/remove", data={**removal, "typed": "pm1"}).status_code == 400
        assert at_one.post(f"{PAGE}/remove", data={**removal, "typed": "pm2"}).status_code == 403
        assert at_one.post(f"{PAGE}/remove", data={**removal, **own, "typed": "pm2"}).status_code == 303
        assert Client(one).names(f"{CONFIG}/traffic_managers") == ["pm1"]
        wait_for("it is told", lambda: "was removed from its cluster" in at_two.get(PAGE).text)
        leave = fields(at_two.get(PAGE).text, f"{PAGE}/leave")
        assert at_two.post(f"{PAGE}/leave", data={**leave, **own, "typed": "pm2"}).status_code == 303
        assert "is not in a cluster" in at_two.get(PAGE).text
