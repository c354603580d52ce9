"""A key of an object as a field of a form, made from its declaration.

Pure. Invariant: every key of every type has a field; a secret's value is in none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pointsman.compiler.effect import is_idle
from pointsman.console.language.choice import say
from pointsman.control.merge import plain
from pointsman.schema.problem import Problem
from pointsman.schema.resource import Key, Resource, ResourceType, ValueKind
from pointsman.web.ui.forms.label import label_of
from pointsman.web.ui.forms.relevance import When, relevance

Widget = Literal[
    "text",
    "number",
    "check",
    "select",
    "area",
    "lines",
    "choices",
    "sequence",
    "table",
    "secret",
    "secret-area",
]
Names = Callable[[str], Sequence[str]]
"""The names of the objects of a type."""

MOST_CHOICES = 60
"""More objects than this are typed by name, with the names offered."""
BLANK_ROWS = 2
_LONG_TEXTS = ("note", "public", "private", "request", "response", "content")


@dataclass(frozen=True)
class Choice:
    """One value that may be chosen."""

    value: str
    label: str


@dataclass(frozen=True)
class Cell:
    """A column's value in one row of a table."""

    name: str
    column: Key
    widget: Widget
    value: str
    choices: tuple[Choice, ...]
    fault: str


@dataclass(frozen=True)
class RowView:
    """A row of a table; `blank` rows are for what is added."""

    number: int
    cells: tuple[Cell, ...]
    blank: bool


@dataclass(frozen=True)
class FieldView:
    """What a template needs to write a field: see `fields.html`.

    `values` are those of a list, `value` that of everything else; `offered` completes typed names; `default` is how the
    default reads, "" where there is none; `fault` says what is wrong with what was typed; `idle`: nothing acts on it.
    """

    name: str
    key: Key
    label: str
    widget: Widget
    value: str = ""
    values: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    offered: tuple[str, ...] = ()
    rows: tuple[RowView, ...] = ()
    default: str = ""
    changed: bool = False
    fault: str = ""
    idle: bool = False
    when: When | None = None
    columns: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        """The field's id on the page."""
        return f"f-{self.name.replace('.', '-')}"


def fields(
    kind: ResourceType,
    section: str,
    resource: Resource,
    names: Names,
    problems: Iterable[Problem] = (),
    typed: Mapping[str, Any] | None = None,
) -> tuple[FieldView, ...]:
    """The fields of a section of an object; `typed` are values of a refused form that stand in place of the stored
    ones, `problems` what is wrong with them.
    """
    found = tuple(problems)
    views = []
    for key in kind.keys:
        if key.section != section:
            continue
        value = plain(key.read(resource))
        if typed is not None and key.name in typed:
            value = typed[key.name]
        faults = [p for p in found if p.path[:2] == (key.section, key.name)]
        views.append(field_view(kind, key, value, names, faults))
    return tuple(views)


def field_view(
    kind: ResourceType, key: Key, value: Any, names: Names, faults: Sequence[Problem] = ()
) -> FieldView:
    """One key with its value."""
    widget = widget_of(key, names)
    own = [p.message for p in faults if key.kind is not ValueKind.TABLE or len(p.path) <= 2]
    if key.kind is ValueKind.LIST:
        own = [
            f"{p.path[2]}: {p.message}" if len(p.path) > 2 and not p.path[2].isdecimal() else p.message
            for p in faults
        ]
    shared: dict[str, Any] = {
        "name": key.path,
        "key": key,
        "label": label_of(key.name),
        "widget": widget,
        "default": "" if key.required or key.secret is not None else shown(key.default),
        "changed": key.secret is None and not key.required and value != key.default,
        "fault": "; ".join(dict.fromkeys(own)),
        "idle": is_idle(kind.path, key),
        "when": relevance(kind.path, key.path),
        "choices": choices(key, names, value),
    }
    if key.reference is not None and widget in ("text", "lines"):
        shared["offered"] = tuple(names(key.reference.type)[:1000])
    match widget:
        case "table":
            rows = value if isinstance(value, (list, tuple)) else ()
            return FieldView(
                **shared,
                rows=_rows(key, rows, names, faults),
                columns=tuple(label_of(column.name) for column in key.columns),
            )
        case "lines" | "choices" | "sequence":
            return FieldView(**shared, values=tuple(map(str, value or ())))
        case "secret" | "secret-area":
            return FieldView(**shared, value="set" if value else "")
        case _:
            return FieldView(**shared, value=written(value))


