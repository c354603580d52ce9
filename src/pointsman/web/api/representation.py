"""Objects as REST shows them, and bodies as REST takes them; and problems in the shape of `error_info`.

Pure. Invariant: what is shown can be sent back unchanged and changes nothing; a secret is never shown in
clear unless its declaration says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pointsman.control.merge import plain, secret_readback
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Key, Resource, ResourceType, ValueKind
from pointsman.schema.validate import PROBLEM_LIMIT
from pointsman.web.answer import Answer, error_answer

_SHOWN_PROBLEMS = 5

ExpertKeys = frozenset[tuple[str, str]]
"""Hidden keys that a request names, as (section, key)."""


def read_expert_keys(values: Iterable[str]) -> ExpertKeys:
    """The keys named by `expert_keys=section/key,key`; a bare key is one of the section basic."""
    found = set()
    for entry in (part.strip() for value in values for part in value.split(",")):
        section, slash, name = entry.partition("/")
        found.add((section, name) if slash else ("basic", section))
    return frozenset(found)


def show(kind: ResourceType, resource: Resource, expert: ExpertKeys) -> dict[str, Any]:
    """The body of an object: every section, every key that is not hidden or that the request names, in order."""
    sections: dict[str, dict[str, Any]] = {section: {} for section in kind.sections}
    for key in kind.keys:
        if not key.hidden or (key.section, key.name) in expert:
            sections[key.section][key.name] = _shown(key, plain(key.read(resource)))
    return {"properties": sections}


def _shown(key: Key, value: Any) -> Any:
    if key.secret is None or not value:
        return value
    match key.secret.readback:
        case "hash":
            return secret_readback(value)
        case "empty":
            return ""
        case "clear":
            return value


def take(
    kind: ResourceType, identity: ObjectId, body: Any, expert: ExpertKeys
) -> tuple[Mapping[str, Any], tuple[Problem, ...]]:
    """The settings in the body of a PUT, and what is wrong with its frame.

    Values and unknown keys are not judged here but by the object's own model.
    """
    if not isinstance(body, Mapping):
        text = 'the body must be an object like {"properties": {...}}; send one'
        return {}, (Problem(identity, (), "json.wrong_type", text),)
    problems = [
        Problem(identity, (name,), "json.field_unknown", 'only "properties" belongs here; remove it')
        for name in islice(body, PROBLEM_LIMIT)
        if name != "properties"
    ]
    sections = body.get("properties")
    if not isinstance(sections, Mapping):
        text = (
            "has the wrong type; give an object of sections"
            if "properties" in body
            else "is missing; put the sections into it"
        )
        code = "json.wrong_type" if "properties" in body else "property.no_default"
        problems.append(Problem(identity, ("properties",), code, text))
        return {}, tuple(problems)
    for key in kind.keys:
        if key.hidden and (key.section, key.name) not in expert and _has(sections, key):
            text = f"no such key; remove it, or name it in expert_keys={key.section}/{key.name}"
            problems.append(Problem(identity, (key.section, key.name), "json.unknown_property", text))
    return sections, tuple(problems)


def _has(sections: Mapping[str, Any], key: Key) -> bool:
    section = sections.get(key.section)
    return isinstance(section, Mapping) and key.name in section


def invalid_answer(kind: ResourceType, identity: ObjectId, problems: Iterable[Problem]) -> Answer:
    """The answer to a PUT that was refused: 400 with every problem in `error_info`."""
    found = tuple(problems)
    texts = [f"{'.'.join(problem.path)}: {problem.message}".removeprefix(": ") for problem in found]
    rest = len(texts) - _SHOWN_PROBLEMS
    text = "; ".join(texts[:_SHOWN_PROBLEMS]) + (f"; and {rest} more" if rest > 0 else "")
    info = error_info(kind, [problem for problem in found if problem.subject in (None, identity)])
    return error_answer(400, "resource.validation_error", f"{identity} was not stored: {text}", info)


def error_info(kind: ResourceType, problems: Iterable[Problem]) -> dict[str, Any]:
    """Problems as section -> key -> error; in a table section -> key -> row -> column -> error.

    Every error has `error_id` and `error_text`. Problems of the object as a whole are left to the text.
    """
    info: dict[str, Any] = {}
    for problem in problems:
        path, text = _place(kind, problem)
        node = info
        for part in path:
            node = node.setdefault(part, {})
        if not path:
            continue
        if "error_text" in node and isinstance(node["error_text"], str):
            node["error_text"] += f"; {text}"
        else:
            node |= {"error_id": problem.code, "error_text": text}
    return info


def _place(kind: ResourceType, problem: Problem) -> tuple[tuple[str, ...], str]:
    # An element of a list has no name of its own: its number goes into the text.
    if len(problem.path) >= 3:
        key = kind.key(problem.path[0], problem.path[1])
        if key is not None and key.kind is ValueKind.LIST and problem.path[2].isdecimal():
            return problem.path[:2], f"element {int(problem.path[2]) + 1} {problem.message}"
    return problem.path, problem.message
