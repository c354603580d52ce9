"""The event log as it grows, as Server-Sent Events to a browser.

Invariant: a stream ends with its session, with the right to read, with the connection and with the control plane; it
keeps no session alive; how many a user has is bounded; no other site can open one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pointsman.console.defence import is_same_site
from pointsman.telemetry.event_log import EventLog, LoggedEvent
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.events.filters import AUDIT, EventFilter
from pointsman.web.ui.events.listing import shown_events
from pointsman.web.ui.visit import Refused, Visit

MOST_OF_USER = 5
MOST_OF_ALL = 60
HEARTBEAT_SECONDS = 15.0
_LOOK_SECONDS = 1.0
"""How often a stream looks whether it may go on."""
_PAUSE_SECONDS = 0.3
"""Between two pieces, so that a storm of events is sent in few."""
_BATCH = 200
RETRY_MILLISECONDS = 3000


class Tail:
    """The streams of one instance."""

    def __init__(self, desk: Desk, permission: str) -> None:
        self._desk = desk
        self._permission = permission
        self._open: Counter[str] = Counter()

    async def answer(self, visit: Visit, log: EventLog, wanted: EventFilter) -> Response:
        """A stream of the events that match, beginning after the one that the browser saw last. Raises `Refused`."""
        if not is_same_site(visit.request.headers):
            raise Refused("The request comes from another site; open the page itself.", 403)
        if self._open[visit.user] >= MOST_OF_USER or self._open.total() >= MOST_OF_ALL:
            raise Refused("Too many pages follow the log already; close one of them.", 429)
        seen = visit.request.headers.get("last-event-id", "") or visit.query("after")
        query = wanted.query
        after = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 18 else await log.newest()
        return _Stream(
            self._lines(visit, log, wanted, after, query.until),
            lambda: self._opened(visit.user),
            lambda: self._closed(visit.user),
        )

    def _opened(self, user: str) -> None:
        self._open[user] += 1

    def _closed(self, user: str) -> None:
        self._open[user] -= 1
        if self._open[user] <= 0:
            del self._open[user]

    async def _lines(
        self, visit: Visit, log: EventLog, wanted: EventFilter, after: int, until: float | None
    ) -> AsyncIterator[bytes]:
        woken = asyncio.Event()
        ignore = log.listen(woken.set)
        try:
            # Where it begins, so that a browser whose connection breaks before anything happened misses nothing.
            yield f"retry: {RETRY_MILLISECONDS}\nid: {after}\nevent: at\ndata: {after}\n\n".encode()
            said = time.monotonic()
            while self._may_go_on(visit, wanted) and (until is None or time.time() <= until):
                woken.clear()
                try:
                    found = await log.find(replace(wanted.query, after=after, limit=_BATCH))
                except sqlite3.Error:
                    return
                if found:
                    after = found[-1].number
                    said = time.monotonic()
                    yield self._piece(visit, found)
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                if time.monotonic() - said >= HEARTBEAT_SECONDS:
                    said = time.monotonic()
                    yield b": still here\n\n"
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await woken.wait()
                except TimeoutError:
                    continue
            yield b"event: end\ndata: over\n\n"
        finally:
            ignore()

    def _may_go_on(self, visit: Visit, wanted: EventFilter) -> bool:
        draining: Callable[[], bool] | None = visit.request.scope.get("extensions", {}).get(
            "pointsman.ending"
        )
        return (
            self._desk.users.sessions.holds(visit.session)
            and visit.may(self._permission)
            and (visit.may(AUDIT) or not wanted.audit)
            and not (draining is not None and draining())
        )

    def _piece(self, visit: Visit, found: Sequence[LoggedEvent]) -> bytes:
        """Rows of the table, the newest first as on the page."""
        newest_first = list(reversed(found))
        page = self._desk.part(visit, "event_rows_only.html", events=shown_events(newest_first))
        text = bytes(page.body).decode()
        data = "".join(f"data: {line}\n" for line in text.splitlines() if line)
        return f"id: {newest_first[0].number}\n{data}\n".encode()


class _Stream(StreamingResponse):
    """An answer that says when it begins and when it is over, however it ended."""

    def __init__(
        self, lines: AsyncIterator[bytes], opened: Callable[[], None], closed: Callable[[], None]
    ) -> None:
        super().__init__(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._opened = opened
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream to its end."""
        self._opened()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()
