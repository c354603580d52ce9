"""What changes between two configurations, object by object and key by key, fit to be shown.

Pure. Invariant: no secret leaves in clear (a short fingerprint says whether it changed), and a key that is
absent counts as its default, so that writing a default out is no change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.schema.validate import normalise

Objects = Mapping[ObjectId, Mapping[str, Any]]


@dataclass(frozen=True)
class KeyChange:
    """One key, or one row of a table, that differs; `before` or `after` is None where there is no such row or
    object.
    """

    path: tuple[str, ...]
    before: Any
    after: Any


@dataclass(frozen=True)
class ObjectChange:
    """One object that differs. Of a created object `keys` are what was set, of a deleted one they are empty, of a
    renamed one they are the name.
    """

    subject: ObjectId
    act: Literal["created", "changed", "deleted", "renamed"]
    keys: tuple[KeyChange, ...] = ()


def compare(
    before: Objects, after: Objects, registry: Mapping[str, ResourceType]
) -> tuple[ObjectChange, ...]:
    """The changes that lead from `before` to `after`, by type and name; both hold sparse settings."""
    return tuple(_compare(before, after, registry))


def _compare(before: Objects, after: Objects, registry: Mapping[str, ResourceType]) -> Iterator[ObjectChange]:
    for identity in sorted({*before, *after}):
        kind = registry.get(identity.type)
        if kind is None:
            continue  # written by a newer version: nothing is known of its keys
        old, new = before.get(identity), after.get(identity)
        if kind.kind is Kind.SINGLETON:
            old, new = old or {}, new or {}  # it always exists
        if new is None:
            yield ObjectChange(identity, "deleted")
        elif old is None:
            yield ObjectChange(identity, "created", tuple(_keys(kind, {}, new)))
        elif keys := tuple(_keys(kind, old, new)):
            yield ObjectChange(identity, "changed", keys)


def _keys(kind: ResourceType, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[KeyChange]:
    if kind.kind is Kind.FILE:
        if old.get("content") != new.get("content"):
            yield KeyChange(("content",), _sketch(old.get("content")), _sketch(new.get("content")))
        return
    for key in kind.keys:
        if key.name not in old.get(key.section, ()) and key.name not in new.get(key.section, ()):
            continue  # the default in both; most keys of most objects
        before, after = value_in(key, old), value_in(key, new)
        if before == after:
            continue
        path = (key.section, key.name)
        if key.secret is not None:
            yield KeyChange(path, fingerprint(before), fingerprint(after))
        elif key.kind is ValueKind.TABLE and key.row_key:
            yield from _rows(key, path, before or [], after or [])
        else:
            yield KeyChange(path, before, after)


def value_in(key: Key, settings: Mapping[str, Any]) -> Any:
    """What a key is in sparse settings, in a form that is equal for equal meanings: defaults are written out."""
    value = settings.get(key.section, {}).get(key.name, key.default)
    if value is None:
        return None
    if key.kind is ValueKind.TABLE:
        defaults = {column.name: column.default for column in key.columns}
        return [{**defaults, **row} for row in value]
    value = normalise(key, value)
    return list(value) if key.kind is ValueKind.LIST else value


def _rows(
    key: Key, path: tuple[str, ...], before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> Iterator[KeyChange]:
    old = {str(row[key.row_key]): row for row in before}
    new = {str(row[key.row_key]): row for row in after}
    changed = False
    for label in dict.fromkeys((*old, *new)):
        if old.get(label) != new.get(label):
            changed = True
            yield KeyChange((*path, label), _hide(key, old.get(label)), _hide(key, new.get(label)))
    if not changed:  # the same rows in another order
        yield KeyChange(path, list(old), list(new))


def _hide(key: Key, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    secret = {column.name for column in key.columns if column.secret is not None}
    return {name: fingerprint(value) if name in secret else value for name, value in row.items()}


def fingerprint(secret: Any) -> str | None:
    """What is shown of a secret: eight hexadecimal digits that change with it; "" and None as they are."""
    if secret is None or secret == "":
        return secret  # type: ignore[no-any-return]  # narrowed by value, not by type
    return f"secret:{hashlib.sha256(str(secret).encode('utf-8', 'replace')).hexdigest()[:8]}"


def _sketch(content: bytes | None) -> str | None:
    if content is None:
        return None
    return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:12]}"
