"""Connections: who is connected now, to what, for how long; and who has the most of them.

Invariant: at most `SHOWN` rows, with how many there are; the engine is asked for all who look together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.connections import BRIEF_MOST, DETAILED_MOST, OpenConnection, top_talkers
from pointsman.web.ui.activity.sheet import csv_answer
from pointsman.web.ui.address import listed
from pointsman.web.ui.columns import Columns, hidden_columns, written
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.visit import Refused, Visit

CONNECTIONS = "/activity/connections"
LIVE = "/activity/connections/rows"
PERMISSION = "Connections"
SHOWN = 500
_COLUMNS = ("Virtual server", "Pool", "Node", "State", "Age", "Method", "From client", "To client")
_HEADING = (
    "client",
    "port",
    "virtual_server",
    "pool",
    "node",
    "age_seconds",
    "bytes_in",
    "bytes_out",
    "method",
    "state",
)


class ConnectionsPage:
    """Handlers of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(CONNECTIONS, self.page, PERMISSION),
            get(LIVE, self.rows, PERMISSION),
            get(f"{CONNECTIONS}.csv", self.csv, PERMISSION),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /activity/connections."""
        return await self._desk.page(visit, "activity_connections.html", **await self._values(visit))

    async def rows(self, visit: Visit) -> Response:
        """GET /activity/connections/rows: what changes, for the page's script."""
        return self._desk.part(visit, "activity_connections_rows.html", **await self._values(visit))

    async def csv(self, visit: Visit) -> Response:
        """GET /activity/connections.csv: every connection that was read and matches."""
        values = await self._values(visit)
        found: Sequence[OpenConnection] = values["found"]
        return csv_answer(
            "connections",
            _HEADING,
            (
                (
                    one.client,
                    one.port,
                    one.virtual_server,
                    one.pool,
                    one.node,
                    one.age,
                    one.bytes_in,
                    one.bytes_out,
                    one.method,
                    one.state,
                )
                for one in found
            ),
        )

    async def _values(self, visit: Visit) -> dict[str, Any]:
        looker = self._desk.control.live.connections
        if looker is None:
            raise Refused("This traffic manager cannot look at connections.", 404)
        seen = await looker.look()
        words = visit.query("q").strip()[:1000]
        found = [one for one in seen.connections if _matches(one, words.lower())]
        columns = Columns(_COLUMNS, hidden_columns(visit, len(_COLUMNS)))
        query = listed({"q": words, "hide": written(columns.hidden)})
        return {
            "seen": seen,
            "words": words,
            "found": found,
            "shown": found[:SHOWN],
            "talkers": top_talkers(found),
            "limit": DETAILED_MOST if seen.detailed else BRIEF_MOST,
            "detailed_most": DETAILED_MOST,
            "columns": columns,
            "live": f"{LIVE}{query}",
            "csv": f"{CONNECTIONS}.csv{query}",
        }


def _matches(one: OpenConnection, words: str) -> bool:
    """Whether each word stands in one of the columns."""
    if not words:
        return True
    text = "\n".join((one.client, one.virtual_server, one.pool, one.node, one.method, one.state)).lower()
    return all(word in text for word in words.split())
