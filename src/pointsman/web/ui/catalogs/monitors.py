"""A new monitor, its type chosen first and then only what matters for it; and trying a monitor, stored or not,
against a machine of one's choice.

Invariant: trying changes nothing, neither the configuration nor the state of a node, and ends within the seconds of
`Checking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.checking import LONGEST_SECONDS, Result
from pointsman.control.error import ControlError
from pointsman.control.merge import plain
from pointsman.schema.monitor import MONITOR, Monitor
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Key
from pointsman.schema.validate import Invalid, build
from pointsman.web.ui.address import segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, sentence
from pointsman.web.ui.forms.field import FieldView, field_view, written
from pointsman.web.ui.forms.read import read_section
from pointsman.web.ui.forms.relevance import matters
from pointsman.web.ui.objects.extra import Panel
from pointsman.web.ui.objects.form import judge, put_of
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Refused, Visit

MONITORS = "/catalogs/monitors"
READ, WRITE = "Monitors", "Monitors!Edit"
TYPES: Mapping[str, tuple[str, str]] = {
    "connect": (
        "TCP connection",
        "The node accepts a connection, with TLS or without. Good for anything that speaks TCP.",
    ),
    "http": ("HTTP", "The node answers a request with the right status, and, if you want, the right text."),
    "tcp_transaction": (
        "TCP conversation",
        "The node is sent something, and must answer something. For protocols of your own.",
    ),
    "ping": ("Ping", "The node's machine answers an ICMP echo. It says nothing of the program on it."),
    "program": ("Program", "A program of your own decides. Stored, and not run yet."),
    "sip": ("SIP", "The node answers a SIP OPTIONS request. Stored, and not run yet."),
    "rtsp": ("RTSP", "The node describes a stream over RTSP. Stored, and not run yet."),
}
"""The types in the order in which people want them: title and what it does."""
_ORDER = ("basic.delay", "basic.timeout", "basic.failures", "basic.back_off", "basic.scope", "basic.machine")
_LEFT_OUT = frozenset({"basic.type", "basic.verbose", "basic.health_only"})


class Monitors:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, names: Names) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        return [
            desk.get(f"{MONITORS}/-/new", self.new, WRITE, write=True),
            desk.post(f"{MONITORS}/-/new", self.create, WRITE),
            desk.post(f"{MONITORS}/{{name:object}}/try", self.attempt, WRITE),
        ]

    async def new(self, visit: Visit) -> Response:
        """GET …/-/new: which type; with `type` the form for that one, with `based_on` a copy's."""
        based_on = visit.query("based_on")
        held = self._desk.control.snapshot.get(MONITOR.path, based_on, Monitor)
        kind = held.basic.type if held is not None else visit.query("type")
        if kind not in TYPES:
            return await self._desk.page(
                visit,
                "monitor_types.html",
                heading=say("New Monitor"),
                types=TYPES,
                name=visit.query("name"),
                others=self._names(MONITOR.path)[:60],
            )
        return await self._form(visit, kind, held if held is not None else Monitor(), based_on=based_on)

    async def create(self, visit: Visit) -> Response:
        """POST …/-/new with name, basic.type and the fields of that type; `act=try` tries it first."""
        form = visit.form
        name, kind, based_on = form.text("name").strip(), form.text("basic.type"), form.text("based_on")
        if kind not in TYPES:
            raise Refused("Choose what the monitor does first.")
        made = self._made(visit, based_on)
        control = self._desk.control
        try:
            put, built = put_of(MONITOR, name or "new", None, made)
            assert isinstance(built, Monitor)
            if form.text("act") == "try":
                return await self._form(
                    visit,
                    kind,
                    built,
                    name=name,
                    based_on=based_on,
                    tried=await self._try(visit, name, built),
                )
            if put.identity in control.snapshot.objects:
                problem = Problem(put.identity, (), "name.taken", "there is one of that name; choose another")
                raise Invalid((problem,))
            if not name or (problems := judge(control.snapshot.objects, put)):
                put_of(MONITOR, name, None, made)  # says what is wrong with the name
                raise Invalid(problems)
        except Invalid as error:
            return await self._form(
                visit, kind, None, name=name, based_on=based_on, typed=made, problems=error.problems
            )
        pending = Pending(
            owner=visit.session.csrf,
            changes=(put,),
            base=None,
            title=f"New Monitor: {name}",
            done=f"Monitor {name} was made. Pools use it once it is chosen among theirs.",
            back=MONITORS,
            onward=f"{MONITORS}/{segment(name)}",
        )
        if form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)

    async def attempt(self, visit: Visit) -> Response:
        """POST …/<name>/try with target: runs the stored monitor once."""
        name = visit.name()
        held = self._desk.control.snapshot.get(MONITOR.path, name, Monitor)
        if held is None:
            raise Refused(f"There is no monitor called {name}.", 404)
        tried = await self._try(visit, name, held)
        return await self._desk.page(
            visit,
            "monitor_tried.html",
            heading=say("Try it"),
            crumbs=[(name, f"{MONITORS}/{segment(name)}")],
            status=200 if isinstance(tried, Result) else 400,
            tried=tried,
            target=visit.form.text("target"),
            action=f"{MONITORS}/{segment(name)}/try",
            ping=held.basic.type == "ping",
            seconds=LONGEST_SECONDS,
            is_result=isinstance(tried, Result),
        )

    async def panels(self, visit: Visit, name: str) -> Sequence[Panel]:
        """What the page of a monitor shows besides."""
        held = self._desk.control.snapshot.get(MONITOR.path, name, Monitor)
        if held is None or not visit.may(WRITE, write=True):
            return ()
        values = {
            "action": f"{MONITORS}/{segment(name)}/try",
            "ping": held.basic.type == "ping",
            "seconds": LONGEST_SECONDS,
        }
        return (Panel("monitor_panel.html", values),)

    async def _try(self, visit: Visit, name: str, monitor: Monitor) -> Result | str:
        """What it found, or why it could not be tried."""
        try:
            return await self._desk.control.checking.attempt(
                name or "new", monitor, visit.form.text("target")
            )
        except ControlError as error:
            return sentence(str(error))

    def _made(self, visit: Visit, based_on: str) -> dict[str, Any]:
        """The settings that a form asks for, over those of what it is based on."""
        stored = self._desk.control.settings(ObjectId(MONITOR.path, based_on)) if based_on else None
        made: dict[str, Any] = {section: dict(keys) for section, keys in (stored or {}).items()}
        for section in MONITOR.sections:
            if typed := read_section(MONITOR, section, visit.form):
                made.setdefault(section, {}).update(typed)
        made.setdefault("basic", {})["type"] = visit.form.text("basic.type")
        return made

    async def _form(
        self,
        visit: Visit,
        kind: str,
        monitor: Monitor | None,
        *,
        name: str = "",
        based_on: str = "",
        typed: Mapping[str, Any] | None = None,
        problems: Sequence[Problem] = (),
        tried: Result | str | None = None,
    ) -> Response:
        views = self._fields(kind, monitor, typed or {}, problems)
        shown = {view.name for view in views}
        return await self._desk.page(
            visit,
            "monitor_new.html",
            heading=say("New Monitor: {kind}", kind=say(TYPES[kind][0])),
            status=400 if problems or isinstance(tried, str) else 200,
            kind=kind,
            what=TYPES[kind][1],
            name=name or visit.query("name"),
            based_on=based_on,
            fields=views,
            faults=[sentence(p.message) for p in problems if ".".join(p.path[:2]) not in shown],
            target=visit.form.text("target"),
            tried=tried,
            is_result=isinstance(tried, Result),
            ping=kind == "ping",
            seconds=LONGEST_SECONDS,
        )

    def _fields(
        self, kind: str, monitor: Monitor | None, typed: Mapping[str, Any], problems: Sequence[Problem]
    ) -> tuple[FieldView, ...]:
        base = monitor if monitor is not None else build(MONITOR, "new", {})

        def value(key: Key) -> Any:
            held: Any = typed.get(key.section, {})
            return held[key.name] if key.name in held else plain(key.read(base))

        by_path = {key.path: key for key in MONITOR.keys}
        values = {"basic.type": kind}

        def as_written(path: str) -> str:
            return values.get(path) or written(value(by_path[path]))

        fields = []
        for key in MONITOR.keys:
            # What depends on another field of this form than the type is shown and hidden by the page's script.
            if key.hidden or key.path in _LEFT_OUT or not _may_matter(key.path, kind, as_written):
                continue
            faults = [p for p in problems if p.path[:2] == (key.section, key.name)]
            fields.append(field_view(MONITOR, key, value(key), self._names, faults))
        return tuple(sorted(fields, key=_place))


def _place(view: FieldView) -> int:
    """What is asked of the node comes before how often."""
    if view.key.section != "basic" or view.name == "basic.use_ssl":
        return 0
    return _ORDER.index(view.name) + 1 if view.name in _ORDER else len(_ORDER) + 1


def _may_matter(path: str, kind: str, value: Any) -> bool:
    """Whether a field matters for a type, or could if others of the form were changed."""
    if path in ("basic.machine", "udp.accept_all"):
        return path == "basic.machine" or kind == "sip"
    return matters(MONITOR.path, path, value)
