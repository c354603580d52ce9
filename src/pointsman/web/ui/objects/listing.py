"""The list of the objects of one type: filtered, sorted and turned over on the server, with live columns where there
are any, and acts on several objects at once.

Invariant: what is in trouble comes first unless somebody sorts otherwise; a list shows at most `PAGE_SIZE` objects and
says how many there are; live figures are read of those that are shown, or sorted by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from pointsman.console.language.choice import say
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import FileResource, Kind
from pointsman.schema.snapshot import AnyResource
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.columns import hidden_columns, written
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import BAD
from pointsman.web.ui.objects.extra import LiveColumns, RowState
from pointsman.web.ui.objects.kinds import PAGES, ObjectPages
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.visit import Visit

PAGE_SIZE = 200
CHOICES = (("", "All"), ("trouble", "In trouble"), ("disabled", "Disabled"))
_BAD = {Standing.REJECTED: 0, Standing.WARNING: 1}
_CONDITIONS = {
    Standing.REJECTED: RowState("error", "Left out"),
    Standing.WARNING: RowState("warn", "Warning"),
}
_WELL = RowState("ok", "in order")

Cell = str | int


@dataclass(frozen=True)
class ListRow:
    """An object in a list."""

    name: str
    address: str
    cells: tuple[Cell, ...]
    state: RowState
    links: Mapping[int, str]
    """Pages of the objects that cells name, by the number of their column."""


@dataclass(frozen=True)
class Heading:
    """A heading of a column: a link that sorts by it; `order` is how it is sorted now, "" for not at all. `numeric`:
    the column holds numbers.
    """

    title: str
    path: str
    order: str
    numeric: bool


class ObjectList:
    """The handler of the list."""

    def __init__(self, desk: Desk, names: Names, pages: ObjectPages, live: LiveColumns | None) -> None:
        self._desk = desk
        self._names = names
        self._pages = pages
        self._kind = pages.kind
        self._live = live

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings between name and state."""
        size = ("Size",) if self._kind.kind is Kind.FILE else ()
        return (*self._pages.columns, *size, *(self._live.columns if self._live is not None else ()))

    async def show(self, visit: Visit) -> Response:
        """GET: the objects; `q` filters by name, `state` by how they fare, `sort` with `order` sorts, `page` turns,
        `hide` leaves columns out. All of it is in the address, so it can be kept as a bookmark.
        """
        words, choice = visit.query("q").strip(), visit.query("state") if self._live is not None else ""
        states = await self._states(visit)
        everything = self._names(self._kind.path)
        names = [
            name
            for name in everything
            if words.lower() in name.lower() and _is_of(states.get(name, _WELL), choice)
        ]
        sort, falling = visit.query("sort"), visit.query("order") == "falling"
        if (key := self._key(sort, states)) is not None:
            names.sort(key=key, reverse=falling)
        else:
            sort = ""
            names.sort(key=lambda name: BAD[states.get(name, _WELL).mark])
        page = visit.number("page", 1, 1, max(1, -(-len(names) // PAGE_SIZE)))
        shown = names[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]

        hidden = hidden_columns(visit, len(self.columns))
        asked = {
            "q": words,
            "state": choice,
            "sort": sort,
            "order": "falling" if sort and falling else "",
            "hide": written(hidden),
        }

        def at(**changed: object) -> str:
            return self._pages.path + listed({**asked, **changed})

        return await self._desk.page(
            visit,
            "object_list.html",
            heading=say(self._kind.plural),
            pages=self._pages,
            rows=[self._row(name, states.get(name, _WELL)) for name in shown],
            columns=self.columns,
            hidden=hidden,
            asked={name: value for name, value in asked.items() if name != "hide"},
            headings=self._headings(at, sort, falling, hidden),
            choices=[(word, at(state=value), value == choice) for value, word in CHOICES],
            choice=choice,
            hide=asked["hide"],
            live=self._live,
            here=at(page=page if page > 1 else ""),
            count=len(names),
            all=len(everything),
            words=words,
            page=page,
            more=page * PAGE_SIZE < len(names),
            turned=lambda number: at(page=number),
            may_write=visit.may(self._pages.writing, write=True),
            may_make=self._kind.creatable,
        )

    def _headings(
        self, at: Callable[..., str], sort: str, falling: bool, hidden: frozenset[int]
    ) -> list[Heading]:
        keys = ("name", *map(str, range(len(self.columns))), "state")
        found = []
        for key, title in zip(keys, ("Name", *self.columns, "State"), strict=True):
            if key.isdecimal() and int(key) in hidden:
                continue
            order = ("descending" if falling else "ascending") if key == sort else ""
            path = at(sort=key, order="falling" if order == "ascending" else "")
            found.append(Heading(title, path, order, self._live is not None and title in self._live.columns))
        return found

    def _key(self, sort: str, states: Mapping[str, RowState]) -> Callable[[str], Any] | None:
        """What names are sorted by; None for what is no column."""
        if sort == "name":
            return str.lower
        if sort == "state":
            return lambda name: (BAD[states.get(name, _WELL).mark], states.get(name, _WELL).word)
        if not (sort.isascii() and sort.isdecimal() and len(sort) < 3 and int(sort) < len(self.columns)):
            return None
        return lambda name: _order(self._cells(name)[int(sort)])

    async def _states(self, visit: Visit) -> Mapping[str, RowState]:
        """How each object fares that does not fare well, or whose state is live."""
        found = dict(await self._live.states(visit)) if self._live is not None else {}
        for name, condition in self._worst().items():
            told = _CONDITIONS[condition.standing]
            held = found.get(name)
            if held is None or BAD[told.mark] < BAD[held.mark]:
                found[name] = RowState(told.mark, told.word, condition.message)
            elif not held.text and held.mark == told.mark:
                found[name] = RowState(held.mark, held.word, condition.message, held.path)
        return found

    def _worst(self) -> dict[str, Condition]:
        """The worst remark on each object that has one."""
        found: dict[str, Condition] = {}
        for condition in self._desk.control.conditions():
            if condition.subject.type == self._kind.path and condition.standing in _BAD:
                held = found.get(condition.subject.name)
                if held is None or _BAD[condition.standing] < _BAD[held.standing]:
                    found[condition.subject.name] = condition
        return found

    def _row(self, name: str, state: RowState) -> ListRow:
        cells = self._cells(name)
        links = {}
        for number, (column, cell) in enumerate(zip(self.columns, cells, strict=True)):
            target = self._pages.targets.get(column)
            if target is not None and ObjectId(target, str(cell)) in self._desk.control.snapshot.objects:
                links[number] = f"{PAGES[target].path}/{segment(str(cell))}"
        return ListRow(name, f"{self._pages.path}/{segment(name)}", cells, state, links)

    def _cells(self, name: str) -> tuple[Cell, ...]:
        resource: AnyResource = self._desk.control.snapshot.objects[ObjectId(self._kind.path, name)]
        size = (f"{len(resource.content)} bytes",) if isinstance(resource, FileResource) else ()
        live = self._live.cells(name) if self._live is not None else ()
        return (*self._pages.cells(resource), *size, *live)


def _is_of(state: RowState, choice: str) -> bool:
    match choice:
        case "trouble":
            return state.mark in ("error", "warn")
        case "disabled":
            return state.mark == "off"
        case _:
            return True


def _order(cell: Cell) -> tuple[int, int, str]:
    """Numbers by their size, before words."""
    if isinstance(cell, int):
        return (0, cell, "")
    first = cell.split(" ", 1)[0]
    if first.isascii() and first.isdecimal() and len(first) < 18:
        return (0, int(first), cell)
    return (1, 0, cell.lower())
