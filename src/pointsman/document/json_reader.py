"""Reads JSON into a tree with positions, by the same limits as YAML.

Invariant: accepts exactly RFC 8259 (no NaN, no trailing comma), and no object with a key twice.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right

from pointsman.document.fault import Faulty, Place, syntax_fault
from pointsman.document.tree import Budget, Entry, Node, Scalar, Sequence, mapping

_SPACE = frozenset(" \t\r\n")


def read_json(text: str, file: str, budget: Budget | None = None) -> Node:
    """The tree of `text`; `budget` counts the values of several files together. Raises `Faulty` at the first fault of
    syntax.
    """
    reader = _Reader(text, file, budget or Budget())
    node, end = reader.value(reader.skip(0), 1)
    if (rest := reader.skip(end)) < len(text):
        raise reader.fault(rest, "there is more text after the end of the document; remove it")
    return node


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")


class _Reader:
    def __init__(self, text: str, file: str, budget: Budget) -> None:
        self._text = text
        self._file = file
        self._lines = [0, *(match.end() for match in re.finditer(r"\n", text))]
        self._budget = budget
        # The scalars are read by the standard library; only objects and arrays are walked here, for their
        # positions.
        self._scalars = json.JSONDecoder(parse_constant=_refuse_constant)

    def skip(self, index: int) -> int:
        while self._text[index : index + 1] in _SPACE:
            index += 1
        return index

    def place(self, index: int) -> Place:
        line = bisect_right(self._lines, index)
        return Place(self._file, line, index - self._lines[line - 1] + 1)

    def fault(self, index: int, message: str) -> Faulty:
        return Faulty((syntax_fault(self.place(index), message),))

    def value(self, index: int, depth: int) -> tuple[Node, int]:
        place = self.place(index)
        self._budget.spend(place, depth)
        match self._text[index : index + 1]:
            case "{":
                return self._object(index, depth)
            case "[":
                return self._array(index, depth)
            case _:
                return self._scalar(index)

    def _scalar(self, index: int) -> tuple[Scalar, int]:
        try:
            value, end = self._scalars.raw_decode(self._text, index)
        except json.JSONDecodeError as error:
            what = "a value is missing" if error.msg == "Expecting value" else error.msg.lower()
            raise self.fault(
                min(error.pos, len(self._text)), f"is not valid JSON ({what}); correct it"
            ) from None
        except ValueError:
            raise self.fault(index, "is not a number that JSON knows; write another value") from None
        written = self._text[index:end]
        if isinstance(value, float) and not math.isfinite(value):
            raise self.fault(index, "is too large a number; write a smaller one")
        return Scalar(value, value if isinstance(value, str) else written, self.place(index)), end

    def _array(self, start: int, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        index = self.skip(start + 1)
        while self._text[index : index + 1] != "]":
            if items:
                index = self._comma(index, "]")
            node, index = self.value(index, depth + 1)
            items.append(node)
            index = self.skip(index)
        return Sequence(tuple(items), self.place(start)), index + 1

    def _object(self, start: int, depth: int) -> tuple[Node, int]:
        entries: list[Entry] = []
        index = self.skip(start + 1)
        while self._text[index : index + 1] != "}":
            if entries:
                index = self._comma(index, "}")
            if self._text[index : index + 1] != '"':
                raise self.fault(index, "a key in double quotes is missing; write it here")
            key, after = self._scalar(index)
            colon = self.skip(after)
            if self._text[colon : colon + 1] != ":":
                raise self.fault(colon, 'a ":" is missing after the key; write it here')
            node, end = self.value(self.skip(colon + 1), depth + 1)
            entries.append(Entry(key.text, node, key.place))
            index = self.skip(end)
        return mapping(entries, self.place(start)), index + 1

    def _comma(self, index: int, close: str) -> int:
        if self._text[index : index + 1] != ",":
            raise self.fault(index, f'a "," or "{close}" is missing; write it here')
        return self.skip(index + 1)
