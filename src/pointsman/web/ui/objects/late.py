"""What was typed into the page of an object that somebody renamed or deleted meanwhile.

Invariant: it is never thrown away: it becomes a pending change of the object under its new name, or one that asks
whether the deleted object is to be made again.
"""

from __future__ import annotations

from pointsman.console.template import format_utc
from pointsman.control.control import Control
from pointsman.control.fate import Fate, fate_of
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Put
from pointsman.web.ui.address import segment
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.visit import Visit


def revision_of(visit: Visit) -> int | None:
    """The revision that a form was made from; None where it does not say."""
    base = visit.form.text("base")
    return int(base) if base.isascii() and base.isdecimal() and len(base) < 16 else None


async def gone_since(visit: Visit, control: Control, identity: ObjectId) -> Fate | None:
    """What became of an object since the page was made that a form comes from; None where it is there."""
    return await fate_of(control, identity, revision_of(visit) or 0)


def lost(identity: ObjectId, gone: Fate) -> str:
    """What became of an object, as sentences."""
    what = f"the {BY_PATH[identity.type].title.lower()} {identity.name}"
    by = gone.by.author.name or "The traffic manager"
    when = f"{format_utc(gone.by.time)[:19].replace('T', ' ')} UTC"
    if gone.now is not None:
        return f"{by} renamed {what} to {gone.now.name} at {when}."
    return f"{by} deleted {what} at {when}. Diagnose > History of Changes brings it back."


def late(visit: Visit, identity: ObjectId, gone: Fate, put: Put, path: str) -> Pending:
    """The pending change; `put` is about the name of now, `path` the list that the object is in."""
    if gone.now is not None:
        visit.tell(f"{lost(identity, gone)} Your change is about that one.", "warn")
    what = f"{BY_PATH[identity.type].title} {put.identity.name}"
    address = f"{path}/{segment(put.identity.name)}"
    return Pending(
        owner=visit.session.csrf,
        changes=(put,),
        base=revision_of(visit),
        title=f"Change {what}",
        done=f"{what} was changed.",
        back=path if gone.now is None else address,
        onward=address,
        formerly={put.identity: identity},
    )
