"""Objects, problems and changes as JSON, for the control socket and for `--json`.

Pure. Invariant: decoding what was encoded gives the same values; decoding anything else raises `ValueError`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.document.difference import KeyChange, ObjectChange, Objects
from pointsman.document.fault import Fault
from pointsman.schema.condition import Condition
from pointsman.schema.problem import ObjectId, Problem

Json = dict[str, Any]


def encode_identity(identity: ObjectId) -> Json:
    """Type and name."""
    return {"type": identity.type, "name": identity.name}


def encode_objects(objects: Objects) -> list[Json]:
    """Each object with type and name, and `settings` or, for files, `content` in base64."""
    return [
        {**encode_identity(identity), "content": base64.b64encode(settings["content"]).decode("ascii")}
        if isinstance(settings.get("content"), bytes)
        else {
            **encode_identity(identity),
            "settings": {section: dict(keys) for section, keys in settings.items()},
        }
        for identity, settings in objects.items()
    ]


def decode_objects(data: Any) -> Objects:
    """The reverse of `encode_objects`. Raises `ValueError`."""
    objects: dict[ObjectId, Mapping[str, Any]] = {}
    if not isinstance(data, list):
        raise ValueError("objects must be a list")
    for item in data:
        identity = _identity(item)
        match item:
            case {"content": str(content)}:
                try:
                    objects[identity] = {"content": base64.b64decode(content, validate=True)}
                except binascii.Error:
                    raise ValueError(f"{identity}: content must be base64") from None
            case {"settings": dict(settings)} if all(isinstance(keys, dict) for keys in settings.values()):
                objects[identity] = settings
            case _:
                raise ValueError(f"{identity}: settings must be sections of keys")
    return objects


def _identity(data: Any) -> ObjectId:
    match data:
        case {"type": str(kind), "name": str(name)}:
            return ObjectId(kind, name)
    raise ValueError("an object needs type and name")


def encode_problem(problem: Problem) -> Json:
    """Subject (or null), path, code and message."""
    subject = problem.subject
    return {
        "subject": encode_identity(subject) if subject else None,
        "path": list(problem.path),
        "code": problem.code,
        "message": problem.message,
    }


def decode_problem(data: Any) -> Problem:
    """The reverse of `encode_problem`. Raises `ValueError`."""
    match data:
        case {"subject": subject, "path": list(path), "code": str(code), "message": str(message)}:
            identity = None if subject is None else _identity(subject)
            return Problem(identity, tuple(str(part) for part in path), code, message)
    raise ValueError("a problem needs subject, path, code and message")


def encode_fault(fault: Fault) -> Json:
    """A problem with file, line and column."""
    return {"file": fault.file, "line": fault.line, "column": fault.column, **encode_problem(fault.problem)}


def decode_fault(data: Any) -> Fault:
    """The reverse of `encode_fault`. Raises `ValueError`."""
    match data:
        case {"file": str(file), "line": int(line), "column": int(column)}:
            return Fault(file, line, column, decode_problem(data))
    raise ValueError("a fault needs file, line and column")


def encode_condition(condition: Condition) -> Json:
    """Subject, standing ("applied", "notice", "warning", "rejected"), path, code and message."""
    return {
        "subject": encode_identity(condition.subject),
        "standing": condition.standing.value,
        "path": list(condition.path),
        "code": condition.code,
        "message": condition.message,
    }


def encode_changes(changes: Iterable[ObjectChange]) -> list[Json]:
    """Each change with subject, act ("created", "changed", "deleted") and its keys."""
    return [
        {
            "subject": encode_identity(change.subject),
            "act": change.act,
            "keys": [{"path": list(k.path), "before": k.before, "after": k.after} for k in change.keys],
        }
        for change in changes
    ]


def decode_changes(data: Any) -> tuple[ObjectChange, ...]:
    """The reverse of `encode_changes`. Raises `ValueError`."""
    changes: list[ObjectChange] = []
    for item in data if isinstance(data, list) else [data]:
        match item:
            case {"subject": subject, "act": "created" | "changed" | "deleted" as act, "keys": list(keys)}:
                changes.append(ObjectChange(_identity(subject), act, tuple(_key_change(key) for key in keys)))
            case _:
                raise ValueError("a change needs subject, act and keys")
    return tuple(changes)


def _key_change(data: Any) -> KeyChange:
    match data:
        case {"path": list(path), "before": before, "after": after}:
            return KeyChange(tuple(str(part) for part in path), before, after)
    raise ValueError("a change of a key needs path, before and after")
