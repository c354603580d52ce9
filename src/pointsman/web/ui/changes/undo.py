"""The history of changes, and the way back: one transaction undone, or the whole configuration as it was before one.

Invariant: nothing goes back without having been shown; what was changed since a transaction stays unless somebody
chooses otherwise; a whole restore wants the instance's name typed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.audit import SURFACES
from pointsman.control.journal import by_object
from pointsman.control.reverting import Choices, Reverting, prepare_undo
from pointsman.control.undo import changes_back
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Transaction
from pointsman.web.ui.changes.changing import CHANGES, PATIENCE_SECONDS, Changing, undo_link
from pointsman.web.ui.changes.judgement import Judge, left_without
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.changes.permitted import missing, reading, require
from pointsman.web.ui.changes.rebasing import text_of
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.trouble_list import called
from pointsman.web.ui.visit import Refused, Visit

HISTORY = f"{CHANGES}/history"
READING = "Audit_Log"
RESTORING = "Backup!Edit"
PAGE_SIZE = 50
_MOST_OBJECTS = 4
_MOST_FIELDS = 4


@dataclass(frozen=True)
class Touched:
    """An object of a transaction: its address ("" where it is gone), what was done, the first fields, how many more."""

    subject: str
    address: str
    act: str
    fields: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Entry:
    """A transaction in the history; `more` objects are not shown."""

    transaction: Transaction
    touched: tuple[Touched, ...]
    more: int

    @property
    def surface(self) -> str:
        """Through what it was made, in words."""
        surface = self.transaction.author.surface
        return SURFACES.get(surface, surface)


@dataclass(frozen=True)
class Stays:
    """A field that was changed since; `field` names it in the form."""

    field: str
    subject: str
    path: str
    before: str
    left: str
    now: str


class UndoPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, judge: Judge) -> None:
        self._desk = desk
        self._changing = changing
        self._judge = judge

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        undo, restore = f"{CHANGES}/undo/{{revision}}", f"{CHANGES}/restore/{{revision}}"
        return [
            desk.get(HISTORY, self.history, READING),
            desk.get(undo, self.show),
            desk.post(undo, self.undo),
            desk.get(restore, self.show_restore, RESTORING),
            desk.post(restore, self.restore, RESTORING),
        ]

    async def history(self, visit: Visit) -> Response:
        """GET /changes/history: the last transactions; `before` turns over."""
        control = self._desk.control
        before = visit.number("before", 0, 0, 10**12)
        found = await control.transactions(limit=PAGE_SIZE + 1, before=before or None)
        entries = [entry for one in found[:PAGE_SIZE] if (entry := self._entry(one)) is not None]
        return await self._desk.page(
            visit,
            "history.html",
            entries=entries,
            older=found[PAGE_SIZE - 1].revision if len(found) > PAGE_SIZE else 0,
            before=before,
            may_restore=visit.may(RESTORING, write=True),
        )

    async def show(self, visit: Visit) -> Response:
        """GET /changes/undo/<revision>: what undoing it would change, and what stays because it was changed since."""
        reverting = await prepare_undo(self._desk.control, _revision(visit))
        self._readable(visit, reverting.transaction)
        verdict = await self._judge.judge(reverting.changes) if reverting.changes else None
        return await self._desk.page(
            visit,
            "undo.html",
            heading=say("Undo change {number}", number=str(reverting.transaction.revision)),
            entry=self._entry(reverting.transaction),
            stays=_stays(reverting),
            verdict=verdict,
            base=reverting.base,
            lacking=missing(visit, reverting.changes),
        )

    async def undo(self, visit: Visit) -> Response:
        """POST: undoes it, or where something is to be decided, shows what comes of the decision."""
        revision = _revision(visit)
        first = await prepare_undo(self._desk.control, revision)
        self._readable(visit, first.transaction)
        choices: dict[ObjectId, dict[str, Any]] = {}
        for number, (identity, clash) in enumerate(_clashes(first)):
            if visit.form.text(f"pick{number}") == "before":
                choices.setdefault(identity, {})[clash.name] = "mine"
        reverting = await prepare_undo(self._desk.control, revision, _frozen(choices))
        if not reverting.changes:
            visit.tell("There is nothing left to undo: it was changed back, or changed again, since.", "warn")
            return back_to(f"{CHANGES}/undo/{revision}")
        require(visit, reverting.changes)
        pending = Pending(
            owner=visit.session.csrf,
            changes=reverting.changes,
            base=reverting.base,
            title=f"Undo change {revision}",
            done=f"Change {revision} was undone.",
            back=f"{CHANGES}/undo/{revision}",
            onward=_onward(reverting),
            reason=f"undo of change {revision}",
        )
        base = visit.form.text("base")
        if first.clashes or visit.form.text("act") != "apply" or base != str(reverting.base):
            return self._changing.prepare(visit, pending)
        if needed := left_without(self._desk.control.objects, reverting.changes):
            raise Refused(" ".join(needed), 409)
        return await self._changing.carry_out(visit, pending, seen=True)

    async def show_restore(self, visit: Visit) -> Response:
        """GET /changes/restore/<revision>: what making everything as it was before a transaction would change."""
        return await self._restore_page(visit)

    async def restore(self, visit: Visit) -> Response:
        """POST with typed: makes everything as it was before the transaction."""
        control, revision = self._desk.control, _revision(visit)
        if visit.form.text("typed").strip() != control.identity.name:
            return await self._restore_page(
                visit, "Type the name of this traffic manager as it is shown.", 400
            )
        then = await control.objects_at(revision - 1)
        require(visit, changes_back(control.stored, then))
        before = control.revision
        done = await control.restore(visit.author, revision - 1, f"as it was before change {revision}")
        if not await control.wait_in_force(done, PATIENCE_SECONDS):
            visit.tell("The change is stored; it takes a little longer to come into force.", "warn")
        visit.tell(
            f"The configuration is as it was before change {revision}.",
            link=undo_link(done) if done > before else None,
        )
        return back_to(HISTORY)

    def _readable(self, visit: Visit, transaction: Transaction) -> None:
        """Refuses who may see neither the history nor everything that a transaction touched."""
        types = {record.identity.type for record in transaction.changes if record.identity.type in BY_PATH}
        if not visit.may(READING) and not (types and all(visit.may(reading(one)) for one in types)):
            raise Refused(f"You may not see this change: it takes the permission {READING}.", 403)

    async def _restore_page(self, visit: Visit, complaint: str = "", status: int = 200) -> Response:
        control, revision = self._desk.control, _revision(visit)
        then = await control.objects_at(revision - 1)
        changes = changes_back(control.stored, then)
        return await self._desk.page(
            visit,
            "restore_whole.html",
            heading=say("Restore to before change {number}", number=str(revision)),
            status=status,
            complaint=complaint,
            revision=revision,
            verdict=await self._judge.judge(changes) if changes else None,
            name=control.identity.name,
            may_restore=visit.may(RESTORING, write=True),
        )

    def _entry(self, transaction: Transaction) -> Entry | None:
        """A transaction as the history shows it; None for what the product writes for itself."""
        objects = self._desk.control.snapshot.objects
        found = [one for one in by_object(transaction.changes) if one[0].type in BY_PATH]
        if not found:
            return None
        touched = []
        for identity, act, records in found[:_MOST_OBJECTS]:
            names = [".".join(record.path) for record in records if record.path]
            touched.append(
                Touched(
                    called(identity),
                    address_of(identity) if identity in objects else "",
                    act,
                    tuple(names[:_MOST_FIELDS]),
                    max(0, len(names) - _MOST_FIELDS),
                )
            )
        return Entry(transaction, tuple(touched), max(0, len(found) - _MOST_OBJECTS))


def _revision(visit: Visit) -> int:
    text = visit.name("revision")
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 16 and int(text)):
        raise Refused("A change is called by its number. Open the history again.", 404)
    return int(text)


def _clashes(reverting: Reverting) -> list[tuple[ObjectId, Any]]:
    return [(identity, clash) for identity, found in sorted(reverting.clashes.items()) for clash in found]


def _stays(reverting: Reverting) -> Sequence[Stays]:
    return [
        Stays(
            f"pick{number}",
            str(identity),
            ".".join(clash.path) or "the object itself",
            text_of(clash.mine),
            text_of(clash.was),
            text_of(clash.theirs),
        )
        for number, (identity, clash) in enumerate(_clashes(reverting))
    ]


def _frozen(choices: dict[ObjectId, dict[str, Any]]) -> Choices:
    return choices


def _onward(reverting: Reverting) -> str:
    """The page of the object where it is one that is there afterwards; else the history."""
    subjects = {change.identity for change in reverting.changes}
    if len(subjects) == 1:
        (change,) = reverting.changes[:1]
        if hasattr(change, "settings") and (address := address_of(change.identity)):
            return address
    return HISTORY
