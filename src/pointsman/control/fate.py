"""What became of an object that is no longer there under its name: renamed or deleted, and by which transaction.

Invariant: told from the log of changes alone, as far back as `LOOKED_AT` transactions; an object that is there, or was
never heard of, has no fate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pointsman.control.control import Control
from pointsman.schema.problem import ObjectId
from pointsman.store import Transaction

LOOKED_AT = 100


@dataclass(frozen=True)
class Fate:
    """`now` is what the object is called since, None where it was deleted; `by` is the last transaction about that."""

    now: ObjectId | None
    by: Transaction


async def fate_of(control: Control, identity: ObjectId, since: int = 0) -> Fate | None:
    """What became of an object after the revision `since`."""
    newer = min(LOOKED_AT, control.revision - since)
    if identity in control.objects or newer <= 0:
        return None
    found = told_by(await control.transactions(limit=newer), identity, since)
    return None if found is None or (found.now is not None and found.now not in control.objects) else found


def told_by(newest_first: Iterable[Transaction], identity: ObjectId, since: int = 0) -> Fate | None:
    """The fate of an object as transactions tell it, from name to name."""
    fate: Fate | None = None
    name = identity.name
    for transaction in reversed([one for one in newest_first if one.revision > since]):
        for record in transaction.changes:
            if record.path or record.identity.type != identity.type:
                continue
            if record.before == name:
                fate = Fate(ObjectId(identity.type, record.after) if record.after else None, transaction)
                name = record.after or name
            elif record.before is None and record.after == identity.name:
                fate, name = None, identity.name  # another one of that name, whose fate is asked for then
    return fate
