"""What an object's page says of who changed it last, and of what a new name breaks."""

from __future__ import annotations

from pathlib import Path

from tests.unit.web_ui.test_login import log_in, open_site

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Put

NODES = {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}]}}


async def test_what_the_product_made_has_a_maker_and_a_new_name_a_price(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        made = Put(ObjectId("pools", "demo"), NODES)
        await site.running.control.edit(Author("", "", "product"), [made])
        await log_in(site.browser)
        page = (await site.browser.get("/services/pools/demo")).text
        assert "<dt>Last change</dt><dd>the product, " in page
        assert "Scripts that use its old name must be changed by hand." in page
