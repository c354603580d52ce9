"""How a change meets what is stored: key by key, lists and tables as a whole, nothing stored that equals a default.

Pure. Invariant: merging what was read (secrets as their read-back form) into what is stored gives what is stored.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.compiler.check import check
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind, Resource, ResourceType, Row
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.validate import Invalid, build, normalise
from pointsman.schema.value import Secret
from pointsman.store import Change, Delete, Put, Rename


def secret_readback(value: str) -> str:
    """What is shown instead of a private key: base64 of the SHA-256 of the exact text."""
    return base64.b64encode(hashlib.sha256(value.encode("utf-8")).digest()).decode("ascii")


def merge(kind: ResourceType, stored: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings with the keys of `change` put over them.

    A change of the wrong shape is carried over as it is, for validation to name. A secret sent back in its read-back
    form keeps the stored value.
    """
    if kind.kind is Kind.FILE:
        return dict(change)
    merged: dict[str, Any] = {section: dict(values) for section, values in stored.items()}
    for section, values in change.items():
        if not isinstance(values, Mapping):
            merged[section] = values
            continue
        target = merged.setdefault(section, {})
        for name, value in values.items():
            key = kind.key(section, name)
            secret = key.secret if key is not None and name in target else None
            if secret is None or value != _read_back(secret, str(target[name])):
                target[name] = value
    return merged


def _read_back(secret: Secret, value: str) -> str:
    match secret.readback:
        case "hash":
            return secret_readback(value)
        case "empty":
            return ""
        case "clear":
            return value


def canonical(kind: ResourceType, built: AnyResource) -> dict[str, Any]:
    """The settings to store for a valid object: required keys, and keys that differ from their default."""
    if not isinstance(built, Resource):
        return {"content": built.content}
    out: dict[str, Any] = {}
    for key in kind.keys:
        value = normalise(key, plain(key.read(built)))
        if key.required or value != key.default:
            out.setdefault(key.section, {})[key.name] = value
    return out


def plain(value: Any) -> Any:
    """A key's value as JSON data."""
    if isinstance(value, tuple):
        return [row.model_dump(mode="json") if isinstance(row, Row) else row for row in value]
    return value


def full(kind: ResourceType, built: AnyResource) -> dict[str, dict[str, Any]]:
    """Every section and key of an object, defaults included, in the order of REST answers; secrets in clear."""
    out: dict[str, dict[str, Any]] = {section: {} for section in kind.sections}
    for key in kind.keys:
        out[key.section][key.name] = plain(key.read(built))
    return out


def with_changes(
    objects: Mapping[ObjectId, AnyResource], changes: Iterable[Change]
) -> tuple[dict[ObjectId, AnyResource], tuple[ObjectId, ...]]:
    """`objects` as `changes` would make them, and the identities that those put there. Raises `Invalid`.

    Deleting or renaming what is not there changes nothing, and types that this version does not know are passed over.
    """
    after = dict(objects)
    put: list[ObjectId] = []
    for change in changes:
        match change:
            case Put(identity, settings):
                if (kind := BY_PATH.get(identity.type)) is not None:
                    after[identity] = build(kind, identity.name, settings)
                    put.append(identity)
            case Delete(identity):
                after.pop(identity, None)
            case Rename(identity, name):
                if identity in after:
                    after[ObjectId(identity.type, name)] = after.pop(identity)
    return after, tuple(put)


def checked(
    objects: Mapping[ObjectId, AnyResource], changes: Iterable[Change]
) -> dict[ObjectId, AnyResource]:
    """The configuration that `changes` would make of `objects`. Raises `Invalid` with every problem of it."""
    candidate, touched = with_changes(objects, changes)
    if problems := check(Snapshot(candidate), touched):
        raise Invalid(problems)
    return candidate
