"""What was typed into the fields of a section, as settings again.

Pure. Invariant: only keys that the form shows are given, so what a page does not ask for is never changed by it;
whether a value is allowed is for the object's own model to say, which the same words then explain.
"""

from __future__ import annotations

from typing import Any

from pointsman.schema.resource import Key, ResourceType, ValueKind
from pointsman.web.ui.form_data import FormData

GIVEN = "?"
"""After a field's name: the form shows it, even where a browser sends nothing for it (a box without a tick)."""
CLEARED = "!"
"""After the name of a secret: it is to be removed."""
ROWS = "#"
"""After a table's name: the numbers of its rows."""


def read_section(kind: ResourceType, section: str, form: FormData) -> dict[str, Any]:
    """The keys of a section that a form holds."""
    found: dict[str, Any] = {}
    for key in kind.keys:
        if key.section == section and (key.path in form or f"{key.path}{GIVEN}" in form):
            value = read_key(key, form)
            if value is not None:
                found[key.name] = value
    return found


def read_key(key: Key, form: FormData) -> Any:
    """The value of a key; None for a secret that stays as it is."""
    name = key.path
    if key.kind is ValueKind.TABLE:
        return [row for number in form.all(f"{name}{ROWS}") if (row := _row(key, number, form)) is not None]
    if key.kind is ValueKind.LIST:
        values = form.all(name)
        lines = [line.strip() for value in values for line in value.splitlines()]
        return [line for line in lines if line]
    if key.secret is not None:
        if f"{name}{CLEARED}" in form:
            return ""
        return _clean(form.text(name)) or None
    return _value(key, form, name)


def _row(key: Key, number: str, form: FormData) -> dict[str, Any] | None:
    """A row of a table; None for one that is to go, or was left blank."""
    prefix = f"{key.path}{ROWS}{number}"
    if f"{prefix}{CLEARED}" in form:
        return None
    if not any(_is_filled(column, form, f"{prefix}.{column.name}") for column in key.columns):
        return None
    row: dict[str, Any] = {}
    for column in key.columns:
        name = f"{prefix}.{column.name}"
        if column.kind is ValueKind.LIST:
            row[column.name] = [part.strip() for part in form.text(name).split(",") if part.strip()]
        elif column.kind is ValueKind.BOOLEAN or not (
            form.text(name) == "" and not column.required and column.default != ""
        ):
            row[column.name] = _value(column, form, name)
    return row


def _is_filled(column: Key, form: FormData, name: str) -> bool:
    text = form.text(name).strip()
    if column.kind is ValueKind.BOOLEAN or column.choices:
        return False
    default = "" if column.default is None else str(column.default)
    return text not in ("", default)


def _value(key: Key, form: FormData, name: str) -> Any:
    text = form.text(name)
    match key.kind:
        case ValueKind.BOOLEAN:
            return name in form and text not in ("", "false")
        case ValueKind.INTEGER:
            plain = text.strip()
            sign = plain.removeprefix("-")
            # What is no number goes on as it is: the model says what is wrong with it.
            return int(plain) if sign.isascii() and sign.isdecimal() and len(sign) < 20 else plain
        case ValueKind.NUMBER:
            try:
                return float(text)
            except ValueError:
                return text
        case _:
            return _clean(text)


def _clean(text: str) -> str:
    """Browsers end lines with CR LF; what is stored ends them as it is written on this system."""
    return text.replace("\r\n", "\n")
