"""The pieces that the text of a template consists of: words, tags, and the gaps that expressions fill.

A template is HTML with gaps; its statements begin and end anywhere, also inside a tag. Pure. Invariant: the pieces of a
run, put together, are the run; what is not understood stands in a tag that ends a sentence, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from jinja2 import nodes

HUMAN = frozenset({"title", "aria-label", "placeholder", "alt", "label", "data-label", "data-title"})
"""Attributes that people read or hear; the last two are shown by style sheets and scripts."""
INLINE = frozenset(
    {
        "a",
        "abbr",
        "b",
        "code",
        "del",
        "em",
        "i",
        "ins",
        "kbd",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
    }
)
"""Elements that stand within a sentence; every other tag ends it."""
WHOLE = frozenset({"code", "kbd"})
"""Those whose content is no prose."""
_RAW = frozenset({"script", "style"})
_DRAWN = frozenset({"icon", "state", "token", "banner", "mistake"})
"""Macros that draw something beside a sentence, not in it."""
_TAG_START = re.compile(r"<(?:!|(/?)([a-zA-Z][a-zA-Z0-9]*)|/?$)")
_IN_TAG = re.compile(r"""(/?>)|([^\s"'>=/]+)=(["'])|[^\s"'>=/]+|.""", re.DOTALL)


@dataclass(frozen=True)
class Text:
    """Words as they stand in the template, with their entities."""

    source: str


@dataclass(frozen=True)
class Gap:
    """What stands for words of a sentence, or, where `drawn`, beside it; `name` is for translators."""

    parts: tuple[nodes.Node, ...]
    name: str
    drawn: bool = False


@dataclass
class Tag:
    """A tag with its attributes; `name` is "" for one that is not `INLINE`."""

    name: str
    closing: bool
    parts: list[nodes.Node] = field(default_factory=list)


Piece = Text | Gap | Tag


@dataclass(frozen=True)
class Place:
    """Where in the HTML a template is: in text, in a tag, in the value of an attribute, or in a script."""

    kind: Literal["text", "tag", "value", "raw"] = "text"
    element: str = ""
    closing: bool = False
    attribute: str = ""
    quote: str = ""


TEXT = Place()


def start_of(first: str) -> Place:
    """Where a macro begins whose first literal text this is: some write attributes for a tag of their caller's."""
    return Place("tag") if re.match(r"\s+[a-z-]+=[\"']", first) else TEXT


def pieces_of(
    run: Sequence[nodes.Expr], place: Place, attribute: Callable[[Sequence[Piece]], Sequence[nodes.Node]]
) -> tuple[Sequence[Piece], Place]:
    """The pieces of an uninterrupted run that begins at `place`, and where it ends; `attribute` gives what a human
    attribute's value becomes.
    """
    reader = _Reader(place, attribute)
    for node in run:
        if isinstance(node, nodes.TemplateData):
            reader.literal(node.data)
        else:
            reader.gap(node)
    return reader.end()


class _Reader:
    """The reading of one run."""

    def __init__(self, place: Place, attribute: Callable[[Sequence[Piece]], Sequence[nodes.Node]]) -> None:
        self.pieces: list[Piece] = []
        self._place = place
        self._attribute = attribute
        self._tag = None if place.kind in ("text", "raw") else Tag("", False)
        self._value: list[Piece] = []

    def literal(self, data: str) -> None:
        at = 0
        while at < len(data):
            match self._place.kind:
                case "text":
                    at = self._text(data, at)
                case "raw":
                    at = self._raw(data, at)
                case "tag":
                    at = self._in_tag(data, at)
                case "value":
                    at = self._in_value(data, at)

    def gap(self, expression: nodes.Expr) -> None:
        name = _name(expression)
        drawn = isinstance(expression, nodes.Call) and name in _DRAWN
        gap = Gap((expression,), name, drawn)
        if self._place.kind == "text":
            self.pieces.append(gap)
        elif self._place.kind == "value" and self._place.attribute in HUMAN:
            self._value.append(gap)
        elif self._tag is not None:
            self._tag.parts.append(expression)
        else:
            self.pieces.append(Tag("", False, [expression]))

    def end(self) -> tuple[Sequence[Piece], Place]:
        self._end_value()
        if self._tag is not None:
            # Something follows inside this tag, so it cannot be moved about in a sentence.
            self.pieces.append(Tag("", False, self._tag.parts))
        return self.pieces, self._place

    def _text(self, data: str, at: int) -> int:
        begin = data.find("<", at)
        while begin >= 0 and not _TAG_START.match(data, begin):
            begin = data.find("<", begin + 1)
        if begin != at:
            self.pieces.append(Text(data[at:begin] if begin >= 0 else data[at:]))
        if begin < 0:
            return len(data)
        found = _TAG_START.match(data, begin)
        assert found is not None
        element = (found[2] or "").lower()
        closing = found[1] == "/"
        self._tag = Tag(element if element in INLINE else "", closing, [nodes.TemplateData(found[0])])
        self._place = Place("tag", element, closing)
        return found.end()

    def _raw(self, data: str, at: int) -> int:
        end = data.find(f"</{self._place.element}", at)
        if end == at:
            self._place = TEXT
            return at
        end = len(data) if end < 0 else end
        self.pieces.append(Tag("", False, [nodes.TemplateData(data[at:end])]))
        return end

    def _in_tag(self, data: str, at: int) -> int:
        found = _IN_TAG.match(data, at)
        assert found is not None and self._tag is not None
        self._tag.parts.append(nodes.TemplateData(found[0]))
        place = self._place
        if found[1]:
            self.pieces.append(self._tag)
            self._tag = None
            raw = place.element in _RAW and not place.closing
            self._place = Place("raw", place.element) if raw else TEXT
        elif found[2]:
            self._place = Place("value", place.element, place.closing, found[2].lower(), found[3])
        return found.end()

    def _in_value(self, data: str, at: int) -> int:
        assert self._tag is not None
        place = self._place
        end = data.find(place.quote, at)
        text = data[at:] if end < 0 else data[at:end]
        if text and place.attribute in HUMAN:
            self._value.append(Text(text))
        elif text:
            self._tag.parts.append(nodes.TemplateData(text))
        if end < 0:
            return len(data)
        self._end_value()
        self._tag.parts.append(nodes.TemplateData(place.quote))
        self._place = Place("tag", place.element, place.closing)
        return end + 1

    def _end_value(self) -> None:
        if self._value and self._tag is not None:
            self._tag.parts += self._attribute(self._value)
        self._value = []


def _name(expression: nodes.Node) -> str:
    """What an expression is called where a translator sees it."""
    match expression:
        case nodes.Filter(node=inner) if inner is not None:
            return _name(inner)
        case nodes.Getattr(attr=attribute):
            name = attribute
        case nodes.Name(name=name):
            pass
        case nodes.Getitem(node=inner, arg=nodes.Const(value=str(name))):
            pass
        case nodes.Getitem(node=inner):
            return _name(inner)
        case nodes.Call(node=nodes.Getattr(attr="get"), args=[nodes.Const(value=str(name)), *_]):
            pass
        case nodes.Call(node=inner):
            return _name(inner)
        case nodes.Or(left=inner) | nodes.CondExpr(expr1=inner):
            return _name(inner)
        case _:
            name = "value"
    return name if re.fullmatch("[a-z][a-z0-9_]*", name) else "value"
