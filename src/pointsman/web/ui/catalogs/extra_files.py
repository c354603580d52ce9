"""The list of extra files by folder, and bringing several of them at once.

Invariant: a file that exists is replaced only when that was asked for; a folder is nothing but the beginning of names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.extra_file import EXTRA_FILE, ExtraFile
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid
from pointsman.store import Put
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, sentence
from pointsman.web.ui.objects.files import text_of
from pointsman.web.ui.objects.kinds import PAGES
from pointsman.web.ui.objects.listing import PAGE_SIZE
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Visit

FILES = "/catalogs/extra-files"
READ, WRITE = PAGES[EXTRA_FILE.path].permission, PAGES[EXTRA_FILE.path].writing


@dataclass(frozen=True)
class FileRow:
    """A file in the list: `leaf` is its name within the folder."""

    name: str
    leaf: str
    address: str
    size: int
    is_text: bool


class ExtraFiles:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing, names: Names) -> None:
        self._desk = desk
        self._changing = changing
        self._names = names

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(FILES, self.list, READ),
            self._desk.post(FILES, self.upload, WRITE),
        ]

    async def list(self, visit: Visit) -> Response:
        """GET: the files by folder; `q` filters by name."""
        return await self._page(visit)

    async def _page(self, visit: Visit, fault: str = "") -> Response:
        snapshot = self._desk.control.snapshot
        words = visit.query("q").strip()
        found = [name for name in self._names(EXTRA_FILE.path) if words.lower() in name.lower()]
        found.sort(key=lambda name: (_folder(name), name))
        page = visit.number("page", 1, 1, max(1, -(-len(found) // PAGE_SIZE)))
        rows = []
        for name in found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]:
            held = snapshot.get(EXTRA_FILE.path, name, ExtraFile)
            content = held.content if held is not None else b""
            leaf = name.rpartition("/")[2] or name
            address = f"{FILES}/{segment(name)}"
            rows.append(FileRow(name, leaf, address, len(content), text_of(content) is not None))
        return await self._desk.page(
            visit,
            "extra_files.html",
            heading=say("Extra Files"),
            status=400 if fault else 200,
            fault=fault,
            folders=[
                (folder, tuple(group)) for folder, group in groupby(rows, lambda row: _folder(row.name))
            ],
            count=len(found),
            all=len(self._names(EXTRA_FILE.path)),
            words=words,
            page=page,
            more=page * PAGE_SIZE < len(found),
            turned=lambda number: FILES + listed({"q": words, "page": number}),
            folder=visit.form.text("folder") or visit.query("folder"),
            known=sorted({_folder(name) for name in self._names(EXTRA_FILE.path)} - {""})[:200],
            what=PAGES[EXTRA_FILE.path].what,
            may_write=visit.may(WRITE, write=True),
        )

    async def upload(self, visit: Visit) -> Response:
        """POST with files, folder and, for those that exist, replace."""
        form = visit.form
        if not form.files:
            return await self._page(visit, "Choose one or more files.")
        folder = form.text("folder").strip().strip("/")
        puts = {
            (name := f"{folder}/{one.name}" if folder else one.name): Put(
                ObjectId(EXTRA_FILE.path, name), {"content": one.content}
            )
            for one in form.files
        }
        objects = self._desk.control.snapshot.objects
        there = [name for name, put in puts.items() if put.identity in objects]
        if there and form.text("replace") != "yes":
            shown = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
            return await self._page(
                visit, f"{shown}: there already. Tick “Replace” to put the new content in its place."
            )
        count = len(puts)
        pending = Pending(
            owner=visit.session.csrf,
            changes=tuple(puts.values()),
            base=None,
            title="Upload extra files",
            done=f"{count} files were stored." if count > 1 else f"{next(iter(puts))} was stored.",
            back=FILES,
            onward=FILES,
        )
        try:
            return await self._changing.carry_out(visit, pending)
        except Invalid as error:
            return await self._page(visit, " ".join(sentence(p.message) for p in error.problems[:5]))


def _folder(name: str) -> str:
    return name.rpartition("/")[0]
