"""Which events somebody wants to see, from the query of an address and back.

Pure. Invariant: a filter that is not understood is refused; an unknown severity or tag finds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from pointsman.schema.event import Severity
from pointsman.telemetry.event_log import EventQuery
from pointsman.web.ui.events.listing import EVENT_LOG
from pointsman.web.ui.moment import read_moment, same_moment
from pointsman.web.ui.visit import Visit

_LONGEST = 300


AUDIT = "Audit_Log"
"""What seeing logins, and who changed what, takes besides."""
AUDIT_TAG = "audit"


@dataclass(frozen=True)
class EventFilter:
    """What was asked for, as it was typed."""

    severities: tuple[str, ...] = ()
    text: str = ""
    about: str = ""
    tag: str = ""
    author: str = ""
    since: str = ""
    until: str = ""
    audit: bool = field(default=True, compare=False)
    """Whether who is asking may see logins and who changed what."""

    @property
    def query(self) -> EventQuery:
        """The query of the log. Raises `Refused` for what is no time."""
        known = {severity.value: severity for severity in Severity}
        return EventQuery(
            severities=frozenset(known[word] for word in self.severities if word in known),
            text=self.text,
            about=self.about,
            tag=self.tag,
            author=self.author,
            since=read_moment(self.since),
            until=read_moment(self.until),
            without_tag="" if self.audit else AUDIT_TAG,
        )

    def address(self, path: str = EVENT_LOG, **more: object) -> str:
        """The address of a page with this filter."""
        values: list[tuple[str, str]] = [("severity", word) for word in self.severities]
        named = ("text", "about", "tag", "author", "since", "until")
        values += [(name, str(getattr(self, name))) for name in named if getattr(self, name)]
        values += [(name, str(value)) for name, value in more.items() if value]
        return f"{path}?{urlencode(values)}" if values else path

    @property
    def empty(self) -> bool:
        """Whether everything is wanted."""
        return self == EventFilter()

    def since_only(self, text: str) -> EventFilter:
        """The same from a time on."""
        return replace(self, since=text, until="")


def read_filter(visit: Visit) -> EventFilter:
    """The filter of a request."""
    words = visit.request.query_params.getlist("severity")[:8]
    return EventFilter(
        audit=visit.may(AUDIT),
        severities=tuple(word for word in dict.fromkeys(words) if word in {one.value for one in Severity}),
        since=same_moment(visit.query("since")[:_LONGEST]),
        until=same_moment(visit.query("until")[:_LONGEST]),
        **{name: visit.query(name).strip()[:_LONGEST] for name in ("text", "about", "tag", "author")},
    )
