"""What is not there leads to what is: a kept address of an object that was deleted since, or somebody else's page."""

from __future__ import annotations

from pathlib import Path

from tests.unit.web_ui.test_login import log_in, open_site


async def test_what_is_not_there_leads_to_the_list(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await log_in(site.browser)
        page = await site.browser.get("/services/pools/gone")
        assert page.status_code == 404
        assert "<h1>Not found</h1>" in page.text and "There is no pool called gone." in page.text
        assert '<a class="button plain" href="/services/pools">Pools</a>' in page.text


async def test_a_run_of_a_wizard_that_is_over_leads_to_the_wizards(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await log_in(site.browser)
        page = await site.browser.get("/wizards/new-service/no-such-run/2")
        assert page.status_code == 404
        assert '<a class="button plain" href="/wizards">Wizards</a>' in page.text


async def test_what_is_not_permitted_is_called_that(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.users.create("nick", "four words of nick", ())
        await log_in(site.browser, "nick", "four words of nick")
        page = await site.browser.get("/services/pools")
        assert page.status_code == 403
        assert "<h1>Not permitted</h1>" in page.text
        assert '<a class="button plain" href="/">Home</a>' in page.text
