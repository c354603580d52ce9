"""The pages of rules: the list, the editor, its checks and completions, and the versions of a rule.

Invariant: what is saved is what is in the editor, be it right or not, for a rule that is being written is often not;
what the checker has against it is shown beside it. Earlier versions come back only by a change of their own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.rule import RULE, Rule
from pointsman.schema.validate import Invalid
from pointsman.store import Put
from pointsman.trafficscript.check import Fault, check_rule
from pointsman.trafficscript.functions import functions
from pointsman.trafficscript.lexer import KEYWORDS, description
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.form_data import FormData
from pointsman.web.ui.objects.kinds import PAGES
from pointsman.web.ui.objects.late import gone_since, late, lost, revision_of
from pointsman.web.ui.objects.listing import PAGE_SIZE
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.objects.pages import named_users
from pointsman.web.ui.visit import Refused, Visit

RULES = "/catalogs/rules"
READ, WRITE, CHECK = "Rules", "Rules!Edit", "Rules!Edit!CheckSyntax"
_LONGEST_SHOWN = 1_000_000
_HEAD = 4096
_EXAMPLE = """# Says what this rule is for.
if( string.startsWith( http.getPath(), "/old/" ) ) {
    http.redirect( "/new/" );
}
"""


@dataclass(frozen=True)
class RuleRow:
    """A rule in the list."""

    name: str
    says: str
    lines: int
    users: int
    condition: Condition | None


class Rules:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, names: Names) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, one = self._desk, f"{RULES}/{{name:object}}"
        return [
            desk.get(RULES, self.list, READ),
            desk.get(f"{RULES}/-/new", self.new, WRITE, write=True),
            desk.post(f"{RULES}/-/new", self.create, WRITE),
            desk.post(f"{RULES}/-/lint", self.lint, CHECK),
            desk.get(f"{RULES}/-/language", self.language, READ),
            desk.get(one, self.show, READ),
            desk.post(one, self.save, WRITE),
        ]

    async def list(self, visit: Visit) -> Response:
        """GET: the rules by name; `q` filters by name and by what they say of themselves."""
        control = self._desk.control
        words = visit.query("q").strip()
        found = [name for name in self._names(RULE.path) if not words or self._holds(name, words.lower())]
        page = visit.number("page", 1, 1, max(1, -(-len(found) // PAGE_SIZE)))
        users = control.users()
        bad = {
            c.subject.name: c
            for c in control.conditions()
            if c.subject.type == RULE.path and c.standing in (Standing.REJECTED, Standing.WARNING)
        }
        rows = []
        for name in found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]:
            content = self._content(name)
            used = len(users.get(ObjectId(RULE.path, name), ()))
            rows.append(RuleRow(name, _says(content), content.count(b"\n") + 1, used, bad.get(name)))
        return await self._desk.page(
            visit,
            "rules.html",
            heading=say("Rules"),
            rows=rows,
            count=len(found),
            all=len(self._names(RULE.path)),
            words=words,
            page=page,
            more=page * PAGE_SIZE < len(found),
            turned=lambda number: RULES + listed({"q": words, "page": number}),
            address=address_of_rule,
            what=PAGES[RULE.path].what,
            may_write=visit.may(WRITE, write=True),
        )

    async def new(self, visit: Visit) -> Response:
        """GET …/-/new: an empty rule, or one based on another."""
        based_on = visit.query("based_on")
        copied = self._desk.control.snapshot.get(RULE.path, based_on, Rule)
        text = text_of_rule(copied.content) if copied is not None else _EXAMPLE
        return await self._editor(visit, "", text or "", name=visit.query("name"))

    async def create(self, visit: Visit) -> Response:
        """POST …/-/new with name and text or file; `act=check` looks at it only."""
        name, content = visit.form.text("name").strip(), brought(visit.form)
        text = content.decode("utf-8", "replace")
        if visit.form.text("act") == "check":
            return await self._editor(visit, "", text, name=name, checked=True)
        if ObjectId(RULE.path, name) in self._desk.control.snapshot.objects:
            return await self._editor(
                visit, "", text, name=name, fault="There is a rule of that name; choose another."
            )
        return await self._carry_out(visit, name, content, f"The rule {name} was made.", base=None)

    async def show(self, visit: Visit) -> Response:
        """GET …/<name>: the editor."""
        identity = ObjectId(RULE.path, visit.name())
        if gone := await gone_since(visit, self._desk.control, identity):
            if gone.now is None:
                raise Refused(lost(identity, gone), 404)
            visit.tell(f"The rule {visit.name()} is called {gone.now.name} now.")
            return back_to(address_of_rule(gone.now.name))
        return await self._editor(visit, visit.name(), text_of_rule(self._found(visit).content))

    async def save(self, visit: Visit) -> Response:
        """POST …/<name> with text or file; `act=check` looks at it only."""
        identity = ObjectId(RULE.path, visit.name())
        gone = await gone_since(visit, self._desk.control, identity)
        if gone is not None and revision_of(visit) is not None and visit.form.text("act") != "check":
            put = Put(gone.now or identity, {"content": brought(visit.form)})
            return self._changing.prepare(visit, late(visit, identity, gone, put, RULES))
        name, content = visit.name(), brought(visit.form, self._found(visit).content)
        if visit.form.text("act") == "check":
            return await self._editor(visit, name, content.decode("utf-8", "replace"), checked=True)
        base = revision_of(visit)
        return await self._carry_out(visit, name, content, f"The rule {name} was saved.", base=base)

    async def _carry_out(
        self, visit: Visit, name: str, content: bytes, done: str, *, base: int | None
    ) -> Response:
        identity = ObjectId(RULE.path, name)
        is_new = identity not in self._desk.control.snapshot.objects
        faults = await asyncio.to_thread(_faults, content)
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(identity, {"content": content}),),
            base=base,
            title=f"New rule: {name}" if is_new else f"Change the rule {name}",
            done=done,
            back=RULES if is_new else address_of_rule(name),
            onward=address_of_rule(name),
            reason=visit.form.text("reason").strip()[:500],
        )
        try:
            if visit.form.text("act") == "review":
                return self._changing.prepare(visit, pending)
            answer = await self._changing.carry_out(visit, pending)
        except Invalid as error:
            fault = " ".join(sentence(problem.message) for problem in error.problems[:5])
            text = content.decode("utf-8", "replace")
            return await self._editor(visit, "" if is_new else name, text, name=name, fault=fault)
        if errors := [fault for fault in faults if fault.severity == "error"]:
            first = f"line {errors[0].line}: {errors[0].message}"
            visit.tell(
                f"It is stored as it is, with {len(errors)} error{'s' if len(errors) > 1 else ''} ({first}).",
                "warn",
            )
        return answer

    async def lint(self, visit: Visit) -> Response:
        """POST …/-/lint with text: what the checker has against it, as JSON."""
        faults = await asyncio.to_thread(check_rule, visit.form.text("text").replace("\r\n", "\n"))
        return PlainTextResponse(
            json.dumps([asdict(fault) for fault in faults]), media_type="application/json"
        )

    async def language(self, visit: Visit) -> Response:
        """GET …/-/language: keywords and functions for completions, as JSON."""
        return PlainTextResponse(
            _language(), media_type="application/json", headers={"Cache-Control": "private, max-age=3600"}
        )

    async def _editor(
        self,
        visit: Visit,
        of: str,
        text: str | None,
        *,
        name: str = "",
        fault: str = "",
        checked: bool = False,
    ) -> Response:
        control = self._desk.control
        identity = ObjectId(RULE.path, of)
        faults: Sequence[Fault] = ()
        if text is not None:
            faults = await asyncio.to_thread(check_rule, text)
        return await self._desk.page(
            visit,
            "rule.html",
            heading=of or say("New Rule"),
            status=400 if fault else 200,
            of=of,
            name=of or name,
            text=text,
            fault=fault,
            faults=faults,
            checked=checked,
            action=address_of_rule(of) if of else f"{RULES}/-/new",
            address=address_of_rule(of),
            others=[] if of else self._names(RULE.path)[:60],
            conditions=[c for c in control.conditions(identity) if c.standing is not Standing.APPLIED]
            if of
            else [],
            users=named_users(control, identity) if of else [],
            base=control.revision,
            says=description(text or ""),
            may_write=visit.may(WRITE, write=True),
            may_check=visit.may(CHECK, write=True),
        )

    def _content(self, name: str) -> bytes:
        found = self._desk.control.snapshot.get(RULE.path, name, Rule)
        return found.content if found is not None else b""

    def _holds(self, name: str, words: str) -> bool:
        return words in name.lower() or words in _says(self._content(name)).lower()

    def _found(self, visit: Visit) -> Rule:
        return found_rule(self._desk, visit.name())


def found_rule(desk: Desk, name: str) -> Rule:
    """A rule by name; raises `Refused`."""
    found = desk.control.snapshot.get(RULE.path, name, Rule)
    if found is None:
        raise Refused(f"There is no rule called {name}.", 404)
    return found


def address_of_rule(name: str) -> str:
    """The page of a rule."""
    return f"{RULES}/{segment(name)}"


def text_of_rule(content: bytes) -> str | None:
    """A rule as text; None where it is none, or longer than an editor takes."""
    if len(content) > _LONGEST_SHOWN or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def brought(form: FormData, fallback: bytes = b"") -> bytes:
    """What a form brings: a file, or text that was typed."""
    if form.file:
        return form.file
    if "text" in form:
        return form.text("text").replace("\r\n", "\n").encode("utf-8", "replace")
    return fallback


def _faults(content: bytes) -> tuple[Fault, ...]:
    return check_rule(content.decode("utf-8", "replace"))


@lru_cache(4096)
def _says(content: bytes) -> str:
    return description(content[:_HEAD].decode("utf-8", "replace"))


@cache
def _language() -> str:
    listed_functions = [
        {
            "name": one.name,
            "parameters": one.parameters,
            "signature": one.signature,
            "meaning": one.meaning,
            "phases": ", ".join(one.phases),
        }
        for name, one in functions().items()
        if name == one.name.lower()
    ]
    return json.dumps({"keywords": sorted(KEYWORDS), "functions": listed_functions}, separators=(",", ":"))
