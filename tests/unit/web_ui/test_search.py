"""The search finds what people have in their hands: a port, an address, a node."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from tests.running import AUTHOR
from tests.unit.web_ui.test_login import Site, log_in, open_site

from pointsman.schema.problem import ObjectId
from pointsman.store import Put

MADE = (
    Put(ObjectId("pools", "app"), {"basic": {"nodes_table": [{"node": "10.0.0.7:8081"}, {"node": "b:80"}]}}),
    Put(
        ObjectId("virtual_servers", "web"),
        {"basic": {"port": 18443, "pool": "app", "listen_on_any": False, "listen_on_hosts": ["192.0.2.4"]}},
    ),
    Put(ObjectId("traffic_ip_groups", "ips"), {"basic": {"ipaddresses": ["192.0.2.99"]}}),
)


async def found(site: Site, words: str) -> list[str]:
    """Where the hits lead, the best first."""
    page = (await site.browser.get("/search/found", params={"q": words})).text
    return [html.unescape(path) for path in re.findall(r'<li><a href="([^"]+)"', page)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("18443", "/services/virtual-servers/web"),
        ("192.0.2.4", "/services/virtual-servers/web"),
        ("192.0.2.99", "/services/traffic-ip-groups/ips"),
        ("10.0.0.7", "/services/pools/app#node-10.0.0.7%3A8081"),
        ("8081 app", "/services/pools/app#node-10.0.0.7%3A8081"),
    ],
)
async def test_ports_addresses_and_nodes_are_found(tmp_path: Path, words: str, first: str) -> None:
    async with open_site(tmp_path) as site:
        await site.running.control.edit(AUTHOR, MADE)
        await log_in(site.browser)
        assert (await found(site, words))[:1] == [first]


async def test_nodes_are_for_who_may_see_pools(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.running.control.edit(AUTHOR, MADE)
        await site.users.create("nick", "four words of nick", ())
        await log_in(site.browser, "nick", "four words of nick")
        assert await found(site, "10.0.0.7") == []
