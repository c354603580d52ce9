"""Times that people type into filters, in UTC.

Pure. Invariant: what is no time is refused with what to write, never taken for another time.
"""

from __future__ import annotations

import calendar
import time

from pointsman.web.ui.visit import Refused

_FORMS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ")


def read_moment(text: str) -> float | None:
    """Unix time of a date and time as a browser sends them; None for nothing. Raises `Refused`."""
    text = text.strip()
    if not text:
        return None
    for form in _FORMS:
        try:
            return float(calendar.timegm(time.strptime(text[:40], form)))
        except (ValueError, OverflowError):
            continue
    raise Refused("A time is written as 2030-01-31T14:05, in UTC.")


def write_moment(moment: float | None) -> str:
    """A time as a field takes it."""
    if moment is None:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%S" if moment % 60 else "%Y-%m-%dT%H:%M", time.gmtime(moment))


def same_moment(text: str) -> str:
    """A time that somebody typed as a field takes it; what is no time as it is."""
    try:
        return write_moment(read_moment(text))
    except Refused:
        return text
