"""The pages of wizards: the list of them, each step, the review before anything is done, and what came of it.

Invariant: a wizard does nothing before Finish on its review; who goes back finds what was answered; what somebody may
not do is neither offered nor done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.validate import Invalid
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.judgement import Judge
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.changes.permitted import require
from pointsman.web.ui.desk import ALL_WIZARDS, Desk, Handler, back_to
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Refused, Visit
from pointsman.web.ui.wizards.asking import Answers, Ask, generally
from pointsman.web.ui.wizards.registry import WIZARDS
from pointsman.web.ui.wizards.runs import Run, Runs, fits
from pointsman.web.ui.wizards.wizard import Outcome, Step, Wizard, World

INDEX = ALL_WIZARDS


@dataclass(frozen=True)
class AskView:
    """A field with what it shows and what is wrong with it."""

    ask: Ask
    values: tuple[str, ...]
    fault: str


class WizardPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, names: Names, judge: Judge) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names
        self._judge = judge
        self._runs = Runs()

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        found = [self._desk.get(INDEX, self.index)]
        for wizard in WIZARDS:
            found += _Pages(self, wizard).routes
        return found

    async def index(self, visit: Visit) -> Response:
        """GET /wizards: what there is, for who may use it."""
        shown = [wizard for wizard in WIZARDS if not lacking(visit, wizard)]
        return await self._desk.page(visit, "wizards.html", heading=say("Wizards"), wizards=shown)


class _Pages:
    """The pages of one wizard."""

    def __init__(self, pages: WizardPages, wizard: Wizard) -> None:
        self._desk = pages._desk
        self._changing = pages._changing
        self._names = pages._names
        self._judge = pages._judge
        self._runs = pages._runs
        self._wizard = wizard

    @property
    def routes(self) -> list[Route]:
        path, permission = self._wizard.path, self._wizard.permission
        if self._wizard.leads:
            return [self._desk.get(path, self.lead, permission)]
        run = f"{path}/{{run}}"
        return [
            self._desk.get(path, self._writing(self.begin), permission),
            self._desk.post(path, self._writing(self.first), permission),
            self._desk.get(f"{run}/review", self._writing(self.review), permission),
            self._desk.post(f"{run}/review", self._writing(self.finish), permission),
            self._desk.get(f"{run}/done", self.done, permission),
            self._desk.get(f"{run}/{{step:int}}", self.show, permission),
            self._desk.post(f"{run}/{{step:int}}", self.answer, permission),
        ]

    def _writing(self, handler: Handler) -> Handler:
        """The handler for those alone who may also finish what they begin."""

        async def handle(visit: Visit) -> Response:
            if missing := lacking(visit, self._wizard):
                raise Refused(f"This wizard takes {', '.join(missing)} in full.", 403)
            return await handler(visit)

        return handle

    async def lead(self, visit: Visit) -> Response:
        """GET: leads to the page that does it."""
        return back_to(self._wizard.leads)

    async def begin(self, visit: Visit) -> Response:
        """GET /wizards/<wizard>: the first step; what the query says of its fields is filled in."""
        asked = visit.request.query_params
        given = {name: tuple(asked.getlist(name)) for name in asked}
        return await self._step_page(visit, "", Run("", self._wizard.slug, Answers(given)), 1)

    async def first(self, visit: Visit) -> Response:
        """POST /wizards/<wizard>: answers the first step and begins a run."""
        if visit.form.text("act") == "cancel":
            return back_to(INDEX)
        token = self._runs.begin(visit.session.csrf, self._wizard.slug)
        return await self._answered(visit, token, self._found(visit, token), 1)

    async def show(self, visit: Visit) -> Response:
        """GET …/<run>/<step>: a step, with what was answered."""
        token = visit.name("run")
        run = self._found(visit, token)
        number = min(self._number(visit), run.reached + 1)
        return await self._step_page(visit, token, run, number)

    async def answer(self, visit: Visit) -> Response:
        """POST …/<run>/<step>: next, back or cancel."""
        token = visit.name("run")
        return await self._answered(visit, token, self._found(visit, token), self._number(visit))

    async def _answered(self, visit: Visit, token: str, run: Run, number: int) -> Response:
        act = visit.form.text("act")
        if act == "cancel":
            self._runs.drop(token)
            return back_to(INDEX)
        step = self._wizard.steps[number - 1]
        world = self._world(visit)
        asks = await step.asks(run.answers, world)
        told = {ask.name: tuple(visit.form.all(ask.name)) for ask in asks}
        answers = Answers({**run.answers.given, **told})
        if not fits(answers):
            raise Refused("That is more than a wizard takes; use the pages, or a document.", 413)
        run.answers = answers
        base = f"{self._wizard.path}/{token}"
        if act == "back":
            return back_to(f"{base}/{max(1, number - 1)}")
        faults = _faults(step, await step.asks(answers, world), answers, world)
        if faults:
            return await self._step_page(visit, token, run, number, faults)
        # Later answers may depend on this one: they are looked at again on the way forward.
        run.reached = number
        return back_to(f"{base}/review" if number == len(self._wizard.steps) else f"{base}/{number + 1}")

    async def review(self, visit: Visit) -> Response:
        """GET …/<run>/review: what Finish will do."""
        token = visit.name("run")
        run = self._found(visit, token)
        if run.done is not None:
            return back_to(f"{self._wizard.path}/{token}/done")
        if run.reached < len(self._wizard.steps):
            return back_to(f"{self._wizard.path}/{token}/{run.reached + 1}")
        try:
            outcome = await self._outcome(visit, run)
        except Invalid as error:
            return await self._review_page(visit, token, None, [str(p) for p in error.problems])
        return await self._review_page(visit, token, outcome, ())

    async def _review_page(
        self,
        visit: Visit,
        token: str,
        outcome: Outcome | None,
        problems: Sequence[str],
        *,
        unsure: bool = False,
    ) -> Response:
        """What Finish will do; `unsure`: it was asked for without the tick that it takes."""
        changes = outcome.changes if outcome is not None else ()
        return await self._desk.page(
            visit,
            "wizard_review.html",
            heading=say(self._wizard.title),
            crumbs=[(say("Wizards"), INDEX)],
            status=400 if problems or unsure else 200,
            wizard=self._wizard,
            unsure=unsure,
            action=f"{self._wizard.path}/{token}/review",
            outcome=outcome,
            problems=problems,
            verdict=await self._judge.judge(changes) if changes else None,
            current=len(self._wizard.steps) + 1,
            base=self._desk.control.revision,
        )

    async def finish(self, visit: Visit) -> Response:
        """POST …/<run>/review: does it, goes back a step, or gives up."""
        token, act = visit.name("run"), visit.form.text("act")
        run = self._found(visit, token)
        here = f"{self._wizard.path}/{token}"
        if act == "cancel":
            self._runs.drop(token)
            return back_to(INDEX)
        if act == "back":
            return back_to(f"{here}/{len(self._wizard.steps)}")
        # Who clicks twice is shown what came of the first click.
        async with run.finishing:
            return await self._finished(visit, token, run, here)

    async def _finished(self, visit: Visit, token: str, run: Run, here: str) -> Response:
        if run.done is not None:
            return back_to(f"{here}/done")
        if run.reached < len(self._wizard.steps):
            return back_to(f"{here}/{run.reached + 1}")
        try:
            outcome = await self._outcome(visit, run)
        except Invalid as error:
            return await self._review_page(visit, token, None, [str(p) for p in error.problems])
        if self._wizard.danger and visit.form.text("confirm") != "yes":
            return await self._review_page(visit, token, outcome, (), unsure=True)
        if outcome.act is not None:
            await outcome.act(visit.author)
            visit.tell(outcome.done)
            answer = back_to(f"{here}/done")
        else:
            require(visit, outcome.changes)
            answer = await self._change(visit, outcome, f"{here}/done")
        run.done = replace(outcome, act=None, changes=())
        return answer

    async def _change(self, visit: Visit, outcome: Outcome, onward: str) -> Response:
        base = visit.form.text("base")
        pending = Pending(
            owner=visit.session.csrf,
            changes=outcome.changes,
            base=int(base) if base.isascii() and base.isdecimal() and len(base) < 16 else None,
            title=self._wizard.title,
            done=outcome.done,
            back=INDEX,
            onward=onward,
            reason=outcome.reason,
        )
        return await self._changing.carry_out(visit, pending, seen=True)

    async def done(self, visit: Visit) -> Response:
        """GET …/<run>/done: what came of it, and how to try it."""
        run = self._found(visit, visit.name("run"))
        if run.done is None:
            return back_to(f"{self._wizard.path}/{visit.name('run')}/review")
        return await self._desk.page(
            visit,
            "wizard_done.html",
            heading=say(self._wizard.title),
            crumbs=[(say("Wizards"), INDEX)],
            wizard=self._wizard,
            outcome=run.done,
        )

    async def _outcome(self, visit: Visit, run: Run) -> Outcome:
        assert self._wizard.outcome is not None
        return await self._wizard.outcome(run.answers, self._world(visit))

    async def _step_page(
        self, visit: Visit, token: str, run: Run, number: int, faults: Mapping[str, str] | None = None
    ) -> Response:
        world = self._world(visit)
        step = self._wizard.steps[number - 1]
        found = faults or {}
        asks = await step.asks(run.answers, world)
        return await self._desk.page(
            visit,
            "wizard.html",
            heading=say(self._wizard.title),
            crumbs=[(say("Wizards"), INDEX)],
            status=400 if found else 200,
            wizard=self._wizard,
            action=f"{self._wizard.path}/{token}/{number}" if token else self._wizard.path,
            step=step,
            current=number,
            asks=[AskView(ask, run.answers.shown(ask), found.get(ask.name, "")) for ask in asks],
            faults=[text for name, text in found.items() if name not in {ask.name for ask in asks}],
            obstacle=self._wizard.obstacle(world),
        )

    def _world(self, visit: Visit) -> World:
        return World(self._desk.control, self._names, visit.host)

    def _found(self, visit: Visit, token: str) -> Run:
        run = self._runs.find(token, visit.session.csrf, self._wizard.slug)
        if run is None:
            raise Refused("This run of the wizard is over; begin again from Wizards.", 404)
        return run

    def _number(self, visit: Visit) -> int:
        number = int(visit.request.path_params["step"])
        if not 1 <= number <= len(self._wizard.steps):
            raise Refused("The wizard has no such step.", 404)
        return number


def lacking(visit: Visit, wizard: Wizard) -> list[str]:
    """The permissions that somebody would need and has not."""
    return [name for name in (wizard.permission, *wizard.writes) if not visit.may(name, write=True)]


def _faults(step: Step, asks: Sequence[Ask], answers: Answers, world: World) -> dict[str, str]:
    """What is wrong with the answers of a step, the plainest of each field."""
    return {**step.check(answers, world), **generally(asks, answers)}
