"""Settings that nothing acts on yet are called that before anybody relies on them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.running import AUTHOR
from tests.unit.web_ui.test_login import log_in, open_site

from pointsman.compiler.effect import is_idle
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import Key
from pointsman.schema.validate import build
from pointsman.store import Put
from pointsman.web.ui.objects.form import section_views

IDLE = "Stored, but not acted on yet."


def test_a_key_is_idle_where_none_of_its_parts_acts() -> None:
    """Whether the whole key acts, or a column of its table, decides."""
    kinds = {kind.path: kind for kind in RESOURCE_TYPES}

    def key(path: str, section: str, name: str) -> Key:
        found = kinds[path].key(section, name)
        assert found is not None
        return found

    assert not is_idle("pools", key("pools", "basic", "nodes_table"))
    assert not is_idle("pools", key("pools", "basic", "monitors"))
    assert is_idle("virtual_servers", key("virtual_servers", "aptimizer", "enabled"))


def test_a_section_is_idle_where_all_of_it_is() -> None:
    kind = next(kind for kind in RESOURCE_TYPES if kind.path == "virtual_servers")
    server = build(kind, "v", {"basic": {"port": 80, "pool": "p"}})
    idle = {view.name: view.idle for view in section_views(kind, server, lambda path: ())}  # type: ignore[arg-type] # it has settings
    assert idle["aptimizer"]
    assert not idle["basic"] and not idle["connection"]


async def test_a_page_says_so_and_shows_what_acts_first(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        pool = Put(ObjectId("pools", "p"), {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}]}})
        server = Put(ObjectId("virtual_servers", "v"), {"basic": {"port": 80, "pool": "p"}})
        await site.running.control.edit(AUTHOR, [pool, server])
        await log_in(site.browser)
        page = (await site.browser.get("/services/virtual-servers/v")).text
        fields = dict(re.findall(r'data-field="([^"]+)"(.*?)(?=data-field=|</form>)', page, re.S))
        assert IDLE in fields["basic.slm_class"]
        assert IDLE not in fields["basic.port"]
        summaries = re.findall(r"<summary>(.*?)</summary>", page)
        idle = ["not acted on yet" in one for one in summaries if "SSL" not in one]
        assert idle == sorted(idle) and 0 < sum(idle) < len(idle)
