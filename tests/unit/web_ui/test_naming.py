"""The one-way switch from a host name to an address."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.unit.web_ui.test_licences import open_unlicensed, token

from pointsman.identity.called import Called, Wish, read_called, write_called

PLACE = "/system/traffic-managers/replace-name"


async def test_the_name_is_replaced_once_it_is_confirmed(tmp_path: Path) -> None:
    """R50: host name to IP only, with a choice of addresses; the page says that the way back is the script."""
    async with open_unlicensed(tmp_path, community=True) as site:
        write_called(tmp_path, Called("pm1", "1"))
        asked = asyncio.Event()

        def restart() -> bool:
            asked.set()
            return True

        site.running.control.renaming.restart = restart
        page = await site.browser.get(PLACE)
        assert "There is no way back on this page" in page.text
        assert "<code>configure</code>" in page.text
        assert page.text.count("<option>") == 2
        csrf = token(page)
        form = {"csrf": csrf, "address": "10.0.0.2", "confirm": "yes"}
        for changed, status, said in (
            ({"csrf": "x"}, 403, "not from this session"),
            ({"confirm": ""}, 400, "Please confirm"),
            ({"address": "192.0.2.99"}, 400, "192.0.2.99 is no address of this machine"),
            ({"address": "<script>"}, 400, "&lt;script&gt; is no IP address"),
        ):
            refused = await site.browser.post(PLACE, data=form | changed)
            assert (refused.status_code, said in refused.text) == (status, True)
        assert (await site.browser.post(PLACE, json={})).status_code == 400
        assert read_called(tmp_path) == Called("pm1", "1")
        done = await site.browser.post(PLACE, data=form)
        assert done.status_code == 200
        assert "The name will be replaced." in done.text
        await asyncio.wait_for(asked.wait(), 5)
        called = read_called(tmp_path)
        assert called is not None
        assert called.wish == Wish("10.0.0.2", "admin", "192.0.2.8", "ui")
