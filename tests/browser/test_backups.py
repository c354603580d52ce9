"""Backups in a real browser: made, compared, restored, downloaded, deleted; hostile text is text."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import expect
from tests.browser.conftest import Visit
from tests.browser.test_cluster import LONG, TAG, TURNED, look_everywhere
from tests.browser.visitor import PASSWORD
from tools.instance import Instance

NAME = "<img onerror=alert(2)>?#%25 \u05d0\"'" + "w" * 60


def test_a_backup_is_made_compared_and_restored(shared: Instance, visit: Visit, tmp_path: Path) -> None:
    """R52, R58: made, described, compared, restored on its own page, downloaded, deleted; that backups go with the
    instance stands there.
    """
    for pool in (TAG, LONG):
        assert shared.put("pools", pool, {"basic": {"note": TAG + TURNED}})[0] == 201
    visitor = visit(shared.ready["ui"])
    visitor.expected = ["status of 400", "status of 403", "status of 404"]
    page = visitor.log_in()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    page.get_by_role("link", name="Configuration Backups").click()
    expect(page.get_by_text("not copied to other members of its cluster")).to_be_visible()
    create = page.locator("form[action$=create]")
    create.get_by_label("Name").fill(NAME)
    create.get_by_label("Description").fill(TAG + "d" * 900)
    create.get_by_role("button").click()
    expect(page.get_by_role("heading", name=f"Backup {NAME}")).to_be_visible()
    there = page.url
    look_everywhere(page, visitor.look, "backup")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    page.get_by_role("link", name="Configuration Backups").click()
    expect(page.get_by_role("heading", name="Make a backup")).to_be_visible()
    look_everywhere(page, visitor.look, "backups")
    assert shared.put("pools", TAG, {"basic": {"note": "changed " + "n" * 5000}})[0] == 200
    page.get_by_role("link", name=NAME).click()
    expect(page).to_have_url(there)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("table", name="Changes")).to_contain_text("changed n")
    look_everywhere(page, visitor.look, "compared")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_text("Nothing was changed yet.")).to_be_visible()
    look_everywhere(page, visitor.look, "preview")
    restore = page.get_by_role("button", name="Restore", exact=True)
    restore.click()
    expect(page.get_by_role("alert")).to_contain_text("confirm")
    page.get_by_label("Restore it now").check()
    page.get_by_label("Your own password").fill(PASSWORD)
    restore.click()
    expect(page.get_by_role("heading", name="Restored")).to_be_visible()
    path = f"config/active/pools/{quote(TAG, safe='')}"
    assert shared.get(path)["properties"]["basic"]["note"] == TAG + TURNED
    page.get_by_label("Passwords of the users too").check()
    page.get_by_label("Restore it now").check()
    page.get_by_label("Your own password").fill("wrong")
    restore.click()
    expect(page.get_by_role("alert")).to_contain_text("own password")
    expect(page.get_by_label("Your own password")).to_have_value("")
    page.get_by_label("Private keys and passwords").select_option("exclude")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    saved = tmp_path / "saved.tar"
    download.value.save_as(saved)
    assert saved.stat().st_size > 1024 and PASSWORD.encode() not in saved.read_bytes()
    page.get_by_label("Delete this backup for good").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There are no backups.")).to_be_visible()


def test_login_leads_to_a_backup_whatever_its_name(shared: Instance, visit: Visit) -> None:
    path = f"/system/backups/backup/{quote(NAME, safe='')}"
    visitor = visit(shared.ready["ui"])
    visitor.expected = ["status of 404"]
    page = visitor.log_in(path=path)
    expect(page.get_by_role("alert")).to_contain_text("There is no backup")
    assert page.url.endswith(path)
