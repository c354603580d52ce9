"""The pages about licences in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, expect
from tests.browser.conftest import Visit
from tests.licences import FINGERPRINT, licence_key
from tools.instance import Instance


@pytest.mark.parametrize("scripts", [True, False])
def test_the_choice_of_community_edition_is_asked_for_once(
    provisioned: Instance, visit: Visit, scripts: bool
) -> None:
    """R17: the first login presents an unlicensed page; once chosen, it never comes again, after a restart neither."""
    visitor = visit(provisioned.ready["ui"], java_script_enabled=scripts)
    page = visitor.log_in()
    expect(page.get_by_role("heading", name="There is no licence yet")).to_be_visible()
    visitor.open("/")
    expect(page.get_by_role("heading", name="There is no licence yet")).to_be_visible()
    if scripts:  # playwright measures by script
        visitor.look("unlicensed")
    page.get_by_role("button", name="Use Community Edition").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    visitor.open("/unlicensed")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    visitor.context.close()
    provisioned.stop()
    provisioned.start()
    page = visit(provisioned.ready["ui"]).log_in(path="/unlicensed")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_keys_are_uploaded_pasted_and_removed(provisioned: Instance, visit: Visit) -> None:
    """R67: System > Licenses: keys at any time; R17: a key answers the question of the unlicensed page too."""
    visitor = visit(provisioned.ready["ui"])
    visitor.expected = ["status of 400"]
    page = visitor.log_in()
    add = page.get_by_role("button", name="Add the key")
    page.get_by_label("Licence key").fill("Zeus licence key, serial 1")
    add.click()
    expect(page.get_by_role("alert")).to_contain_text("another product")
    page.get_by_label("Licence key").fill("")
    key = licence_key("A", bandwidth=20_000_000)
    file = FilePayload(name="my.key", mimeType="application/octet-stream", buffer=key)
    page.get_by_label("or its file").set_input_files(file)
    add.click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    page.get_by_role("link", name="Licenses").click()
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="in use")).to_contain_text("20 Mb/s")
    expect(page.get_by_text(FINGERPRINT)).to_be_visible()
    # A browser sends a pasted text with carriage returns.
    page.get_by_label("Licence key").fill(licence_key("B").decode())
    add.click()
    expect(page.get_by_role("row")).to_have_count(3)
    expect(rows.filter(has_text="valid, another is in use")).to_contain_text("20 Mb/s")
    for serial in ("A", "B"):
        remove = page.get_by_role("button", name=f"Remove {serial}")
        remove.click()
        expect(remove).to_have_count(0)
    expect(page.get_by_text("No licence key is installed.")).to_be_visible()
    visitor.open("/")
    expect(page.get_by_role("heading", name="There is no licence yet")).to_be_visible()
