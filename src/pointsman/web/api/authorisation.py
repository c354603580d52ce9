"""Who may do what over REST; the one place that decides it.

Invariant: every request passes here after authentication and before anything is looked up or read; what is not in the
tables here takes every permission to change, and nothing to be told that it does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pointsman.control.access import Access
from pointsman.schema.permission import ALL, TYPE_PERMISSIONS
from pointsman.store import Author
from pointsman.web.answer import Answer, error_answer
from pointsman.web.api.request import SAFE

AUDIT = "Audit_Log"
"""Who may read it sees who changed what, and the logins among the events."""
X_TAR = "application/x-tar"
_EVERYBODY = ""
_GROUPS = "Access_Management!Groups!Edit"
_ADD_REMOVE = "Traffic_Managers!AddRemove"

_STATUS: Mapping[str, tuple[str, str]] = {
    "applies": ("Diagnose", ALL),
    "backups": ("Backup", "Backup!Edit"),
    "certificate": ("Security", "Security"),
    "cluster": ("Traffic_Managers", _ADD_REMOVE),
    "conditions": ("Diagnose", ALL),
    "config_document": ("Config_Summary!Export", ALL),
    "config_import": ("Diagnose", ALL),
    "events": ("Event_Log", ALL),
    "history": (AUDIT, "Backup!Edit"),
    "information": (_EVERYBODY, ALL),
    "licence": ("License_Keys", "License_Keys!InstallNew"),
    "name": ("Traffic_Managers", "Traffic_Managers"),
    "state": ("MainIndex", ALL),
    "statistics": ("Monitoring", ALL),
    "superseded": (AUDIT, ALL),
    "traffic_ips": ("Traffic_IP_Groups", "Traffic_IP_Groups!Edit"),
}
"""Of each branch of `status/<traffic manager>`: what reading takes, and what changing takes in full."""


@dataclass(frozen=True)
class Need:
    """A permission that a request takes; `write`: at the level "full"."""

    permission: str
    write: bool = False


def refuse(
    access: Access,
    caller: Author,
    method: str,
    segments: Sequence[str],
    query: Mapping[str, Sequence[str]],
    headers: Mapping[str, str],
) -> Answer | None:
    """The refusal of a request that the caller has no right to, else None.

    Local Unix users that own the instance may do everything.
    """
    if caller.surface == "local":
        return None
    if access.password_expired(caller.name, time.time()):
        text = f"the password of the user {caller.name!r} has expired; set another one at the administration server"
        return error_answer(403, "auth.password_expired", text, {})
    if access.must_enrol(caller.name):
        text = (
            f"a group of the user {caller.name!r} requires a second factor; log in at the administration server and "
            "set it up"
        )
        return error_answer(403, "auth.second_factor_required", text, {})
    for need in needs(method, segments, query, headers):
        if not access.may(caller.name, need.permission, write=need.write):
            act = "change" if need.write else "read"
            level = ' at the level "full"' if need.write else ""
            text = f"the user {caller.name!r} may not {act} this: it takes the permission {need.permission}{level}"
            return error_answer(403, "auth.forbidden", text, {})
    return None


def needs(
    method: str, segments: Sequence[str], query: Mapping[str, Sequence[str]], headers: Mapping[str, str]
) -> Iterator[Need]:
    """What a request takes; nothing for what every user may read."""
    write = method not in SAFE
    match [*segments]:
        case ["api", "tm", _, "config", "active", first, *rest]:
            pair = TYPE_PERMISSIONS.get(first) or TYPE_PERMISSIONS.get("/".join([first, *rest[:1]]))
            if (first, method) == ("license_keys", "DELETE"):
                yield Need("License_Keys!Remove", write=True)
            elif pair is not None:
                yield Need(pair[write], write)
            elif write:
                yield Need(ALL, write=True)
        case ["api", "tm", _, "status", _, branch, *_] if branch in _STATUS:
            permission = _STATUS[branch][write]
            if permission:
                yield Need(permission, write)
            yield from _more(write, branch, query, headers)
        case ["metrics"] if not write:
            yield Need("Monitoring")
        case _ if write:
            yield Need(ALL, write=True)


def _more(
    write: bool, branch: str, query: Mapping[str, Sequence[str]], headers: Mapping[str, str]
) -> Iterator[Need]:
    """What some requests take besides: those that carry much away, or replace everything, groups too."""
    if write and "restore" in query:
        yield Need(_GROUPS, write=True)
    if not write and branch == "backups" and X_TAR in headers.get("accept", "").lower():
        yield Need("Backup!Edit", write=True)
    if not write and branch == "backups" and "compare" in query:
        yield Need("Backup!Config_Difference")
    if branch == "config_document" and "include" in query.get("secrets", ()):
        yield Need("Config_Summary!Export_Secrets", write=True)
