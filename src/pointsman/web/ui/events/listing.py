"""Events as pages show them.

Pure. Invariant: an event's text is shown as text; a link leads to the object where it has pages, and to the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pointsman.schema.event import Severity
from pointsman.telemetry.event_log import LoggedEvent, object_name
from pointsman.web.ui.marks import Mark
from pointsman.web.ui.objects.pages import address_of

EVENT_LOG = "/diagnose/event-log"
MARKS: Mapping[Severity, Mark] = {
    Severity.INFO: "off",
    Severity.WARN: "warn",
    Severity.SERIOUS: "error",
    Severity.FATAL: "error",
}
WORDS: Mapping[Severity, str] = {
    Severity.INFO: "Info",
    Severity.WARN: "Warning",
    Severity.SERIOUS: "Serious",
    Severity.FATAL: "Fatal",
}


@dataclass(frozen=True)
class ShownEvent:
    """An event with its mark and word; `about` is the object as the log writes it, `link` its page or ""."""

    logged: LoggedEvent
    mark: Mark
    word: str
    about: str
    link: str
    path: str


def shown_events(events: Iterable[LoggedEvent]) -> list[ShownEvent]:
    """Events in their order."""
    return [shown_event(logged) for logged in events]


def shown_event(logged: LoggedEvent) -> ShownEvent:
    """One event."""
    event = logged.event
    return ShownEvent(
        logged,
        MARKS[event.severity],
        WORDS[event.severity],
        object_name(event),
        address_of(event.subject) if event.subject is not None else "",
        f"{EVENT_LOG}/{logged.number}",
    )
