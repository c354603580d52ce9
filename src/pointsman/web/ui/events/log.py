"""Diagnose > Event Log: what happened, filtered and page by page, as it grows, one event, and as a file.

Invariant: it only reads; one page takes the same time whatever the length of the log.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.telemetry.event_log import EventLog, EventQuery, LoggedEvent
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.events.filters import AUDIT, AUDIT_TAG, EventFilter, read_filter
from pointsman.web.ui.events.listing import EVENT_LOG, MARKS, WORDS, shown_event, shown_events
from pointsman.web.ui.events.tail import Tail
from pointsman.web.ui.export import Row, send_table
from pointsman.web.ui.moment import write_moment
from pointsman.web.ui.visit import Refused, Visit

PERMISSION = "Event_Log"
TAIL = f"{EVENT_LOG}/tail"
PAGE = 100
_BATCH = 1000
_TAGS_SECONDS = 60.0
_COLUMNS = ("number", "time", "severity", "object", "tag", "detail", "author", "reason")
_UNREADABLE = "The event log cannot be read at present; the program's log says why. Try again."


class EventPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tail = Tail(desk, PERMISSION)
        self._tags: tuple[float, tuple[str, ...]] = (float("-inf"), ())

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(EVENT_LOG, self.page, PERMISSION),
            get(TAIL, self.tail, PERMISSION),
            get(f"{EVENT_LOG}.{{form}}", self.export, PERMISSION),
            get(f"{EVENT_LOG}/{{number:int}}", self.one, PERMISSION),
        ]

    @property
    def _log(self) -> EventLog:
        log = self._desk.control.live.events
        if log is None:
            raise Refused(_UNREADABLE, 503)
        return log

    async def page(self, visit: Visit) -> Response:
        """GET /diagnose/event-log: a page of events, the newest first."""
        wanted = read_filter(visit)
        before = visit.number("before", 0, 0, 10**12) or None
        found = await self._find(replace(wanted.query, before=before, limit=PAGE + 1))
        shown = found[:PAGE]
        return await self._desk.page(
            visit,
            "event_log.html",
            wanted=wanted,
            events=shown_events(shown),
            older=wanted.address(before=shown[-1].number) if len(found) > PAGE else "",
            newer=wanted.address() if before else "",
            tail=""
            if before or wanted.until
            else wanted.address(TAIL, after=shown[0].number if shown else 0),
            severities=[(one.value, WORDS[one], MARKS[one]) for one in Severity],
            tags=await self._known_tags(),
            spans=[
                (title, wanted.since_only(write_moment(visit.now - seconds)).address())
                for title, seconds in (("hour", 3600), ("day", 86_400), ("week", 7 * 86_400))
            ],
        )

    async def tail(self, visit: Visit) -> Response:
        """GET /diagnose/event-log/tail: the same, for ever, for the page's script."""
        try:
            return await self._tail.answer(visit, self._log, read_filter(visit))
        except sqlite3.Error:
            raise Refused(_UNREADABLE, 503) from None

    async def one(self, visit: Visit) -> Response:
        """GET /diagnose/event-log/<number>: one event."""
        number = int(visit.name("number"))
        try:
            logged = await self._log.one(number) if number < 2**63 else None
        except sqlite3.Error:
            raise Refused(_UNREADABLE, 503) from None
        if logged is None or (logged.event.tag == AUDIT_TAG and not visit.may(AUDIT)):
            raise Refused("There is no such event, or it is older than what is kept.", 404)
        event = logged.event
        moment = logged.time
        return await self._desk.page(
            visit,
            "event.html",
            heading=say("Event {number}", number=str(number)),
            shown=shown_event(logged),
            same_object=EventFilter(about=str(event.subject)).address() if event.subject else "",
            same_tag=EventFilter(tag=event.tag).address(),
            around=EventFilter(since=write_moment(moment - 300), until=write_moment(moment + 360)).address(),
        )

    async def export(self, visit: Visit) -> Response:
        """GET /diagnose/event-log.csv or .json: everything that matches."""
        wanted = read_filter(visit)
        query = wanted.query
        answer = send_table(visit.name("form"), "event-log", _COLUMNS, self._rows(self._log, query))
        text = f"exported the event log at UI from {visit.author.address}"
        self._desk.control.record(Event("general", "audit", Severity.INFO, None, text, author=visit.user))
        return answer

    async def _rows(self, log: EventLog, query: EventQuery) -> AsyncIterator[Sequence[Row]]:
        before: int | None = None
        while found := await log.find(replace(query, before=before, limit=_BATCH)):
            yield [_row(logged) for logged in found]
            before = found[-1].number

    async def _find(self, query: EventQuery) -> tuple[LoggedEvent, ...]:
        try:
            return await self._log.find(query)
        except sqlite3.Error:
            raise Refused(_UNREADABLE, 503) from None

    async def _known_tags(self) -> tuple[str, ...]:
        """The tags to choose from; those of a minute ago will do."""
        now = time.monotonic()
        if now - self._tags[0] > _TAGS_SECONDS:
            try:
                self._tags = (now, await self._log.tags())
            except sqlite3.Error:
                return ()
        return self._tags[1]


def _row(logged: LoggedEvent) -> Row:
    event = logged.event
    subject: ObjectId | None = event.subject
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(logged.time))
    return {
        "number": logged.number,
        "time": f"{moment}.{int(logged.time % 1 * 1000):03}Z",
        "severity": event.severity.value,
        "object": str(subject) if subject is not None else "",
        "tag": event.tag,
        "detail": event.detail,
        "author": event.author,
        "reason": event.reason,
    }
