"""Pages in another language in a browser: the scripts speak it too, and a refresh does not bring English back."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from tests import pseudo
from tests.browser.conftest import Visit
from tools.instance import Instance, wait_for

MARKED = re.compile(r"^\[!! .* !!\]$")


def test_scripts_speak_the_language_of_the_page(shared: Instance, visit: Visit) -> None:
    directory = shared.home / "languages"
    directory.mkdir()
    # Beyond what a header of an answer can hold as it is, and with what would end a script.
    catalog = pseudo.catalog().decode().replace(f"{pseudo.CLOSE}", f" \u017b</script>{pseudo.CLOSE}")
    (directory / f"{pseudo.CODE}.po").write_text(catalog, encoding="utf-8")
    visitor = visit(shared.ready["ui"], extra_http_headers={"Accept-Language": pseudo.CODE})

    def spoken() -> bool:
        return "\u017b</script>" in visitor.open("/login").inner_text("body")

    wait_for("the catalog is used", spoken)
    page = visitor.log_in(path="/services")
    expect(page.locator("html")).to_have_attribute("lang", pseudo.CODE)
    light = page.locator("#light .state")
    expect(light).to_have_text(MARKED)
    with page.expect_response(re.compile("/services/live")) as refreshed:
        pass
    assert refreshed.value.headers["pointsman-light"].isascii()
    pause = page.locator("#live-pause")
    expect(pause).to_have_text(MARKED)
    expect(light).to_have_text(MARKED)
    pause.click()
    expect(pause).to_have_text(re.compile(r"^\[!! Resume "))
    page.keyboard.press("Control+k")
    expect(page.locator("dialog input")).to_have_attribute("placeholder", MARKED)
    visitor.look("language-palette")
