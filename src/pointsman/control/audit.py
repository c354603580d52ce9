"""Who did what: changes of the configuration and acts that are none (logins, refusals, exports, joins), as one trail.

Invariant: nothing here changes anything; no entry holds a secret; an entry is found by the same place again, so that a
page after another leaves nothing out and tells nothing twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from pointsman.control.control import Control
from pointsman.control.journal import by_object, told
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.store import Glance, Only, Transaction
from pointsman.telemetry.event_log import EventQuery, LoggedEvent

TAGS = frozenset({"audit", "certreplaced", "renaming", "issuertrusted", "configimportfailed"})
"""The events that tell of somebody's act and are no change of the configuration."""
SURFACES = {
    "ui": "Admin UI",
    "rest": "REST API",
    "local": "Command line",
    "import": "Documents",
    "cluster": "Cluster",
    "configure": "Configure script",
    "provision": "Start of the container",
    "file": "File",
    "product": "The product itself",
}
"""Through what people and programs change things, in words."""
MOST_OBJECTS = 200
"""Objects of one transaction that are looked at closely."""
_LISTED = 8
_OWN = ("product",)
_PLACE = re.compile(r"\bat (?P<surface>[A-Za-z]{2,12})(?: (?:from|to) (?P<address>[0-9a-fA-F.:]{2,45}))?")
_ADDRESS = re.compile(r"\bfrom (?P<address>[0-9a-fA-F.:]{3,45})")

Kind = Literal["", "changes", "acts"]


@dataclass(frozen=True)
class AuditQuery:
    """What is wanted: only changes or only other acts, of a user, through a surface ("" hides what the product does by
    itself), with a text in it, between two Unix times.
    """

    kind: Kind = ""
    user: str = ""
    surface: str = ""
    text: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a page ends: the revision and the number of the event that were told last; 0 for the beginning."""

    revision: int = 0
    event: int = 0


@dataclass(frozen=True)
class Entry:
    """One act. `transaction` is set where it changed the configuration, else `event`. `objects` are those it touched,
    and `more` further ones, `fields` how many fields (0 where nobody counted); `refused` that it was not done.
    """

    time: float
    user: str
    address: str
    surface: str
    what: str
    refused: bool = False
    objects: tuple[ObjectId, ...] = ()
    more: int = 0
    fields: int = 0
    transaction: Transaction | None = None
    event: LoggedEvent | None = None


class AuditTrail:
    """The trail of one instance."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def find(
        self, query: AuditQuery, limit: int, after: Place = Place(), *, whole: bool = False
    ) -> tuple[list[Entry], Place | None]:
        """The next `limit` entries after a place, newest first, and where they end; None at the end of the trail. Their
        transactions hold all that they changed where `whole` is asked for, else some. Raises sqlite3.Error.
        """
        changes = [] if query.kind == "acts" else await self._changes(query, limit + 1, after.revision, whole)
        acts = [] if query.kind == "changes" else await self._acts(query, limit + 1, after.event)
        merged: list[Entry] = []
        place = after
        while len(merged) < limit and (changes or acts):
            if changes and (not acts or changes[0].time >= acts[0].time):
                entry = changes.pop(0)
                place = replace(place, revision=entry.transaction.revision if entry.transaction else 0)
            else:
                entry = acts.pop(0)
                place = replace(place, event=entry.event.number if entry.event else 0)
            merged.append(entry)
        return merged, place if changes or acts else None

    async def one(self, revision: int) -> tuple[Transaction, int] | None:
        """The transaction of a revision, without what members keep about themselves, and how many of its objects are
        left out; None where there is none (any more).
        """
        found = await self._control.glances(limit=1, before=revision + 1, most=MOST_OBJECTS)
        if not found or found[0].transaction.revision != revision:
            return None
        transaction = found[0].transaction
        return replace(transaction, changes=told(transaction.changes)), found[0].more

    async def _changes(self, query: AuditQuery, limit: int, before: int, whole: bool) -> list[Entry]:
        only = Only(
            author=query.user,
            surface=query.surface,
            not_surfaces=() if query.surface else _OWN,
            since=query.since,
            until=query.until,
            text=query.text,
        )
        most = 2**31 if whole else _LISTED
        found = await self._control.glances(limit=limit, before=before or None, only=only, most=most)
        return [_changed(glance) for glance in found]

    async def _acts(self, query: AuditQuery, limit: int, before: int) -> list[Entry]:
        log = self._control.live.events
        if log is None:
            return []
        wanted = EventQuery(
            tags=TAGS,
            author=query.user,
            reason=f" at {query.surface}" if query.surface else "",
            text=query.text,
            since=query.since,
            until=query.until,
            before=before or None,
            limit=limit,
        )
        return [_done(logged) for logged in await log.find(wanted)]


def _changed(glance: Glance) -> Entry:
    transaction, more = glance.transaction, glance.more
    acts = list(by_object(told(transaction.changes)))
    what = transaction.reason
    if not what:
        shown = ", ".join(f"{identity} {act}" for identity, act, _ in acts[:3])
        rest = len(acts) - len(acts[:3]) + more
        what = shown + (f" and {rest} more" if rest > 0 else "")
    author = transaction.author
    return Entry(
        transaction.time,
        author.name,
        author.address,
        author.surface,
        what or "records of the members",
        objects=tuple(identity for identity, _, _ in acts),
        more=more,
        # Of a part of the objects the number would say nothing.
        fields=0 if more else sum(bool(record.path) for _, _, records in acts for record in records),
        transaction=transaction,
    )


def _done(logged: LoggedEvent) -> Entry:
    event = logged.event
    place = _PLACE.search(event.reason)
    address = (place and place["address"]) or ""
    if not address and (found := _ADDRESS.search(event.reason)) is not None:
        address = found["address"]
    return Entry(
        logged.time,
        event.author,
        address,
        place["surface"].lower() if place is not None else _surface_of(event),
        event.reason,
        refused=event.severity is not Severity.INFO,
        objects=(event.subject,) if event.subject is not None else (),
        event=logged,
    )


def _surface_of(event: Event) -> str:
    return "import" if event.tag == "configimportfailed" else ""
