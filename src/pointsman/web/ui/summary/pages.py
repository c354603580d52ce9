"""The pages Services > Config Summary, and the import of a document.

Invariant: secrets leave only for who may have a backup, and only with the instance's name typed in; an import shows
what it would change before it changes anything, and what it is refused for with the lines to correct.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.described import plan_edit
from pointsman.control.exports import Wish, export_configuration, read_wish
from pointsman.control.import_record import NoBase
from pointsman.document.fault import Fault, Faulty
from pointsman.document.load import Document, load_text
from pointsman.document.secret_hash import resolve_hashes
from pointsman.schema.problem import Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.store import Change
from pointsman.web.ui.address import listed
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.changes.permitted import require
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.summary.view import ways
from pointsman.web.ui.visit import Refused, Visit

SUMMARY = "/services/config-summary"
READING = "Config_Summary"
EXPORTING = "Config_Summary!Export"
SECRETS = "Backup!Edit"
IMPORTING = "Backup!Partial"
PAGE_SIZE = 50
_LONGEST_LINE = 160
_MOST_FAULTS = 200
_ENDINGS = {"json": "document.json", "yaml": "document.yaml"}


@dataclass(frozen=True)
class FaultView:
    """What is wrong with a document, and the line that it is about."""

    line: int
    column: int
    where: str
    message: str
    text: str


class SummaryPages:
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
            desk.get(SUMMARY, self.show, READING),
            desk.post(f"{SUMMARY}/export", self.export),
            desk.get(f"{SUMMARY}/import", self.import_form, IMPORTING),
            desk.post(f"{SUMMARY}/import", self.import_document, IMPORTING),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET: how requests pass each service; `q` filters by name, `page` turns over."""
        return await self._page(visit)

    async def export(self, visit: Visit) -> Response:
        """POST with extent, format, secrets and, where secrets are to be included, typed: the document."""
        form = visit.form
        if not visit.may(EXPORTING):
            raise Refused(f"You may not take this away: it takes the permission {EXPORTING}.", 403)
        wish = self._wish(visit)
        if wish.secrets == "include":
            if not visit.may(SECRETS, write=True):
                raise Refused(
                    f"You may not take secrets out: it takes the permission {SECRETS} in full.", 403
                )
            if form.text("typed").strip() != self._desk.control.identity.name:
                return await self._page(
                    visit, "For a document with secrets, type the name of this traffic manager.", 400
                )
        try:
            exported = await export_configuration(self._desk.control, wish, visit.author)
        except NoBase as error:
            return await self._page(visit, str(error), 409)
        kind = "application/json" if wish.form == "json" else "application/yaml"
        name = f"configuration.{wish.form}"
        return Response(
            exported.text,
            media_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _wish(self, visit: Visit) -> Wish:
        form = visit.form
        asked = {
            "format": form.text("format", "yaml"),
            "secrets": form.text("secrets", "exclude"),
            "differences": "true" if form.text("extent") == "differences" else "false",
        }
        try:
            return read_wish(asked)
        except ValueError as error:
            raise Refused(f"The form asks for something unknown: {error}.") from error

    async def import_form(self, visit: Visit) -> Response:
        """GET …/import: where a document is pasted or uploaded."""
        return await self._import_page(visit)

    async def import_document(self, visit: Visit) -> Response:
        """POST …/import with text or file, and way: what is wrong with the document, or the change it makes."""
        form, control = visit.form, self._desk.control
        content = form.file or form.text("text").replace("\r\n", "\n").encode("utf-8", "replace")
        if not content.strip():
            return await self._import_page(visit, "Paste a document, or choose its file.", 400)
        replace = form.text("way") == "replace"
        if replace and form.text("typed").strip() != control.identity.name:
            text = "To replace the whole configuration, type the name of this traffic manager."
            return await self._import_page(visit, text, 400)
        json = form.file_name.lower().endswith(".json")
        name = _ENDINGS["json" if json else "yaml"]
        lines = content.decode("utf-8", "replace").splitlines()
        base = control.revision
        try:
            # In a thread, because thousands of objects, and hashes of passwords, take their time.
            document = await asyncio.to_thread(load_text, content, name, BY_PATH)
            try:
                changes = await asyncio.to_thread(self._planned, document, replace)
            except Invalid as error:
                faults = tuple(_placed(document, problem, name) for problem in error.problems)
                return await self._import_page(visit, "", 400, _views(faults, lines))
        except Faulty as error:
            return await self._import_page(visit, "", 400, _views(error.faults, lines))
        if not changes:
            visit.tell("The document says what is so already; nothing would change.", "warn")
            return await self._import_page(visit)
        require(visit, changes)
        pending = Pending(
            owner=visit.session.csrf,
            changes=changes,
            base=base,
            title="Replace the configuration by a document" if replace else "Import a document",
            done="The document was imported.",
            back=f"{SUMMARY}/import",
            onward=SUMMARY,
            reason="import of a document",
        )
        return self._changing.prepare(visit, pending)

    def _planned(self, document: Document, replace: bool) -> tuple[Change, ...]:
        stored = self._desk.control.objects
        objects = resolve_hashes(document.objects, stored, BY_PATH)
        return plan_edit(stored, objects, replace=replace).changes

    async def _page(self, visit: Visit, complaint: str = "", status: int = 200) -> Response:
        words = visit.query("q").strip().lower()
        names = [name for name in self._names("virtual_servers") if words in name.lower()]
        page = visit.number("page", 1, 1, max(1, -(-len(names) // PAGE_SIZE)))
        shown = names[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return await self._desk.page(
            visit,
            "config_summary.html",
            heading=say("Config Summary"),
            status=status,
            complaint=complaint,
            ways=ways(self._desk.control.snapshot.objects, shown),
            count=len(names),
            all=len(self._names("virtual_servers")),
            words=visit.query("q"),
            page=page,
            more=page * PAGE_SIZE < len(names),
            turned=lambda number: SUMMARY + listed({"q": visit.query("q"), "page": number}),
            name=self._desk.control.identity.name,
            may_secrets=visit.may(SECRETS, write=True),
            may_import=visit.may(IMPORTING, write=True),
        )

    async def _import_page(
        self, visit: Visit, complaint: str = "", status: int = 200, faults: Sequence[FaultView] = ()
    ) -> Response:
        return await self._desk.page(
            visit,
            "import.html",
            heading=say("Import a document"),
            status=status,
            complaint=complaint,
            faults=faults[:_MOST_FAULTS],
            more=max(0, len(faults) - _MOST_FAULTS),
            text=visit.form.text("text"),
            way=visit.form.text("way", "merge"),
            name=self._desk.control.identity.name,
            may_import=visit.may(IMPORTING, write=True),
        )


def _placed(document: Document, problem: Problem, name: str) -> Fault:
    return document.fault(problem) or Fault(name, 1, 1, problem)


def _views(faults: Sequence[Fault], lines: Sequence[str]) -> list[FaultView]:
    found = []
    for fault in faults:
        text = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
        problem = fault.problem
        where = " ".join(filter(None, (str(problem.subject or ""), ".".join(problem.path))))
        found.append(FaultView(fault.line, fault.column, where, problem.message, text[:_LONGEST_LINE]))
    return found
