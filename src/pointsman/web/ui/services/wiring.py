"""Puts the pages about services together, and says what they add to the pages of objects.

Invariant: one map of services is shared by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import Route

from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.objects.extra import Extra
from pointsman.web.ui.services.acts import Acts
from pointsman.web.ui.services.draining import DrainingPage
from pointsman.web.ui.services.lists import GroupColumns, PoolColumns, ServerColumns
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.overview import ServicesOverview
from pointsman.web.ui.services.panels import ServicePanels
from pointsman.web.ui.services.pool import PoolPages
from pointsman.web.ui.services.why import Why


class Services:
    """All of them."""

    def __init__(self, desk: Desk, changing: Changing) -> None:
        maps = Maps(desk)
        panels = ServicePanels(desk, maps)
        pools = PoolPages(desk, changing, maps, panels)
        parts = (
            ServicesOverview(desk, maps),
            Acts(desk, changing),
            panels,
            pools,
            Why(desk, maps),
            DrainingPage(desk),
        )
        self.routes: list[Route] = [route for part in parts for route in part.routes]
        """Where they are."""
        self.extras: Mapping[str, Extra] = {
            "virtual_servers": Extra(panels.server, ServerColumns(desk, maps)),
            "pools": Extra(pools.panel, PoolColumns(desk, maps)),
            "traffic_ip_groups": Extra(panels.group, GroupColumns(desk, maps)),
            "monitors": Extra(panels.monitor),
        }
        """What is added to the pages of objects, by type."""
