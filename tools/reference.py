"""Writes the reference pages of `docs/reference` from the schema (`make docs`).

Invariant: the same schema gives the same bytes, and every page says first that it is made. Of other files in
the directory only made pages are removed.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pointsman.schema.counter import STATISTIC_TYPES, Counter, CounterKind, StatisticType, is_counted
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import Key, Kind, ResourceType, Settings, ValueKind
from tools import container_page

NOTICE = "<!-- Made from the schema by `make docs`: change the schema, not this page. -->"

KINDS = {
    Kind.COLLECTION: "Any number of objects, each with a name.",
    Kind.SINGLETON: "One object, which always exists.",
    Kind.FILE: "Any number of files, each with a name.",
}

Row = Sequence[str]


def pages(types: Iterable[ResourceType], statistics: Iterable[StatisticType]) -> dict[str, str]:
    """File name -> Markdown: a page for each resource type, one of statistics, and `README.md`, the list."""
    ordered = sorted(types, key=lambda kind: kind.path)
    made = {page_name(kind): _resource_page(kind) for kind in ordered}
    made["statistics.md"] = _statistics_page(sorted(statistics, key=lambda leaf: leaf.path))
    made[container_page.NAME] = _page(*container_page.parts())
    made["README.md"] = _index_page(ordered)
    return made


def page_name(kind: ResourceType) -> str:
    """The file name of a type's page: `ssl/server_keys` becomes `ssl-server_keys.md`."""
    return f"{kind.path.replace('/', '-')}.md"


