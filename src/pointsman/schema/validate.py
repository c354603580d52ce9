"""Turns plain data into resource objects, reporting every fault at once (up to a limit) with its object and field.

Invariant: `build` either returns an object that satisfies its model, or raises `Invalid` with at least one
`Problem`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, core_schema

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import (
    FileResource,
    Key,
    Kind,
    Resource,
    ResourceType,
    Settings,
    ValueKind,
    keys_of,
)
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.value import LIST_LIMIT

NAME_LIMIT = 255
PROBLEM_LIMIT = 1000
"""Faults of one object that are reported; nobody reads more, and each costs time and memory."""
_NAMES_LIMIT = 1000
"""Sections of an object, and keys of a section; the largest have a tenth of that."""

_CODES = {
    "missing": "property.no_default",
    "extra_forbidden": "json.unknown_property",
    "literal_error": "value.not_permitted",
    "greater_than_equal": "num.out_of_range",
    "less_than_equal": "num.out_of_range",
    "int_parsing_size": "num.out_of_range",
    "string_too_long": "string.too_long",
    "too_long": "list.too_long",
    "string_unicode": "string.illegal_character",
    "illegal_character": "string.illegal_character",
}

# Any other type of fault comes from a validator of ours and brings its own message.
_PYDANTIC_FAULTS = frozenset(get_args(core_schema.ErrorType))

_WANTED = {
    "string_type": "a string",
    "literal_error": "a string",
    "int_type": "a whole number, without quotes",
    "float_type": "a number, without quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list",
    "model_type": "an object of keys and values",
    "bytes_type": "the content of a file",
}

_COUNTED = {"string.too_long": "characters", "list.too_long": "elements"}


class Invalid(Exception):
    """Configuration that cannot be accepted; `problems` says why, completely."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def check_name(identity: ObjectId) -> None:
    """Refuses names that no surface could carry: empty, too long, with control characters, "." and ".."."""
    name = identity.name
    usual = name.isascii() and name.isprintable() and name == name.strip(" ")
    if usual and name.strip(".") and len(name) <= NAME_LIMIT:
        return  # nearly all names, thousands at a start
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
    """The object of `kind` called `name` with `settings`: section -> key -> value, or {"content": bytes}.

    Raises `Invalid` with all faults at once.
    """
    identity = ObjectId(kind.path, name)
    if kind.kind is not Kind.SINGLETON:
        check_name(identity)
        if name in kind.reserved:
            message = f'the name "{name}" has a meaning of its own; choose another'
            raise Invalid((Problem(identity, (), "name.invalid", message),))
    if kind.kind is not Kind.FILE:
        # A section that must be there is looked into even when absent, so that each missing key is named.
        fields = kind.model.model_fields
        needed: dict[str, Any] = {section: {} for section, info in fields.items() if info.is_required()}
        settings = {**needed, **settings}
        if problems := tuple(islice(_too_large(kind, identity, settings), PROBLEM_LIMIT)):
            raise Invalid(problems)
    try:
        built = kind.model.model_validate(settings)
    except ValidationError as error:
        details = error.errors(include_url=False)[:PROBLEM_LIMIT]
        problems = tuple(_problem(kind, identity, detail, settings) for detail in details)
        raise Invalid(problems) from None
    if kind.kind is not Kind.FILE and (twins := tuple(_repeated_rows(kind, identity, settings))):
        raise Invalid(twins)
    return built


def _too_large(kind: ResourceType, identity: ObjectId, settings: Settings) -> Iterator[Problem]:
    """What is so large that judging each part of it would hold up everything else.

    The model knows the limit of a list as well, but counts only after it has looked at every element.
    """
    if len(settings) > _NAMES_LIMIT:
        yield Problem(identity, (), "json.unknown_property", "has more sections than there are; remove some")
        return
    for section, keys in settings.items():
        if not isinstance(keys, Mapping):
            continue
        if len(keys) > _NAMES_LIMIT:
            message = "has more keys than there are; remove the unknown ones"
            yield Problem(identity, (str(section),), "json.unknown_property", message)
            continue
        for name, value in keys.items():
            if isinstance(value, list | tuple) and len(value) > LIST_LIMIT:
                message = f"is too long; shorten it to {LIST_LIMIT} elements at most"
                yield Problem(identity, (str(section), str(name)), "list.too_long", message)


def normalise(key: Key, value: Any) -> Any:
    """The value as it is stored: sets without repeated elements, everything else unchanged."""
    if key.kind is ValueKind.LIST and key.unordered:
        return list(dict.fromkeys(value))
    return value


