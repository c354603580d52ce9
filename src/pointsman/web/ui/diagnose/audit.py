"""Diagnose > Audit Log: who did what, from where and through which surface, with every field before and after.

Invariant: it only reads; secrets show as fingerprints, because the log holds nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.audit import SURFACES, AuditQuery, AuditTrail, Entry, Kind, Place
from pointsman.control.journal import by_object, told
from pointsman.schema.event import Event, Severity
from pointsman.store import ChangeRecord
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.export import Row, send_table
from pointsman.web.ui.moment import read_moment, same_moment, write_moment
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.trouble_list import called
from pointsman.web.ui.value_text import value_text
from pointsman.web.ui.visit import Refused, Visit

AUDIT_LOG = "/diagnose/audit-log"
PERMISSION = "Audit_Log"
PAGE = 100
MOST_FIELDS = 500
_LONGEST = 2000
_TYPED = 300
_BATCH = 100
_UNREADABLE = "The audit log cannot be read at present; the program's log says why. Try again."
_COLUMNS = (
    "time",
    "user",
    "address",
    "surface",
    "what",
    "refused",
    "revision",
    "event",
    "object",
    "field",
    "before",
    "after",
)
_NAMES = ("kind", "user", "surface", "text", "since", "until")


@dataclass(frozen=True)
class AuditFilter:
    """What was asked for, as it was typed."""

    kind: str = ""
    user: str = ""
    surface: str = ""
    text: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> AuditQuery:
        """The query of the trail. Raises `Refused` for what is no time."""
        kind = self.kind if self.kind in get_args(Kind) else ""
        return AuditQuery(
            cast("Kind", kind),
            self.user,
            self.surface,
            self.text,
            read_moment(self.since),
            read_moment(self.until),
        )

    def address(self, path: str = AUDIT_LOG, **more: object) -> str:
        """The address of a page with this filter."""
        values = [(name, str(getattr(self, name))) for name in _NAMES if getattr(self, name)]
        values += [(name, str(value)) for name, value in more.items() if value]
        return f"{path}?{urlencode(values)}" if values else path

    @property
    def empty(self) -> bool:
        """Whether everything is wanted."""
        return self == AuditFilter()


@dataclass(frozen=True)
class ShownEntry:
    """An entry as the list shows it; `path` leads to all of it."""

    entry: Entry
    path: str
    surface: str
    objects: tuple[tuple[str, str], ...]
    more_objects: int


@dataclass(frozen=True)
class ShownField:
    """A field before and after as text, "" where it was not set."""

    path: str
    before: str
    after: str


class AuditPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._trail = AuditTrail(desk.control)

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        get = self._desk.get
        return [
            get(AUDIT_LOG, self.page, PERMISSION),
            get(f"{AUDIT_LOG}.{{form}}", self.export, PERMISSION),
            get(f"{AUDIT_LOG}/{{revision:int}}", self.one, PERMISSION),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /diagnose/audit-log: a page of entries, the newest first."""
        wanted = _read_filter(visit)
        place = Place(visit.number("revision", 0, 0, 10**12), visit.number("event", 0, 0, 10**12))
        try:
            entries, end = await self._trail.find(wanted.query, PAGE, place)
        except sqlite3.Error:
            raise Refused(_UNREADABLE, 503) from None
        return await self._desk.page(
            visit,
            "audit_log.html",
            wanted=wanted,
            entries=[_shown(entry) for entry in entries],
            surfaces=SURFACES,
            older=wanted.address(revision=end.revision, event=end.event) if end else "",
            newer=wanted.address() if place != Place() else "",
            today=AuditFilter(since=write_moment(visit.now // 86_400 * 86_400)).address(),
        )

    async def one(self, visit: Visit) -> Response:
        """GET /diagnose/audit-log/<revision>: one change with all its fields."""
        revision = int(visit.name("revision"))
        read = await self._trail.one(revision) if revision < 2**62 else None
        if read is None:
            raise Refused("There is no such change, or it is older than what the log keeps.", 404)
        found, more_objects = read
        author = found.author
        objects = []
        room = MOST_FIELDS
        for identity, act, records in by_object(found.changes):
            fields = [shown_field(record) for record in records[: max(0, room)]]
            room -= len(fields)
            objects.append((called(identity), address_of(identity), act, fields, len(records) - len(fields)))
        return await self._desk.page(
            visit,
            "audit_entry.html",
            heading=say("Change {number}", number=str(revision)),
            change=found,
            surface=SURFACES.get(author.surface, author.surface),
            objects=objects,
            more_objects=more_objects,
            by_user=AuditFilter(user=author.name).address() if author.name else "",
            latest=self._desk.control.revision,
        )

    async def export(self, visit: Visit) -> Response:
        """GET /diagnose/audit-log.csv or .json: a row to each field of each entry that matches."""
        query = _read_filter(visit).query
        answer = send_table(visit.name("form"), "audit-log", _COLUMNS, self._rows(query))
        text = f"exported the audit log at UI from {visit.author.address}"
        self._desk.control.record(Event("general", "audit", Severity.INFO, None, text, author=visit.user))
        return answer

    async def _rows(self, query: AuditQuery) -> AsyncIterator[Sequence[Row]]:
        place: Place | None = Place()
        while place is not None:
            entries, place = await self._trail.find(query, _BATCH, place, whole=True)
            yield [row for entry in entries for row in _rows_of(entry)]


def _read_filter(visit: Visit) -> AuditFilter:
    typed = {name: visit.query(name).strip()[:_TYPED] for name in _NAMES}
    return AuditFilter(
        **{**typed, "since": same_moment(typed["since"]), "until": same_moment(typed["until"])}
    )


def _shown(entry: Entry) -> ShownEntry:
    if entry.transaction is not None:
        path = f"{AUDIT_LOG}/{entry.transaction.revision}"
    else:
        path = f"/diagnose/event-log/{entry.event.number}" if entry.event is not None else ""
    return ShownEntry(
        entry,
        path,
        SURFACES.get(entry.surface, entry.surface),
        tuple((called(identity), address_of(identity)) for identity in entry.objects[:3]),
        max(0, len(entry.objects) - 3) + entry.more,
    )


def shown_field(record: ChangeRecord) -> ShownField:
    """A changed field."""
    return ShownField(".".join(record.path) or "name", as_text(record.before), as_text(record.after))


def as_text(value: Any) -> str:
    """A value as people read it, cut where it is very long."""
    return value_text(value, _LONGEST)


def _rows_of(entry: Entry) -> list[Row]:
    head = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.time)),
        "user": entry.user,
        "address": entry.address,
        "surface": entry.surface,
        "what": entry.what,
        "refused": entry.refused,
        "revision": entry.transaction.revision if entry.transaction is not None else None,
        "event": entry.event.number if entry.event is not None else None,
    }
    records = told(entry.transaction.changes) if entry.transaction is not None else ()
    if not records:
        return [{**head, "object": str(entry.objects[0]) if entry.objects else ""}]
    return [
        {
            **head,
            "object": str(record.identity),
            "field": ".".join(record.path),
            "before": record.before,
            "after": record.after,
        }
        for record in records
    ]