def write(directory: Path, made: Mapping[str, str]) -> None:
    """Puts the pages into `directory`, made if need be, and removes made pages of types that are gone."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in sorted(directory.glob("*.md")):
        if old.name not in made and old.read_text(encoding="utf-8").startswith(NOTICE):
            old.unlink()
    for name, text in made.items():
        (directory / name).write_text(text, encoding="utf-8")


def _index_page(types: Sequence[ResourceType]) -> str:
    rows = [
        (f"[{kind.plural}]({page_name(kind)})", _code(f"config/active/{kind.path}"), _prose(kind.help))
        for kind in types
    ]
    return _page(
        "# Reference",
        "What can be configured, key by key, as REST, documents and the command line know it. Counters are"
        " under [Statistics](statistics.md), variables and exit statuses of a container under"
        f" [Starting a container]({container_page.NAME}).",
        _table(("Type", "REST path", "What it is for"), rows),
    )


def _resource_page(kind: ResourceType) -> str:
    creation = (
        "" if kind.creatable else " They are not made by hand: each belongs to a member of the cluster."
    )
    parts = [
        f"# {kind.plural}",
        _prose(kind.help),
        f"{_code(f'config/active/{kind.path}')}. {KINDS[kind.kind]}{creation}",
    ]
    if kind.together:
        names = ", ".join(_code(name) for name in sorted(kind.together))
        parts.append(f"Sections that change as a whole, not key by key: {names}.")
    for section in kind.sections:
        parts += _section(kind, section)
    if kind.factory:
        parts += ["## Objects that exist from the start", _factory(kind.factory)]
    return _page(*parts)


def _section(kind: ResourceType, section: str) -> list[str]:
    keys = [key for key in kind.keys if key.section == section]
    parts = [f"## {_code(section)}", _prose(_section_help(kind, section)), _keys("Key", keys)]
    for key in keys:
        if key.kind is ValueKind.TABLE:
            label = f" A row is known by its {_code(key.row_key)}." if key.row_key else ""
            parts += [f"Columns of {_code(key.name)}.{label}", _keys("Column", key.columns)]
    return parts


def _section_help(kind: ResourceType, section: str) -> str:
    model = kind.model.model_fields[section].annotation
    return inspect.getdoc(model) or ""


def _keys(title: str, keys: Sequence[Key]) -> str:
    rows = [
        (
            _code(key.name),
            _type(key),
            "required" if key.required else _value(key.default),
            _permitted(key),
            key.unit,
            key.since,
            _meaning(key),
        )
        for key in keys
    ]
    return _table((title, "Type", "Default", "Permitted", "Unit", "Since", "Meaning"), rows)


def _type(key: Key) -> str:
    match key.kind:
        case ValueKind.LIST:
            return "set of strings" if key.unordered else "list of strings"
        case ValueKind.TABLE:
            return "set of rows" if key.unordered else "table"
        case _:
            return str(key.kind.value)


def _permitted(key: Key) -> str:
    if key.choices:
        return ", ".join(_code(choice) for choice in key.choices)
    if key.reference is not None:
        special = "".join(f", or {_code(name)}" for name in key.reference.special)
        return f"name in {_code(key.reference.type)}{special}"
    match key.minimum, key.maximum:
        case None, None:
            return ""
        case low, None:
            return f"{low} or more"
        case None, high:
            return f"{high} or less"
        case low, high:
            return f"{low} to {high}"


def _meaning(key: Key) -> str:
    notes = []
    if key.hidden:
        notes.append("*Hidden: REST shows it only when asked by `expert_keys`.*")
    if key.secret is not None:
        notes.append("*Secret: encrypted where it is stored, left out of history and logs.*")
    return " ".join([_prose(key.help), *notes])


def _factory(objects: Mapping[str, Settings]) -> str:
    rows = []
    for name, settings in sorted(objects.items()):
        values = [
            f"{_code(f'{section}.{key}')}: {_value(value)}"
            for section, keys in sorted(settings.items())
            for key, value in sorted(keys.items())
        ]
        rows.append((_prose(name), "<br>".join(values)))
    return _table(("Name", "Settings that differ from the default"), rows)


def _statistics_page(leaves: Sequence[StatisticType]) -> str:
    parts = [
        "# Statistics",
        "Figures of a running traffic manager, below `status/<traffic manager>/statistics`. A *counter* only"
        " grows, also across reloads; a *gauge* goes up and down; an *enum* is one word of a few. What is *not counted*"
        " is there for clients that ask for it, and always reads 0.",
    ]
    for leaf in leaves:
        scope = "For each object." if leaf.per_object else "For the traffic manager as a whole."
        rows = [
            (_code(counter.name), counter.kind.value, counter.unit, _counter_meaning(leaf, counter))
            for counter in leaf.counters
        ]
        parts += [
            f"## {_code(leaf.path)}",
            f"{_prose(leaf.help)} {scope}",
            _table(("Counter", "Kind", "Unit", "Meaning"), rows),
        ]
    return _page(*parts)


def _counter_meaning(leaf: StatisticType, counter: Counter) -> str:
    said = _prose(counter.help)
    if not is_counted(leaf.path, counter.name):
        said += " *Not counted.*"
    if counter.kind is not CounterKind.STATE:
        return said
    return f"{said} One of {', '.join(_code(value) for value in counter.values)}."


def _page(*parts: str) -> str:
    return "\n\n".join([NOTICE, *(part for part in parts if part)]) + "\n"


def _table(titles: Row, rows: Iterable[Row]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _value(value: Any) -> str:
    return _code(json.dumps(value, ensure_ascii=False))


def _code(text: str) -> str:
    """A code span that survives inside a table, whatever the text holds."""
    fence = "``" if "`" in text else "`"
    edge = " " if "`" in text else ""
    return f"{fence}{edge}{text}{edge}{fence}".replace("|", "\\|")


def _prose(text: str) -> str:
    """Text on one line, without what a table or HTML would take for its own; code spans stay as they are."""
    plain = " ".join(text.split()).replace("|", "\\|")
    parts = re.split(r"(`[^`]*`)", plain)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def main() -> None:
    """`python -m tools.reference OUTDIR`"""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.reference OUTDIR")
    write(Path(sys.argv[1]), pages(RESOURCE_TYPES, STATISTIC_TYPES))


if __name__ == "__main__":
    main()
