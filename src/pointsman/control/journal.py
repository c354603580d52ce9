"""What transactions did to which object, the same as events (by whom), and what the event log still knows.

Pure. Invariant: one event for each object that a transaction touched, up to `LIMIT`, then one for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pointsman.control.apply import LEFT_OUT
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH, INTERNAL_TYPES
from pointsman.store import ChangeRecord, Transaction
from pointsman.telemetry.event_log import LoggedEvent

LIMIT = 50
_INTERNAL = frozenset(kind.path for kind in INTERNAL_TYPES)


def told(changes: Iterable[ChangeRecord]) -> tuple[ChangeRecord, ...]:
    """The changes without those of what members keep about themselves."""
    return tuple(record for record in changes if record.identity.type not in _INTERNAL)


def by_object(changes: Sequence[ChangeRecord]) -> Iterator[tuple[ObjectId, str, tuple[ChangeRecord, ...]]]:
    """Changes by the object that they touch, with what was done to it: created, deleted, renamed or changed.

    What is the same as before, written in another way, is left out: a row may name its defaults or not.
    """
    found: dict[ObjectId, list[ChangeRecord]] = {}
    for record in changes:
        found.setdefault(record.identity, []).append(record)
    for identity, records in found.items():
        act = "changed"
        for record in records:
            if not record.path:
                act = "created" if record.before is None else "deleted" if record.after is None else "renamed"
        shown = (record for record in records if record.path or act == "renamed")
        yield identity, act, tuple(record for record in shown if not _is_the_default_still(record))


def _is_the_default_still(record: ChangeRecord) -> bool:
    """Whether a cell of a row got, or lost, the value that it had all the time because nothing else was said."""
    kind = BY_PATH.get(record.identity.type)
    key = kind.key(*record.path[:2]) if kind is not None and len(record.path) == 4 else None
    column = next((one for one in key.columns if one.name == record.path[3]), None) if key else None
    if column is None or (record.before is None) == (record.after is None):
        return False
    return bool((record.after if record.before is None else record.before) == column.default)


def events_of(transaction: Transaction) -> tuple[Event, ...]:
    """The events of one transaction, with the product's tags confadd, confmod and confdel.

    Changes of what members keep about themselves, and by the product itself, are told of elsewhere or not at all.
    """
    if transaction.author.surface == "product":
        return ()
    author = transaction.author
    by = f" by {author.name}" if author.name else ""
    by += f" from {author.address}" if author.address else ""
    because = f" ({transaction.reason})" if transaction.reason else ""
    touched = [one for one in by_object(transaction.changes) if one[0].type in BY_PATH]
    found: list[Event] = []
    for identity, act, records in touched[:LIMIT]:
        match act:
            case "created":
                tag, what = "confadd", "made"
            case "deleted":
                tag, what = "confdel", "deleted"
            case _:
                names = sorted({".".join(record.path) or "name" for record in records})
                tag, what = "confmod", "changed: " + ", ".join(names[:8])
        text = f"{what}{by}{because}"
        found.append(Event("general", tag, Severity.INFO, identity, text, author=author.name))
    if len(touched) > LIMIT:
        text = f"{len(touched) - LIMIT} more objects changed{by}{because}"
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
