"""Transactions as events (what was made, changed and deleted, by whom), and what the event log still knows.

Pure. Invariant: one event for each object that a transaction touched, up to `LIMIT`, then one for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.control.apply import LEFT_OUT
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Transaction
from pointsman.telemetry.event_log import LoggedEvent

LIMIT = 50


def events_of(transaction: Transaction) -> tuple[Event, ...]:
    """The events of one transaction, with the product's tags confadd, confmod and confdel.

    Changes of what members keep about themselves, and by the product itself, are told of elsewhere or not at all.
    """
    if transaction.author.surface == "product":
        return ()
    author = transaction.author
    by = author.name + (f" from {author.address}" if author.address else "")
    because = f" ({transaction.reason})" if transaction.reason else ""
    fields: dict[ObjectId, list[str]] = {}
    tags: dict[ObjectId, str] = {}
    for record in transaction.changes:
        if record.identity.type not in BY_PATH:
            continue
        names = fields.setdefault(record.identity, [])
        if record.path:
            names.append(".".join(record.path))
        elif record.before is None:
            tags[record.identity] = "confadd"
        elif record.after is None:
            tags[record.identity] = "confdel"
    found: list[Event] = []
    for identity, names in list(fields.items())[:LIMIT]:
        tag = tags.get(identity, "confmod")
        match tag:
            case "confadd":
                what = "made"
            case "confdel":
                what = "deleted"
            case _:
                what = "changed: " + ", ".join(sorted(set(names))[:8])
        text = f"{what} by {by}{because}"
        found.append(Event("general", tag, Severity.INFO, identity, text, author=author.name))
    if len(fields) > LIMIT:
        text = f"{len(fields) - LIMIT} more objects changed by {by}{because}"
        found.append(Event("general", "confmod", Severity.INFO, None, text, author=author.name))
    return tuple(found)


def left_out(told: Iterable[LoggedEvent]) -> dict[ObjectId, str]:
    """The objects that the event log last said were left out, with why; `told` are its `confleftout` and
    `confrecovered` events, in any order.
    """
    found: dict[ObjectId, str] = {}
    for logged in sorted(told, key=lambda logged: logged.number):
        subject = logged.event.subject
        if subject is None:
            continue
        if logged.event.tag == "confleftout":
            found[subject] = logged.event.reason.removeprefix(LEFT_OUT)
        else:
            found.pop(subject, None)
    return found
