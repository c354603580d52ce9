"""The Activity tab: puts its pages together.

Invariant: without a history there are no graphs, and every other page all the same.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from pointsman.web.ui.activity.connections import ConnectionsPage
from pointsman.web.ui.activity.graphs import Graphs
from pointsman.web.ui.activity.logs import LogPages
from pointsman.web.ui.activity.map import MapPage
from pointsman.web.ui.activity.statistics import StatisticsPage
from pointsman.web.ui.activity.tables import Tables
from pointsman.web.ui.desk import Desk


def activity_routes(desk: Desk) -> list[BaseRoute]:
    """The routes of the tab; graphs only where there is a history to draw."""
    history = desk.control.live.history
    graphs = () if history is None else Graphs(desk, history).routes
    tables = Tables(desk.control)
    return [
        *graphs,
        *StatisticsPage(desk, tables).routes,
        *ConnectionsPage(desk).routes,
        *MapPage(desk, tables).routes,
        *LogPages(desk).routes,
    ]
