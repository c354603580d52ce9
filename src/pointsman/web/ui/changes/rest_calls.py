"""A change as the calls of the REST API that make the same.

Pure. Invariant: no secret is in them; where one belongs there is a mark instead. A change that REST cannot make is said
in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pointsman.document.difference import value_in
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.store import Change, Delete, Put, Rename

ROOT = "/api/tm/8.3/config/active"
LEFT_OUT = "(the secret)"
MOST = 50
"""Calls that a page shows."""
_TEXT_LIMIT = 4000


@dataclass(frozen=True)
class RestCall:
    """One request; `body` is JSON, or the text of a file, "" where there is none. `note` says what it cannot say."""

    method: str
    path: str
    body: str = ""
    note: str = ""


def rest_path(identity: ObjectId) -> str:
    """Where the REST API has an object."""
    return "/".join([ROOT, identity.type, *([quote(identity.name, safe="")] if identity.name else [])])


def calls_of(
    changes: Sequence[Change], objects: Mapping[ObjectId, Mapping[str, Any]]
) -> tuple[RestCall, ...]:
    """The calls that make the changes to `objects`, the first of them; the caller knows how many there are."""
    return tuple(_call(change, objects.get(change.identity)) for change in changes[:MOST])


def _call(change: Change, stored: Mapping[str, Any] | None) -> RestCall:
    path = rest_path(change.identity)
    match change:
        case Delete():
            return RestCall("DELETE", path)
        case Rename(_, name):
            return RestCall("", path, note=f"Renamed to {name}; the REST API cannot rename an object.")
        case Put(identity, settings):
            kind = BY_PATH[identity.type]
            if kind.kind is Kind.FILE:
                return _file(path, settings.get("content", b""))
            keys = _differing(kind, stored, settings)
            return RestCall("PUT", path + expert_query(keys), body_of(kind, keys, settings))


def expert_query(keys: Iterable[Key]) -> str:
    """The query that makes REST take the hidden ones of the keys; "" where none is hidden."""
    hidden = ",".join(f"{key.section}/{key.name}" for key in keys if key.hidden)
    return f"?expert_keys={hidden}" if hidden else ""


def body_of(kind: ResourceType, keys: Iterable[Key], settings: Mapping[str, Any]) -> str:
    """The JSON body that sets keys to what they are in sparse settings."""
    sections: dict[str, dict[str, Any]] = {}
    for key in keys:
        sections.setdefault(key.section, {})[key.name] = masked(key, value_in(key, settings))
    return json.dumps({"properties": sections}, indent=2, ensure_ascii=False)


def _differing(
    kind: ResourceType, stored: Mapping[str, Any] | None, settings: Mapping[str, Any]
) -> list[Key]:
    return [
        key
        for key in kind.keys
        if (key.name in settings.get(key.section, ()) or key.name in (stored or {}).get(key.section, ()))
        and (value_in(key, settings) != value_in(key, stored or {}) or (stored is None and key.required))
    ]


def masked(key: Key, value: Any) -> Any:
    """A key's value without its secrets."""
    if key.secret is not None:
        return LEFT_OUT if value else value
    if key.kind is ValueKind.TABLE:
        secret = {column.name for column in key.columns if column.secret is not None}
        return [
            {name: LEFT_OUT if name in secret else cell for name, cell in row.items()} for row in value or ()
        ]
    return value


def _file(path: str, content: bytes) -> RestCall:
    note = "Content-Type: application/octet-stream"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return RestCall("PUT", path, note=f"{note}, {len(content)} bytes that are no text")
    if "PRIVATE KEY" in text or len(text) > _TEXT_LIMIT:
        return RestCall("PUT", path, note=f"{note}, the file of {len(content)} bytes")
    return RestCall("PUT", path, text, note)
