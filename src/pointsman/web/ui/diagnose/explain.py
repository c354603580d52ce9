"""Diagnose > Explain a Request: a form, and the way that such a request takes.

Invariant: nothing is sent anywhere; the page is made from what is in force and what is known of nodes now.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from pointsman.compiler.plan import Plan
from pointsman.control.explaining import explain
from pointsman.control.explanation import Explanation, Fact, Known, NoRequest, Step, read_request
from pointsman.schema.condition import Condition
from pointsman.schema.problem import ObjectId
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.forms.label import label_of, section_label
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.trouble_list import called
from pointsman.web.ui.visit import Visit

EXPLAIN = "/diagnose/explain"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_LONGEST = {"url": 4000, "headers": 16_000}
_NAMES = ("method", "url", "headers", "client", "to")


@dataclass(frozen=True)
class ShownFact:
    """A fact with the setting that it comes from: its words and address."""

    text: str
    setting: str
    link: str


@dataclass(frozen=True)
class ShownStep:
    """A step with the setting that decided it."""

    step: Step
    setting: str
    link: str
    facts: tuple[ShownFact, ...]


class ExplainPages:
    """Handler of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        return [self._desk.get(EXPLAIN, self.page, "Diagnose")]

    async def page(self, visit: Visit) -> Response:
        """GET /diagnose/explain?method=&url=&headers=&client=&to=: the form, and the answer where there is a URL."""
        typed = {name: visit.query(name)[: _LONGEST.get(name, 100)] for name in _NAMES}
        complaint, found = "", None
        if typed["url"].strip():
            try:
                found = explain(read_request(**typed), self._known())
            except NoRequest as error:
                complaint = str(error)
        return await self._desk.page(
            visit,
            "explain.html",
            status=400 if complaint else 200,
            typed=typed,
            methods=METHODS,
            complaint=complaint,
            found=found,
            steps=[] if found is None else [_shown(step) for step in found.steps],
            choices=_choices(found, typed),
        )

    def _known(self) -> Known:
        control = self._desk.control
        conditions: dict[ObjectId, list[Condition]] = {}
        for condition in control.conditions():
            conditions.setdefault(condition.subject, []).append(condition)
        held = control.live.traffic_ips
        figures = control.live.figures

        def connections(pool: str, node: str) -> int | None:
            found = figures.get(("nodes/per_pool_node", f"{pool}-{node}"), {}).get("current_conn")
            return found if isinstance(found, int) else None

        return Known(
            snapshot=control.snapshot,
            plan=control.plan or Plan(()),
            conditions={subject: tuple(found) for subject, found in conditions.items()},
            health=control.live.health,
            own=control.identity.name,
            serving=control.live.serving(),
            connections=connections,
            holders={view.address: view.holder for view in held.views} if held is not None else {},
        )


def _choices(found: Explanation | None, typed: dict[str, str]) -> list[tuple[str, str]]:
    """The same question for each address that it may arrive at."""
    if found is None:
        return []
    return [
        (f"{address} ({name})", f"{EXPLAIN}?{urlencode({**typed, 'to': address})}")
        for address, name in found.choices
    ]


def _shown(step: Step) -> ShownStep:
    return ShownStep(
        step,
        *_setting(step.subject, step.path),
        tuple(ShownFact(fact.text, *_setting_of(fact)) for fact in step.facts),
    )


def _setting_of(fact: Fact) -> tuple[str, str]:
    return _setting(fact.subject, fact.path)


def _setting(subject: ObjectId | None, path: tuple[str, ...]) -> tuple[str, str]:
    """A setting in words, and where it is set; "" twice for none."""
    if subject is None or not (link := address_of(subject)):
        return "", ""
    if not path:
        return called(subject), link
    # "Enabled" says nothing without what is.
    section = [] if path[0] == "basic" else [section_label(path[0])]
    name = ", ".join([*section, *(label_of(key) for key in path[1:2])]) or section_label(path[0])
    return f"{called(subject)}: {name}", f"{link}#section-{path[0]}"