def widget_of(key: Key, names: Names) -> Widget:
    """How a key is asked for."""
    if key.secret is not None:
        return "secret-area" if key.name in _LONG_TEXTS else "secret"
    match key.kind:
        case ValueKind.BOOLEAN:
            return "check"
        case ValueKind.INTEGER | ValueKind.NUMBER:
            return "number"
        case ValueKind.TABLE:
            return "table"
        case ValueKind.LIST:
            if key.reference is None or len(names(key.reference.type)) > MOST_CHOICES:
                return "lines"
            return "choices" if key.unordered and not key.reference.off_mark else "sequence"
        case _:
            if key.choices:
                return "select"
            if key.reference is not None and len(names(key.reference.type)) <= MOST_CHOICES:
                return "select"
            return "area" if key.name in _LONG_TEXTS else "text"


def choices(key: Key, names: Names, value: Any) -> tuple[Choice, ...]:
    """What may be chosen; what is stored is always among it, be it there or not."""
    if key.choices:
        return tuple(Choice(word, say(word.replace("_", " "))) for word in key.choices)
    if key.reference is None:
        return ()
    there = list(names(key.reference.type))
    if len(there) > MOST_CHOICES:
        return ()
    found = [Choice(name, name) for name in [*key.reference.special, *there]]
    if key.reference.off_mark:
        found += [
            Choice(f"{key.reference.off_mark}{name}", say("{name} (switched off)", name=name))
            for name in there
        ]
    known = {choice.value for choice in found}
    stored = value if isinstance(value, (list, tuple)) else [value]
    missing = [str(one) for one in stored if one and not isinstance(one, Mapping) and str(one) not in known]
    return (
        *found,
        *(Choice(name, say("{name} (does not exist)", name=name)) for name in dict.fromkeys(missing)),
    )


def written(value: Any) -> str:
    """A value as a field holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """A default for people."""
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) if value and not isinstance(value[0], Mapping) else say("none")
    return say("empty") if value in ("", None) else str(value)


def _rows(key: Key, rows: Sequence[Any], names: Names, faults: Sequence[Problem]) -> tuple[RowView, ...]:
    blank = {column.name: column.default for column in key.columns}
    views = []
    for number, row in enumerate([*rows, *([blank] * BLANK_ROWS)]):
        label = str(row.get(key.row_key, number)) if isinstance(row, Mapping) else str(number)
        own = [p for p in faults if len(p.path) > 2 and p.path[2] in (label, str(number))]
        views.append(_row(key, number, row, names, own, is_blank=number >= len(rows)))
    return tuple(views)


def _row(
    key: Key, number: int, row: Mapping[str, Any], names: Names, faults: Sequence[Problem], *, is_blank: bool
) -> RowView:
    cells = []
    for column in key.columns:
        value = row.get(column.name, column.default)
        own = [p.message for p in faults if p.path[3:4] == (column.name,)]
        if column.name == key.row_key and not own:
            own = [p.message for p in faults if len(p.path) == 3]
        cells.append(
            Cell(
                name=f"{key.path}#{number}.{column.name}",
                column=column,
                widget=widget_of(column, names) if column.kind is not ValueKind.LIST else "text",
                value="" if column.secret is not None else _cell_text(value),
                choices=choices(column, names, value),
                fault="" if is_blank else "; ".join(own),
            )
        )
    return RowView(number, tuple(cells), is_blank)


def _cell_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return written(value)
