"""How faults, changes, conditions and engine differences look, the same in every command.

Invariant: what comes from documents or an instance is shown through `screen`, which cleans it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text

from pointsman.cli.outcome import Rejected, clean
from pointsman.cli.screen import Screen, styled
from pointsman.document.difference import KeyChange, ObjectChange
from pointsman.document.fault import Fault
from pointsman.document.load import Document
from pointsman.document.wire import encode_fault, encode_problem

Json = dict[str, Any]
MARKS = {"created": ("+", "green"), "changed": ("~", "yellow"), "deleted": ("-", "red")}
STANDINGS = {"rejected": "bold red", "warning": "yellow", "notice": "cyan", "applied": "green"}
SHOWN_LENGTH = 200
_ACTS = {
    "nothing": "The engine would go on as it is",
    "runtime": "The running engine would be changed without a reload",
    "reload": "The engine would reload without dropping a request",
    "start": "The engine would start",
}


def show_faults(screen: Screen, faults: Iterable[Fault]) -> None:
    """One line each: file:line:column: object: field: message."""
    faults = tuple(faults)
    if screen.as_json:
        screen.data({"valid": False, "faults": [encode_fault(fault) for fault in faults]})
        return
    for fault in faults:
        place, _, rest = str(fault).partition(": ")
        screen.complain(styled(place, "bold"), ": ", styled(rest, "red"))


def show_rejected(screen: Screen, rejected: Rejected, document: Document | None = None) -> None:
    """What an instance refused, with the place in the documents where there is one."""
    if screen.as_json:
        found = []
        for problem in rejected.problems:
            fault = document.fault(problem) if document else None
            found.append(encode_fault(fault) if fault else encode_problem(problem))
        screen.data({"valid": False, "faults": found})
        return
    for problem in rejected.problems:
        fault = document.fault(problem) if document else None
        text = str(problem) if problem.subject or problem.path else problem.message
        screen.complain(styled(str(fault or text), "red"))


def show_changes(screen: Screen, changes: Iterable[ObjectChange]) -> None:
    """What changes, object by object; one line for each key or row."""
    for change in changes:
        mark, style = MARKS[change.act]
        screen.line(styled(f"{mark} {change.subject}", f"bold {style}"), f"  {change.act}")
        for key in change.keys:
            shown = replace(key, before=None) if change.act == "created" else key
            for line in _key_lines(shown):
                screen.line("    ", line)


def _key_lines(change: KeyChange) -> list[Text]:
    path = clean(".".join(change.path))
    match change.before, change.after:
        case Mapping() as before, Mapping() as after:  # a row of a table: only the columns that differ
            return [
                _value_line(f"{path}.{name}", before.get(name), value)
                for name, value in after.items()
                if before.get(name) != value
            ]
        case None, after:
            return [Text.assemble((f"{path}: ", ""), (_short(after), "green"))]
        case before, None:
            return [Text.assemble((f"{path}: ", ""), (f"{_short(before)} removed", "red"))]
        case before, after:
            return [_value_line(path, before, after)]


def _value_line(path: str, before: Any, after: Any) -> Text:
    return Text.assemble((f"{path}: ", ""), (_short(before), "red"), " -> ", (_short(after), "green"))


def _short(value: Any) -> str:
    match value:
        case str():
            text = value if value and value == clean(value) and " " not in value else f'"{clean(value)}"'
        case bool():
            text = str(value).lower()
        case Mapping():
            text = "{" + ", ".join(f"{name}: {_short(inner)}" for name, inner in value.items()) + "}"
        case list() | tuple():
            text = "[" + ", ".join(_short(inner) for inner in value) + "]"
        case _:
            text = str(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}..."


def show_conditions(screen: Screen, conditions: Iterable[Json], document: Document | None = None) -> None:
    """Remarks on objects: standing, object, field, message."""
    for condition in conditions:
        subject = condition["subject"]
        name = f"{subject['type']}/{subject['name']}" if subject["name"] else subject["type"]
        where = ".".join([name, *condition["path"]]) if condition["path"] else name
        standing = condition["standing"]
        screen.line(styled(standing, STANDINGS.get(standing, "")), f"  {where}: {condition['message']}")


def show_engine(screen: Screen, text: str) -> None:
    """A unified diff of the generated engine configuration."""
    for line in text.splitlines():
        style = "green" if line.startswith("+") else "red" if line.startswith("-") else ""
        if line.startswith(("+++", "---")):
            style = "bold"
        screen.line(styled(line, "cyan" if line.startswith("@@") else style))


def show_act(screen: Screen, found: Mapping[str, Any]) -> None:
    """What the engine would do for the changes: `act` of an answer, with its `reasons`."""
    reasons = f" ({'; '.join(found['reasons'])})" if found.get("reasons") else ""
    screen.line(f"{_ACTS[found['act']]}{reasons}.")
