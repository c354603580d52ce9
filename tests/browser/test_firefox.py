"""The page in Firefox."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.marionette import FIREFOX, Firefox
from tests.browser.visitor import PASSWORD, USER
from tools.instance import Instance, wait_for


@pytest.mark.skipif(not FIREFOX.exists(), reason=f"there is no {FIREFOX}: install Debian's firefox-esr")
def test_login_live_page_and_logout(shared: Instance, tmp_path: Path) -> None:
    """R10: Firefox, without a plug-in: login, a page that follows what happens, logout."""
    with Firefox(tmp_path) as firefox:
        firefox.open(shared.ready["ui"])
        firefox.write("input[name=username]", USER)
        firefox.write("input[name=password]", "wrong")
        firefox.click("button[type=submit]")
        assert firefox.text("[role=alert]") == "User name or password is wrong."
        firefox.write("input[name=password]", PASSWORD)
        firefox.click("button[type=submit]")
        assert firefox.text("h1") == "Home"
        assert shared.ready["sha256"] in firefox.text(".prints")
        assert shared.put("pools", "seen", {"basic": {"nodes_table": [{"node": "127.0.0.1:9"}]}})[0] == 201
        basic = {"enabled": False, "port": 8000, "pool": "seen"}
        assert shared.put("virtual_servers", "seen", {"basic": basic})[0] == 201
        wait_for("the service on the page", lambda: "seen" in firefox.text("#live"))
        firefox.click("form[action='/logout'] button")
        firefox.find("input[name=password]")
