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

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
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
from yaml.reader import ReaderError

from pointsman.document.fault import Faulty, Place, syntax_fault
from pointsman.document.tree import Budget, Entry, Node, Scalar, Sequence, mapping

_TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_PREFIX = "tag:yaml.org,2002:"
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


# libyaml parses YAML 1.1, in which these three end a line; in 1.2 they are characters like others.
_NO_BREAKS = ("\x85", "\u2028", "\u2029")


def read_yaml(text: str, file: str, budget: Budget | None = None) -> Node | None:
    """The tree of the one YAML document in `text`, None when it is empty. Raises `Faulty`.

    Plain words follow YAML 1.2's core schema: `yes`, `on` and `2020-01-01` are strings. `budget` counts the values of
    several files together.
    """
    if directive := _TAG_DIRECTIVE.search(text):
        # libyaml compares each with all before it; nothing of plain data needs one.
        place = Place(file, text.count("\n", 0, directive.start()) + 1, 1)
        raise Faulty((syntax_fault(place, "declares tags, which are not allowed here; remove the line"),))
    hidden, shown = _stand_ins(text)
    text = text.translate(hidden) if hidden else text
    try:
        return _Reader(text, file, shown, budget or Budget()).read()
    except MarkedYAMLError as error:
        place, what = _complaint(error, text, file)
        raise Faulty((syntax_fault(place, f"is not valid YAML ({what}); correct the text here"),)) from None
    except ReaderError as error:
        before = text.encode()[: error.position].decode(errors="ignore")
        place = Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        message = f"the character U+{ord(text[len(before)]):04X} is not allowed in YAML; remove it"
        raise Faulty((syntax_fault(place, message),)) from None
    except YAMLError as error:
        raise Faulty((syntax_fault(Place(file, 1, 1), f"is not valid YAML ({error}); correct it"),)) from None


def _complaint(error: MarkedYAMLError, text: str, file: str) -> tuple[Place, str]:
    mark = error.problem_mark or error.context_mark
    place = _place(file, mark) if mark is not None else Place(file, 1, 1)
    lines = text.splitlines() or [""]
    if place.line > len(lines):  # the parser stands behind the end, where no editor can go
        place = Place(file, len(lines), len(lines[-1]) + 1)
    context = error.context or ""
    if error.context_mark is not None and error.context_mark.line + 1 < place.line:
        context += f" that begins in line {error.context_mark.line + 1}"
    return place, " ".join(part for part in (context, error.problem) if part)


def _stand_ins(text: str) -> tuple[dict[int, int], dict[int, int]]:
    """Characters of private use that `text` does not have, for those that must not end a line; there and back."""
    breaks = [character for character in _NO_BREAKS if character in text]
    free = (point for point in range(0xE000, 0xF900) if chr(point) not in text)
    hidden = {ord(character): point for character, point in zip(breaks, free, strict=False)}
    return hidden, {point: character for character, point in hidden.items()}


@dataclass(frozen=True)
class _Anchored:
    node: Node
    size: int


class _Reader:
    def __init__(self, text: str, file: str, shown: dict[int, int], budget: Budget) -> None:
        self._file = file
        self._shown = shown
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._anchors: dict[str, _Anchored] = {}
        self._budget = budget

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
        anchored = self._anchors.get(event.anchor or "")
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
        return event.value.translate(self._shown) if self._shown else event.value, place

    def _scalar(self, event: ScalarEvent, place: Place) -> Scalar:
        text = event.value.translate(self._shown) if self._shown else event.value
        tag = str(event.tag or "").removeprefix(_PREFIX)
        if not tag or tag == "!":
            value = plain_scalar(text) if event.implicit[0] and not tag else text
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
                value = plain_scalar(text)
                if type(value) is {"int": int, "float": float, "bool": bool, "null": type(None)}[tag]:
                    return Scalar(value, text, place)
        raise Faulty((syntax_fault(place, f'the tag "{tag}" is not allowed here; write a plain value'),))

    def _refuse_tag(self, event: SequenceStartEvent | MappingStartEvent, expected: str, place: Place) -> None:
        tag = str(event.tag or "").removeprefix(_PREFIX)
        if tag not in ("", "!", expected):
            raise Faulty((syntax_fault(place, f'the tag "{tag}" is not allowed here; write a plain value'),))


def plain_scalar(text: str) -> str | int | float | bool | None:
    """What a plain word means in the core schema of YAML 1.2."""
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
