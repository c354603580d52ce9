"""View Logs: the log files of the instance, their last lines, search, and download.

Invariant: lines are shown as text, whatever they hold; reading is bounded and happens beside the event loop; what tells
of logins is there for who may read the audit log alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pointsman.control.log_files import EVENTS, LogFiles
from pointsman.web.ui.address import listed
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.events.filters import AUDIT
from pointsman.web.ui.visit import Refused, Visit

LOGS = "/activity/logs"
PERMISSION = "Log_Viewer"
VIEW = "Log_Viewer!View"
FILE = "/activity/logs/file"
LINES = "/activity/logs/lines"
DOWNLOAD = "/activity/logs/download"
USUAL_LINES = 500
MOST_LINES = 2_000
LONGEST = 4_000
"""Characters of a line that are shown; the file has all."""


class LogPages:
    """Handlers of the list and of a file."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(LOGS, self.page, PERMISSION),
            get(FILE, self.file, VIEW),
            get(LINES, self.lines, VIEW),
            get(DOWNLOAD, self.download, VIEW),
        ]

    def _logs(self) -> LogFiles:
        logs = self._desk.control.live.logs
        if logs is None:
            raise Refused("This traffic manager keeps no log files.", 404)
        return logs

    async def page(self, visit: Visit) -> Response:
        """GET /activity/logs: which files there are."""
        found = await asyncio.to_thread(self._logs().files)
        files = [file for file in found if self._open_to(visit, file.name)]
        return await self._desk.page(visit, "activity_logs.html", files=files)

    async def file(self, visit: Visit) -> Response:
        """GET /activity/logs/file?name=NAME: the last lines, or those with certain words."""
        values = await self._values(visit)
        return await self._desk.page(visit, "activity_log.html", heading=visit.query("name"), **values)

    async def lines(self, visit: Visit) -> Response:
        """GET /activity/logs/lines?name=NAME: the lines alone, for the page's script."""
        return self._desk.part(visit, "activity_log_lines.html", **await self._values(visit))

    @staticmethod
    def _open_to(visit: Visit, name: str) -> bool:
        return name != EVENTS or visit.may(AUDIT)

    def _named(self, visit: Visit) -> str:
        name = visit.query("name")
        if not self._open_to(visit, name):
            raise Refused(f"This file tells of logins and changes: it takes the permission {AUDIT}.", 403)
        return name

    async def _values(self, visit: Visit) -> dict[str, Any]:
        name, words = self._named(visit), visit.query("q").strip()[:1000]
        count = visit.number("lines", USUAL_LINES, 1, MOST_LINES)
        try:
            tail = await asyncio.to_thread(self._logs().tail, name, words, count)
        except FileNotFoundError:
            raise Refused("There is no such log file.", 404) from None
        shown = [
            line if len(line) <= LONGEST else f"{line[:LONGEST]} ... ({len(line)} characters)"
            for line in reversed(tail.lines)
        ]
        return {
            "name": name,
            "words": words,
            "count": count,
            "tail": tail,
            "lines": shown,
            "live": f"{LINES}{listed({'name': name, 'q': words, 'lines': count})}",
            "download": f"{DOWNLOAD}{listed({'name': name})}",
        }

    async def download(self, visit: Visit) -> Response:
        """GET /activity/logs/download?name=NAME: the file as it is now."""
        name = self._named(visit)
        try:
            size, pieces = await asyncio.to_thread(self._logs().content, name)
        except FileNotFoundError:
            raise Refused("There is no such log file.", 404) from None
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Length": str(size),
        }
        return StreamingResponse(_beside(pieces), media_type="text/plain; charset=utf-8", headers=headers)


async def _beside(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, each read in a thread."""
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
