"""The page of a pending change: what it does to objects and to the engine's configuration, whether it passes the
checks, and the buttons that apply it or give it up; and the page that asks where somebody else changed the same.

Invariant: looking at it changes nothing; what is applied is what was shown, or the page is shown again with what
somebody else changed meanwhile.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pointsman.web.ui.changes.changing import CHANGES, Changing
from pointsman.web.ui.changes.judgement import Judge, left_without
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.changes.permitted import require
from pointsman.web.ui.changes.rebasing import followed, overtaken, rebase
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.visit import Refused, Visit


class Review:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, judge: Judge) -> None:
        self._desk = desk
        self._changing = changing
        self._judge = judge

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        one = f"{CHANGES}/{{token}}"
        return [
            self._desk.get(one, self.show),
            self._desk.post(f"{one}/apply", self.apply),
            self._desk.post(f"{one}/merge", self.merge),
            self._desk.post(f"{one}/discard", self.discard),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /changes/<token>: the change and what it would mean; or what is to be decided first."""
        pending, token = await self._found(visit), visit.name("token")
        others = ""
        if overtaken(self._desk.control, pending):
            rebased = await rebase(self._desk.control, pending, {})
            if rebased.clashes:
                return await self._desk.page(
                    visit,
                    "conflict.html",
                    heading=pending.title,
                    clashes=rebased.clashes,
                    pending=pending,
                    seen=rebased.pending.base,
                    token=token,
                )
            pending = rebased.pending
            others = ", ".join(map(str, rebased.others))
            self._changing.pendings.renew(token, pending)
        verdict = await self._judge.judge(pending.changes)
        return await self._desk.page(
            visit,
            "review.html",
            heading=pending.title,
            pending=pending,
            verdict=verdict,
            others=others,
            token=token,
        )

    async def apply(self, visit: Visit) -> Response:
        """POST: applies it; where somebody else was faster, the page is shown again."""
        pending, token = await self._found(visit), visit.name("token")
        self._permitted(visit, pending)
        if overtaken(self._desk.control, pending):
            return back_to(f"{CHANGES}/{token}")
        if needed := left_without(self._desk.control.objects, pending.changes):
            raise Refused(" ".join(needed), 409)
        answer = await self._changing.carry_out(visit, pending, seen=True)
        self._changing.pendings.drop(token)
        return answer

    async def merge(self, visit: Visit) -> Response:
        """POST with a choice for each field that both sides touched, and `seen`, the revision that was shown."""
        pending, token = await self._found(visit), visit.name("token")
        picked = {name: value for name, value in visit.form.pairs if name.startswith("pick")}
        rebased = await rebase(self._desk.control, pending, picked)
        text = visit.form.text("seen")
        seen = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
        changed_at = self._desk.control.changed_at
        later = any(changed_at(identity) > seen for identity in rebased.others)
        if later or picked.keys() != {clash.field for clash in rebased.clashes}:
            visit.tell("Decide about every field; it may have been changed once more meanwhile.", "warn")
            return back_to(f"{CHANGES}/{token}")
        if not rebased.pending.changes:
            visit.tell("Nothing is left of your change, and nothing was changed.", "warn")
            return back_to(pending.back)
        self._changing.pendings.renew(token, rebased.pending)
        return back_to(f"{CHANGES}/{token}")

    async def discard(self, visit: Visit) -> Response:
        """POST: gives it up."""
        pending = await self._found(visit)
        self._changing.pendings.drop(visit.name("token"))
        return back_to(pending.back)

    @staticmethod
    def _permitted(visit: Visit, pending: Pending) -> None:
        """Refuses what the user might prepare and may not do any more: a group may have been cut since."""
        if not pending.permission:
            require(visit, pending.changes)
        elif not visit.may(pending.permission, write=True):
            raise Refused(f"You may not change this: it takes {pending.permission} in full.", 403)

    async def _found(self, visit: Visit) -> Pending:
        token = visit.name("token")
        found = self._changing.pendings.find(token, visit.session.csrf)
        if found is None:
            raise Refused("There is no such pending change any more; prepare it again.", 404)
        pending = await followed(self._desk.control, found)
        if pending is not found:
            self._changing.pendings.renew(token, pending)
        return pending
