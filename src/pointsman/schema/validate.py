"""Turns plain data into resource objects, reporting every fault at once with its object and field.

Invariant: `build` either returns an object that satisfies its model or raises `Invalid` with at least one `Problem`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Key, Kind, ResourceType, Settings, ValueKind
from pointsman.schema.snapshot import AnyResource

NAME_LIMIT = 255

_CODES = {
    "missing": "property.no_default",
    "extra_forbidden": "json.unknown_property",
    "literal_error": "value.not_permitted",
    "greater_than_equal": "num.out_of_range",
    "less_than_equal": "num.out_of_range",
    "int_parsing_size": "num.out_of_range",
    "string_too_long": "string.too_long",
    "too_long": "list.too_long",
    "illegal_character": "string.illegal_character",
}


class Invalid(Exception):
    """Configuration that cannot be accepted; `problems` says why, completely."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def check_name(identity: ObjectId) -> None:
    """Refuses names that no surface could carry: empty, over 255 bytes, control characters, "." and "..", not NFC."""
    name = identity.name
    fault = ""
    if not name:
        fault = "a name must not be empty; give it at least one character"
    elif len(name.encode("utf-8", "replace")) > NAME_LIMIT:
        fault = f"a name may have {NAME_LIMIT} bytes at most; shorten it"
    elif name in (".", ".."):
        fault = 'the names "." and ".." cannot be addressed; choose another'
    elif any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        fault = "a name must not hold control characters or line breaks; remove them"
    elif name != name.strip():
        fault = "a name must not start or end with a space; remove it"
    elif unicodedata.normalize("NFC", name) != name:
        fault = "a name must be in Unicode normal form C; type it again instead of pasting it"
    if fault:
        raise Invalid((Problem(identity, (), "name.invalid", fault),))


def build(kind: ResourceType, name: str, settings: Settings | Mapping[str, Any]) -> AnyResource:
    """The object of `kind` called `name` with `settings` (section -> key -> value; {"content": bytes} for files).

    Raises `Invalid` with all faults at once.
    """
    identity = ObjectId(kind.path, name)
    if kind.kind is not Kind.SINGLETON:
        check_name(identity)
    if kind.kind is not Kind.FILE:
        # A section that must be there is looked into even when absent, so that each missing key is named.
        needed = {name: {} for name, info in kind.model.model_fields.items() if info.is_required()}
        settings = {**needed, **settings}
    try:
        built = kind.model.model_validate(settings)
    except ValidationError as error:
        problems = tuple(_problem(kind, identity, detail, settings) for detail in error.errors(include_url=False))
        raise Invalid(problems) from None
    if kind.kind is not Kind.FILE and (twins := tuple(_repeated_rows(kind, identity, settings))):
        raise Invalid(twins)
    return built


def normalise(key: Key, value: Any) -> Any:
    """The value as it is stored: sets without repeated elements, everything else unchanged."""
    if key.kind is ValueKind.LIST and key.unordered:
        return list(dict.fromkeys(value))
    return value


def _repeated_rows(kind: ResourceType, identity: ObjectId, settings: Settings) -> list[Problem]:
    found: list[Problem] = []
    for key in kind.keys:
        if key.kind is not ValueKind.TABLE or not key.row_key:
            continue
        seen: set[str] = set()
        for row in settings.get(key.section, {}).get(key.name, ()):
            label = str(row.get(key.row_key, ""))
            if label in seen:
                message = f'the row "{label}" occurs twice; keep one of them'
                found.append(Problem(identity, (key.section, key.name, label), "table.duplicate_row", message))
            seen.add(label)
    return found


def _problem(
    kind: ResourceType, identity: ObjectId, detail: ErrorDetails, settings: Mapping[str, Any]
) -> Problem:
    location = detail["loc"]
    path = _field_path(kind, location, settings)
    code = _CODES.get(detail["type"], "json.wrong_type")
    return Problem(identity, path, code, _message(kind, location, detail, code))


def _field_path(kind: ResourceType, location: tuple[int | str, ...], settings: Mapping[str, Any]) -> tuple[str, ...]:
    path = [str(part) for part in location]
    if len(location) >= 3 and isinstance(location[2], int):
        key = kind.key(str(location[0]), str(location[1]))
        if key is not None and key.kind is ValueKind.TABLE and key.row_key:
            row = settings[str(location[0])][str(location[1])][location[2]]
            if isinstance(row, Mapping) and isinstance(row.get(key.row_key), str):
                path[2] = row[key.row_key]
    return tuple(path)


def _message(kind: ResourceType, location: tuple[int | str, ...], detail: ErrorDetails, code: str) -> str:
    match code:
        case "property.no_default":
            return "a value is needed and there is no default; set it"
        case "json.unknown_property":
            names = list(kind.sections) if len(location) == 1 else [k.name for k in kind.keys if k.section == location[0]]
            near = _nearest(str(location[-1]), names)
            return f'no such {"section" if len(location) == 1 else "key"}; remove it{near}'
        case "value.not_permitted":
            return f'must be one of {detail["ctx"]["expected"]}'
        case "num.out_of_range":
            bounds = detail.get("ctx", {})
            edge = f'{bounds["ge"]} or more' if "ge" in bounds else f'{bounds.get("le", 2**63 - 1)} or less'
            return f"must be {edge}"
        case "string.too_long" | "list.too_long":
            return f'is too long; {detail["ctx"]["max_length"]} is the most'
        case "string.illegal_character":
            return detail["msg"]
        case _:
            return f'has the wrong type; {detail["msg"][:1].lower()}{detail["msg"][1:]}'


def _nearest(name: str, names: list[str]) -> str:
    from difflib import get_close_matches  # rarely needed

    close = get_close_matches(name, names, 1)
    return f', or did you mean "{close[0]}"?' if close else ""