def _repeated_rows(kind: ResourceType, identity: ObjectId, settings: Settings) -> list[Problem]:
    found: list[Problem] = []
    for key in _tables(kind.model):
        rows = settings.get(key.section, {}).get(key.name, ())
        labels = [str(row.get(key.row_key, "")) for row in rows]
        if len(set(labels)) == len(labels):
            continue
        seen: set[str] = set()
        for label in labels:
            if label in seen:
                message = f'the row "{label}" occurs twice; keep one of them'
                path = (key.section, key.name, label)
                found.append(Problem(identity, path, "table.duplicate_row", message))
            seen.add(label)
    return found


@cache
def _tables(model: type[Resource] | type[FileResource]) -> tuple[Key, ...]:
    keys = () if issubclass(model, FileResource) else keys_of(model)
    return tuple(key for key in keys if key.kind is ValueKind.TABLE and key.row_key)


def _problem(
    kind: ResourceType, identity: ObjectId, detail: ErrorDetails, settings: Mapping[str, Any]
) -> Problem:
    location = detail["loc"]
    key = _key_at(kind, location)
    code = _code(key, detail)
    return Problem(identity, _field_path(kind, location, settings), code, _message(kind, key, detail, code))


def _key_at(kind: ResourceType, location: tuple[int | str, ...]) -> Key | None:
    """The key at a place in the data, or the column where the place is inside a row."""
    key = kind.key(str(location[0]), str(location[1])) if len(location) > 1 else None
    if key is None or key.kind is not ValueKind.TABLE or len(location) <= 3:
        return key
    return next((column for column in key.columns if column.name == location[3]), None)


def _field_path(
    kind: ResourceType, location: tuple[int | str, ...], settings: Mapping[str, Any]
) -> tuple[str, ...]:
    path = [str(part) for part in location]
    if len(location) >= 3 and isinstance(location[2], int):
        key = kind.key(str(location[0]), str(location[1]))
        if key is not None and key.kind is ValueKind.TABLE and key.row_key:
            row = settings[str(location[0])][str(location[1])][location[2]]
            label = row.get(key.row_key) if isinstance(row, Mapping) else None
            # A label that cannot be shown safely in a log line gives way to the row's number.
            if isinstance(label, str) and label and label.isprintable():
                path[2] = label
    return tuple(path)


def _code(key: Key | None, detail: ErrorDetails) -> str:
    fault = detail["type"]
    if fault in _CODES:
        wrong_type = fault == "literal_error" and not isinstance(detail["input"], str)
        return "json.wrong_type" if wrong_type else _CODES[fault]
    if fault not in _PYDANTIC_FAULTS:
        return "value.invalid"
    if key is not None and key.kind is ValueKind.TABLE:
        return "json.invalid_table"
    return "json.wrong_type"


def _message(kind: ResourceType, key: Key | None, detail: ErrorDetails, code: str) -> str:
    location, context = detail["loc"], detail.get("ctx", {})
    match code:
        case "property.no_default":
            return "a value is needed and there is no default; set it"
        case "json.unknown_property":
            return unknown_name(kind, location)
        case "value.not_permitted":
            return f"must be one of {context['expected']}; choose one of them"
        case "num.out_of_range":
            return f"is out of range; give a number {_range(key, context)}"
        case "string.too_long" | "list.too_long":
            return f"is too long; shorten it to {context['max_length']} {_COUNTED[code]} at most"
        case "string.illegal_character" if detail["type"] == "string_unicode":
            return "must be valid Unicode; remove the unpaired surrogate"
        case "string.illegal_character" | "value.invalid":
            return detail["msg"]
        case _:
            return f"has the wrong type; give {_WANTED.get(detail['type'], 'another value')}"


def unknown_name(kind: ResourceType, location: tuple[int | str, ...]) -> str:
    """What to say of a section, key or column that `kind` does not have, with the nearest one that it has."""
    if len(location) == 2 and (renamed := kind.renaming(str(location[0]), str(location[1]))) is not None:
        return f"is called {'.'.join(renamed.after)} since level {renamed.level} of the schema; use that name"
    what, names = _siblings(kind, location)
    return f"no such {what}; remove it{nearest(str(location[-1]), names)}"


def _siblings(kind: ResourceType, location: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """What is unknown at a place ("section", "key", "column"), and the names that are known there."""
    match location:
        case (_,):
            return "section", list(kind.sections)
        case (section, _):
            return "key", [key.name for key in kind.keys if key.section == section]
        case (section, name, *_):
            table = kind.key(str(section), str(name))
            return "column", [column.name for column in table.columns] if table else []
        case _:
            return "property", []


def _range(key: Key | None, context: Mapping[str, Any]) -> str:
    low = key.minimum if key else context.get("ge")
    high = key.maximum if key else context.get("le")
    if low is None:
        return f"of {high} or less"
    return f"of {low} or more" if high is None else f"from {low} to {high}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown `name`: a question for the nearest of `names`, or nothing."""
    close = get_close_matches(name, names, 1) if len(name) <= NAME_LIMIT else []
    return f', or did you mean "{close[0]}"?' if close else ""
