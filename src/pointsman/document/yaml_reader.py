"""Reads YAML 1.2 into a tree with positions, keeping only plain data: no tags that build objects, no merge
keys.

Invariant: memory and time stay proportional to the file; aliases, depth and number of values are limited
while the parser's events arrive, before anything is built from them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from pointsman.document.fault import Faulty, Place, syntax_fault
from pointsman.document.tree import Budget, Entry, Node, Scalar, Sequence, mapping

_PREFIX = "tag:yaml.org,2002:"
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def read_yaml(text: str, file: str) -> Node | None:
    """The tree of the one YAML document in `text`, None when it is empty. Raises `Faulty`.

    Plain words follow YAML 1.2's core schema: `yes`, `on` and `2020-01-01` are strings.
    """
    try:
        return _Reader(text, file).read()
    except MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        place = _place(file, mark) if mark is not None else Place(file, 1, 1)
        what = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise Faulty((syntax_fault(place, f"is not valid YAML ({what}); correct the text here"),)) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML; remove it"
        raise Faulty((syntax_fault(place, message),)) from None
    except YAMLError as error:
        raise Faulty((syntax_fault(Place(file, 1, 1), f"is not valid YAML ({error}); correct it"),)) from None


@dataclass(frozen=True)
class _Anchored:
    node: Node
    size: int


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        self._anchors: dict[str, _Anchored] = {}
        self._budget = Budget()

    def read(self) -> Node | None:
        tree: Node | None = None
        documents = 0
        while not isinstance(event := self._next(), StreamEndEvent):
            if not isinstance(event, DocumentStartEvent):
                continue
            documents += 1
            if documents > 1:
                message = "a second YAML document starts here; put it into a file of its own"
                raise Faulty((syntax_fault(_place(self._file, event.start_mark), message),))
            tree = self._node(self._next(), 1)
        if isinstance(tree, Scalar) and tree.value is None:
            return None
        return tree

    def _next(self) -> Event:
        return next(self._events)

    def _node(self, event: Event, depth: int) -> Node:
        place = _place(self._file, event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(event, place)
        self._budget.spend(place, depth)
        before = self._budget.values
        node: Node
        match event:
            case ScalarEvent():
                node = self._scalar(event, place)
            case SequenceStartEvent():
                self._refuse_tag(event, "seq", place)
                items: list[Node] = []
                while not isinstance(inner := self._next(), SequenceEndEvent):
                    items.append(self._node(inner, depth + 1))
                node = Sequence(tuple(items), place)
            case MappingStartEvent():
                self._refuse_tag(event, "map", place)
                entries: list[Entry] = []
                while not isinstance(inner := self._next(), MappingEndEvent):
                    key, key_place = self._key(inner)
                    entries.append(Entry(key, self._node(self._next(), depth + 1), key_place))
                node = mapping(entries, place)
            case _:
                raise AssertionError(f"no node starts with {event}")
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(node, self._budget.values - before + 1)
        return node

    def _alias(self, event: AliasEvent, place: Place) -> Node:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            message = f'the anchor "{event.anchor}" is not complete here; define it before it is used'
            raise Faulty((syntax_fault(place, message),))
        self._budget.spend_alias(place, anchored.size)
        return anchored.node

    def _key(self, event: Event) -> tuple[str, Place]:
        place = _place(self._file, event.start_mark)
        if not isinstance(event, ScalarEvent):
            raise Faulty((syntax_fault(place, "a key must be a word; write a string here"),))
        if event.value == "<<" and event.implicit[0]:
            message = 'merge keys ("<<") are not part of YAML 1.2; write the keys out'
            raise Faulty((syntax_fault(place, message),))
        return event.value, place

    def _scalar(self, event: ScalarEvent, place: Place) -> Scalar:
        text: str = event.value
        tag = str(event.tag or "").removeprefix(_PREFIX)
        if not tag or tag == "!":
            value = _plain(text) if event.implicit[0] and not tag else text
            return Scalar(value, text, place)
        match tag:
            case "str":
                return Scalar(text, text, place)
            case "binary":
                try:
                    return Scalar(base64.b64decode("".join(text.split()), validate=True), text, place)
                except binascii.Error:
                    message = "is not base64; encode it again"
                    raise Faulty((syntax_fault(place, message),)) from None
            case "int" | "float" | "bool" | "null":
                value = _plain(text)
                if {"int": int, "float": float, "bool": bool, "null": type(None)}[tag] is type(value):
                    return Scalar(value, text, place)
        raise Faulty((syntax_fault(place, f'the tag "{tag}" is not allowed here; write a plain value'),))

    def _refuse_tag(self, event: SequenceStartEvent | MappingStartEvent, expected: str, place: Place) -> None:
        tag = str(event.tag or "").removeprefix(_PREFIX)
        if tag not in ("", "!", expected):
            raise Faulty((syntax_fault(place, f'the tag "{tag}" is not allowed here; write a plain value'),))


def _plain(text: str) -> str | int | float | bool | None:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if number not in (float("inf"), float("-inf")) else text
    return text


def _place(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)
