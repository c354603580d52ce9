"""Loads configuration documents: one file or a directory of them, merged by field and validated against the
schema.

Invariant: a `Document` is returned only when nothing at all is wrong with it; otherwise `Faulty` carries
every fault, each with file, line, object and field.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pointsman.document.fault import MORE, Enough, Fault, Faulty, Findings, Place, syntax_fault
from pointsman.document.interpret import OBJECT_LIMIT, Draft, Interpreter
from pointsman.document.json_reader import read_json
from pointsman.document.reference import (
    Source,
    Unreadable,
    find_documents,
    find_import,
    read_file,
    read_reference,
)
from pointsman.document.secret_hash import without_hashes
from pointsman.document.tree import SIZE_LIMIT, Budget, Node
from pointsman.document.value_from import Referrer
from pointsman.document.yaml_reader import read_yaml
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import Invalid, build, normalise

TOTAL_LIMIT = 64 * 1024 * 1024
"""Bytes of all documents and referenced files together."""

Objects = Mapping[ObjectId, Mapping[str, Any]]
"""Sparse settings by object: section -> key -> JSON value, or {"content": bytes} for files. A secret
may be a mapping that `secret_hash.resolve_hashes` must replace."""


@dataclass(frozen=True)
class Document:
    """What all documents say together. `places` leads from an object's section, key, row and column to its
    text; `remarks` are the sections, keys and columns that were left out because they are unknown, in file order.
    """

    objects: Objects
    places: Mapping[ObjectId, Mapping[tuple[str, ...], Place]]
    remarks: tuple[Fault, ...] = ()

    def fault(self, problem: Problem) -> Fault | None:
        """A problem of one of these objects with its nearest place in the documents; None for other
        objects.
        """
        if problem.subject is None or problem.subject not in self.places:
            return None
        return _fault(self.places[problem.subject], problem)


def load(
    path: Path, registry: Mapping[str, ResourceType], *, complete: bool = True, tolerant: bool = False
) -> Document:
    """The documents at `path` (see `find_documents`), later names winning by field. Raises `Faulty`.

    `complete` false accepts objects without their required keys: those that add to an object which exists
    elsewhere. `tolerant` leaves out unknown sections, keys and columns, with a remark on each, as a document
    written for another version needs it; everything else that is wrong is a fault still.
    """
    try:
        source = find_documents(path)
    except Unreadable as error:
        raise Faulty((syntax_fault(Place(str(path), 1, 1), str(error)),)) from None
    return _load(source, registry, complete, tolerant)


def load_import(
    base: Path,
    registry: Mapping[str, ResourceType],
    names: Sequence[str] = ("config",),
    *,
    complete: bool = True,
    tolerant: bool = True,
) -> Document:
    """The documents `names` below the directory `base`, as the importer reads them (see `find_import`); else as `load`.
    Raises `Faulty`, also for a base directory that is missing or has no `config`.
    """
    try:
        source = find_import(base, names)
    except Unreadable as error:
        raise Faulty((syntax_fault(Place(str(base), 1, 1), str(error)),)) from None
    return _load(source, registry, complete, tolerant)


def load_text(
    content: bytes, name: str, registry: Mapping[str, ResourceType], *, complete: bool = False
) -> Document:
    """One document that somebody brought instead of naming it; `name` stands for it in faults, and its ending says
    what it is. Else as `load`, but that it cannot refer to files and variables, which are not those of who brought it.
    Raises `Faulty`.
    """

    def refuse(reference: str) -> bytes:
        raise Unreadable("a document that is uploaded cannot refer to files; write the content into it")

    file = Path(name)
    if len(content) > SIZE_LIMIT:
        message = f"the document has more than {SIZE_LIMIT} bytes; split it"
        raise Faulty((syntax_fault(Place(name, 1, 1), message),))
    return _load(Source(file.parent, (file,)), registry, complete, False, _Brought(content, refuse, {}))


@dataclass(frozen=True)
class _Brought:
    """A document that is no file of this machine, and what its references lead to."""

    content: bytes
    read: Callable[[str], bytes]
    environment: Mapping[str, str]


def _load(
    source: Source,
    registry: Mapping[str, ResourceType],
    complete: bool,
    tolerant: bool,
    brought: _Brought | None = None,
) -> Document:
    findings = Findings()
    objects: dict[ObjectId, Mapping[str, Any]] = {}
    drafts: dict[ObjectId, Draft] = {}
    with contextlib.suppress(Enough):
        _interpret(source, registry, tolerant, drafts, findings, brought)
        for identity, draft in drafts.items():
            try:
                objects[identity] = _validate(registry[identity.type], draft, complete)
            except Invalid as error:
                for problem in error.problems:
                    if not any(problem.path[: len(path)] == path for path in draft.faulty):
                        findings.fault(_fault(draft.places, problem))
    if findings.faults:
        raise Faulty(_in_order(findings.faults, source))
    places = {identity: MappingProxyType(draft.places) for identity, draft in drafts.items()}
    return Document(MappingProxyType(objects), MappingProxyType(places), _in_order(findings.remarks, source))


def _in_order(found: list[Fault], source: Source) -> tuple[Fault, ...]:
    order = {str(file): position for position, file in enumerate(source.files)}

    def rank(fault: Fault) -> tuple[bool, int, int, int, str]:
        # That there is more comes last, wherever it was seen.
        return fault.problem.code == MORE, order.get(fault.file, 0), fault.line, fault.column, str(fault)

    return tuple(sorted(set(found), key=rank))


def _interpret(
    source: Source,
    registry: Mapping[str, ResourceType],
    tolerant: bool,
    drafts: dict[ObjectId, Draft],
    findings: Findings,
    brought: _Brought | None,
) -> None:
    """Adds what the documents say to `drafts`. Raises `Enough`."""
    left = TOTAL_LIMIT

    def read(name: str) -> bytes:
        nonlocal left
        content = read_reference(source.base, name, min(SIZE_LIMIT, left))
        left -= len(content)
        return content

    budget = Budget()
    referrer = (
        Referrer(read, os.environ, budget)
        if brought is None
        else Referrer(brought.read, brought.environment, budget)
    )
    for file in source.files:
        try:
            content = (
                read_file(file, min(SIZE_LIMIT, left), source.root) if brought is None else brought.content
            )
            left -= len(content)
            tree = _parse(content, file, budget)
        except Unreadable as error:
            findings.fault(syntax_fault(Place(str(file), 1, 1), str(error)))
            continue
        except Faulty as error:
            for fault in error.faults:
                findings.fault(fault)
            continue
        if tree is None:
            continue
        interpreter = Interpreter(registry, referrer, findings, tolerant=tolerant)
        interpreter.document(tree)
        for identity, draft in interpreter.drafts.items():
            if identity in drafts:
                drafts[identity].absorb(draft)
            else:
                drafts[identity] = draft
        if len(drafts) > OBJECT_LIMIT:
            message = f"there are more than {OBJECT_LIMIT} objects up to this file; describe less"
            findings.fault(syntax_fault(Place(str(file), 1, 1), message))
            raise Enough


def _parse(content: bytes, file: Path, budget: Budget) -> Node | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fault = syntax_fault(Place(str(file), line, 1), "is not text in UTF-8; convert the file")
        raise Faulty((fault,)) from None
    if file.suffix == ".json":
        return read_json(text, str(file), budget)
    if not text.lstrip().startswith("{"):
        return read_yaml(text, str(file), budget)
    # A ConfigMap key has no extension, and YAML in flow style begins like JSON: JSON is tried first.
    try:
        return read_json(text, str(file), budget)
    except Faulty as as_json:
        try:
            return read_yaml(text, str(file), budget)
        except Faulty:
            raise as_json from None


def _validate(kind: ResourceType, draft: Draft, complete: bool) -> Mapping[str, Any]:
    settings = draft.settings
    whole: dict[str, Any] = {
        section: dict(keys) for section, keys in kind.factory.get(draft.identity.name, {}).items()
    }
    for section, keys in settings.items():
        whole[section] = {**whole.get(section, {}), **keys} if isinstance(keys, dict) else keys
    if kind.kind is Kind.FILE:
        if complete and "content" not in settings and draft.identity.name not in kind.factory:
            message = "a value is needed and there is no default; set it"
            raise Invalid((Problem(draft.identity, ("content",), "property.no_default", message),))
        build(kind, draft.identity.name, whole)
        return settings
    try:
        build(kind, draft.identity.name, without_hashes(kind, whole))
    except Invalid as error:
        problems = error.problems
        if not complete:
            problems = tuple(problem for problem in problems if problem.code != "property.no_default")
        if problems:
            raise Invalid(problems) from None
    return MappingProxyType(
        {
            section: {
                name: normalise(key, value) if (key := kind.key(section, name)) else value
                for name, value in keys.items()
            }
            for section, keys in settings.items()
        }
    )


def _fault(places: Mapping[tuple[str, ...], Place], problem: Problem) -> Fault:
    path = problem.path
    while path not in places:
        path = path[:-1]
    place = places[path]
    return Fault(place.file, place.line, place.column, problem)
