"""What was sent after the session had ended: nothing is done; the login says so and leads back to the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.web_ui.test_login import Site, log_in, open_site

HERE = "https://pm1.example:9090"
LOST = "what you sent was not done"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened


async def test_the_login_leads_back_to_the_page_that_was_sent_from(site: Site) -> None:
    sent_from = f"{HERE}/services/pools/a%20b?q=c"
    away = await site.browser.post(
        "/services/acts/nodes", data={"do": "drain"}, headers={"Referer": sent_from}
    )
    assert away.status_code == 303
    page = await site.browser.get(away.headers["location"])
    assert LOST in page.text
    back = await log_in(site.browser, path=away.headers["location"])
    assert back.headers["location"] == "/services/pools/a%20b?q=c"
    assert LOST not in (await site.browser.get("/login?next=/")).text


@pytest.mark.parametrize(
    "sent_from", ["", "https://elsewhere.example/services", f"{HERE}//elsewhere.example/"]
)
async def test_it_leads_nowhere_else(site: Site, sent_from: str) -> None:
    away = await site.browser.post("/services/acts/nodes", headers={"Referer": sent_from})
    back = await log_in(site.browser, path=away.headers["location"])
    assert back.headers["location"] == "/"
