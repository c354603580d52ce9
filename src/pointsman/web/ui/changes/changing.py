"""How pages change the configuration: at once, or prepared for a look at what it would mean.

Invariant: both ways commit through the same use case, with the revision that the page was made from, so nobody's edit
is overwritten unseen; and what serves is put out of service only by somebody who was told so before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from starlette.responses import Response

from pointsman.control.error import Conflict
from pointsman.schema.condition import Standing
from pointsman.store import Change
from pointsman.web.ui.changes.judgement import left_out
from pointsman.web.ui.changes.pending import Pending, Pendings
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.visit import Visit

CHANGES = "/changes"
PATIENCE_SECONDS = 3.0
"""How long a page waits for a change to be in force."""


def undo_link(revision: int) -> tuple[str, str]:
    """Where a transaction can be taken back, and what the link is called."""
    return f"{CHANGES}/undo/{revision}", "Undo"


class Changing:
    """Commits and prepares changes for pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.pendings = Pendings()

    def prepare(self, visit: Visit, pending: Pending) -> Response:
        """Leads to the page that shows what the changes would mean."""
        held = replace(pending, permission=pending.permission or visit.permission)
        return back_to(f"{CHANGES}/{self.pendings.keep(held)}")

    async def carry_out(self, visit: Visit, pending: Pending, *, seen: bool = False) -> Response:
        """Applies changes and leads on; to a page with both versions where somebody else was faster, and to the review
        where something would be left out that is in force, unless what they mean was `seen` already.

        Raises `Invalid` and `ControlError`.
        """
        control = self._desk.control
        if not seen and (lost := await asyncio.to_thread(left_out, control, pending.changes)):
            visit.tell(
                f"This is not applied yet: {lost[0].subject} would stop. {sentence(lost[0].message)}", "warn"
            )
            return self.prepare(visit, pending)
        before = control.revision
        try:
            revision = await self.commit(visit, pending.changes, pending.reason, base=pending.base)
        except Conflict:
            return self.prepare(visit, pending)
        # What was so already makes no transaction, and then there is nothing to undo.
        visit.tell(pending.done, link=undo_link(revision) if revision > before else None)
        return back_to(pending.onward)

    async def commit(
        self, visit: Visit, changes: Sequence[Change], reason: str = "", *, base: int | None = None
    ) -> int:
        """Commits, waits until it is in force, and has the next page tell what an object fares badly with.

        Raises `Invalid` and `ControlError`.
        """
        control = self._desk.control
        revision = await control.edit(visit.author, changes, reason, base=base)
        timely = await control.wait_in_force(revision, PATIENCE_SECONDS)
        if not timely:
            visit.tell("The change is stored; it takes a little longer to come into force.", "warn")
        for problem in control.stuck:
            visit.tell(f"The engine did not take the configuration: {problem.message}", "error")
        subjects = {change.identity for change in changes}
        bad = {Standing.REJECTED: "error", Standing.WARNING: "warn"}
        for condition in control.conditions():
            if condition.subject in subjects and condition.standing in bad:
                visit.tell(f"{condition.subject}: {condition.message}", bad[condition.standing])
        return revision
