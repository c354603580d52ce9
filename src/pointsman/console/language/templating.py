"""Templates in another language: every text that a template holds is looked up while it is compiled.

A message is what stands between two tags or statements that end a sentence, or the value of an attribute that people
read, with placeholders: `{name}` for an expression, `{strong}...{/strong}` for a tag within it. Where a word depends on
a condition (`node{{ "" if n == 1 else "s" }}`), there is a message for each case. Invariant: a template does what it
did, with other words; a translation stands in it as escaped text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from jinja2 import Environment, nodes
from markupsafe import escape

from pointsman.console.language.catalog import PLACEHOLDER
from pointsman.console.language.markup import TEXT, WHOLE, Gap, Piece, Place, Tag, Text, pieces_of, start_of

Lookup = Callable[[str, int], str | None]
"""The translation of a message that stands in a line of the template; None for none."""
_MOST_CASES = 4
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"[ \t\r\n]+")


class TranslatedEnvironment(Environment):
    """An environment whose templates are in the language of `lookup`."""

    def __init__(self, lookup: Lookup, **options: Any) -> None:
        super().__init__(**options)
        self._lookup = lookup

    def compile(self, source: Any, name: str | None = None, *arguments: Any, **options: Any) -> Any:
        """Compiles a template in its language."""
        tree = self.parse(source, name) if isinstance(source, str) else source
        translate(tree, self._lookup)
        tree.set_environment(self)
        return super().compile(tree, name, *arguments, **options)


def translate(template: nodes.Template, lookup: Lookup) -> None:
    """Puts what `lookup` gives in the place of the texts of a template."""
    template.body = _Translator(lookup).body(template.body)


class _Translator:
    """The walk through one template."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._place = TEXT
        self._line = 0

    def body(self, statements: Sequence[nodes.Node]) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for statement in statements:
            if isinstance(statement, nodes.Output):
                found += self._run(statement)
            else:
                self._enter(statement)
                found.append(statement)
        return found

    def _enter(self, statement: nodes.Node) -> None:
        begin = self._place
        if isinstance(statement, nodes.Macro):
            first = next(statement.find_all(nodes.TemplateData), None)
            self._place = start_of(first.data) if first else TEXT
        match statement:
            case nodes.If():
                self._branches(statement, begin)
                return
            case nodes.For():
                statement.body = self.body(statement.body)
                self._place = begin
                statement.else_ = self.body(statement.else_)
            case _ if isinstance(body := getattr(statement, "body", None), list):
                statement.body = self.body(body)  # type: ignore[attr-defined]
        self._place = begin

    def _branches(self, statement: nodes.If, begin: Place) -> None:
        statement.body = self.body(statement.body)
        end = self._place
        for other in statement.elif_:
            self._place = begin
            other.body = self.body(other.body)
        self._place = begin
        statement.else_ = self.body(statement.else_)
        self._place = end

    def _run(self, output: nodes.Output) -> list[nodes.Node]:
        self._line = output.lineno
        pieces, self._place = pieces_of(output.nodes, self._place, self._sentence)
        return _statements(self._sentence(pieces), output.lineno)

    def _sentence(self, pieces: Sequence[Piece]) -> list[nodes.Node]:
        """What becomes of pieces: cut where a tag ends a sentence, or one of a pair is missing."""
        found: list[nodes.Node] = []
        rest = pieces
        while (cut := _first_cut(rest)) is not None:
            found += [*self._whole(rest[:cut]), *self._as_is(rest[cut])]
            rest = rest[cut + 1 :]
        return [*found, *self._whole(rest)]

    def _whole(self, pieces: Sequence[Piece]) -> list[nodes.Node]:
        """What becomes of pieces whose tags are all paired."""
        groups = list(_groups(pieces))
        if any(isinstance(one, Text) and _LETTER.search(html.unescape(one.source)) for one, *_ in groups):
            return self._message(groups)
        # There are no words but in the elements: each has its own.
        found: list[nodes.Node] = []
        for group in groups:
            first, last = group[0], group[-1]
            if len(group) > 1 and isinstance(first, Tag) and first.name not in WHOLE:
                found += [*first.parts, *self._whole(group[1:-1]), *self._as_is(last)]
            else:
                found += [part for piece in group for part in self._as_is(piece)]
        return found

    def _message(self, groups: list[Sequence[Piece]]) -> list[nodes.Node]:
        begin, end = 0, len(groups)
        while _beside(groups[begin]):
            begin += 1
        while _beside(groups[end - 1]):
            end -= 1
        inner = [piece for group in groups[begin:end] for piece in _closed_up(group)]
        lead = [part for group in groups[:begin] for piece in group for part in self._as_is(piece)]
        trail = [part for group in groups[end:] for piece in group for part in self._as_is(piece)]
        if any(isinstance(piece, Text) and re.search("[{}]", html.unescape(piece.source)) for piece in inner):
            return [*lead, *(part for piece in inner for part in self._as_is(piece)), *trail]
        return [*lead, *self._cases(inner), *trail]

    def _cases(self, pieces: Sequence[Piece]) -> list[nodes.Node]:
        """A message, or one for each case of the words in it that depend on a condition."""
        words = [number for number, piece in enumerate(pieces) if _cases_of(piece)]
        if not words or 2 ** len(words) > _MOST_CASES:
            return self._one(pieces)
        drafts: dict[tuple[bool, ...], list[nodes.Node]] = {}
        for case in product((True, False), repeat=len(words)):
            filled = list(pieces)
            for number, holds in zip(words, case, strict=True):
                filled[number] = Text(html.escape(_cases_of(pieces[number])[0 if holds else 1]))
            drafts[case] = self._one(filled)
        tests = [_test_of(pieces[number]) for number in words]
        return [self._choose(tests, (), drafts)]

    def _choose(
        self,
        tests: Sequence[nodes.Expr],
        case: tuple[bool, ...],
        drafts: dict[tuple[bool, ...], list[nodes.Node]],
    ) -> nodes.Node:
        """Nested statements that write the draft of the case that there is."""
        if len(tests) == len(case) + 1:
            both = [_statements(drafts[(*case, holds)], self._line) for holds in (True, False)]
        else:
            both = [[self._choose(tests, (*case, holds), drafts)] for holds in (True, False)]
        return nodes.If(tests[len(case)], both[0], [], both[1], lineno=self._line)

    def _one(self, pieces: Sequence[Piece]) -> list[nodes.Node]:
        """One message with what stands for its placeholders."""
        message, lead, trail = "", "", ""
        stands: dict[str, list[nodes.Node]] = {}
        counts: dict[str, int] = {}
        opened: list[str] = []
        for piece in pieces:
            if isinstance(piece, Text):
                message += _SPACE.sub(" ", html.unescape(piece.source))
                continue
            if isinstance(piece, Tag) and piece.closing:
                name = f"{{/{opened.pop()}}}"
            else:
                counts[piece.name] = counts.get(piece.name, 0) + 1
                name = piece.name + (str(counts[piece.name]) if counts[piece.name] > 1 else "")
                if isinstance(piece, Tag):
                    opened.append(name)
                name = f"{{{name}}}"
            message += name
            stands[name] = self._as_is(piece)
        stripped = message.strip(" ")
        if stripped != message:
            lead = message[: len(message) - len(message.lstrip(" "))]
            trail = message[len(message.rstrip(" ")) :]
        translation = self._lookup(stripped, self._line)
        if translation is None:
            return [part for piece in pieces for part in self._as_is(piece)]
        found: list[nodes.Node] = [nodes.TemplateData(lead)]
        at = 0
        for holder in PLACEHOLDER.finditer(translation):
            if holder[0] not in stands:
                continue
            found.append(nodes.TemplateData(str(escape(translation[at : holder.start()]))))
            found += stands[holder[0]]
            at = holder.end()
        return [*found, nodes.TemplateData(str(escape(translation[at:])) + trail)]

    def _as_is(self, piece: Piece) -> list[nodes.Node]:
        match piece:
            case Text(source):
                return [nodes.TemplateData(source)]
            case Gap(parts, name):
                if name in WHOLE:
                    return list(parts)
                return [self._value(part) if isinstance(part, nodes.Expr) else part for part in parts]
            case Tag():
                return piece.parts

    def _value(self, expression: nodes.Expr) -> nodes.Expr:
        """An expression that writes text, with the texts that it may be in the language."""
        match expression:
            case nodes.CondExpr(expr1=first, expr2=second):
                expression.expr1 = self._value(first)
                expression.expr2 = None if second is None else self._value(second)
            case nodes.And(left=first, right=second) | nodes.Or(left=first, right=second):
                expression.left, expression.right = self._value(first), self._value(second)
            case nodes.Concat(nodes=several):
                expression.nodes = [self._value(one) for one in several]
            case nodes.Const(value=str(text)) if _LETTER.search(text):
                translation = self._lookup(text.strip(), self._line)
                if translation is not None:
                    whole = text.replace(text.strip(), translation)
                    return nodes.MarkSafe(nodes.Const(str(escape(whole))), lineno=self._line)
        return expression


def _statements(parts: Sequence[nodes.Node], line: int) -> list[nodes.Node]:
    """Parts as statements: what is written together as one."""
    found: list[nodes.Node] = []
    for part in parts:
        if isinstance(part, nodes.Stmt):
            found.append(part)
            continue
        if not found or not isinstance(found[-1], nodes.Output):
            found.append(nodes.Output([], lineno=line))
        output = found[-1]
        assert isinstance(output, nodes.Output) and isinstance(part, nodes.Expr)
        output.nodes.append(part)
    return found


def _first_cut(pieces: Sequence[Piece]) -> int | None:
    """The first piece that ends a sentence, or whose pair is missing."""
    opened: list[tuple[int, str]] = []
    for number, piece in enumerate(pieces):
        if not isinstance(piece, Tag):
            continue
        if not piece.name:
            return opened[0][0] if opened else number
        if not piece.closing:
            opened.append((number, piece.name))
        elif opened and opened[-1][1] == piece.name:
            opened.pop()
        else:
            return opened[0][0] if opened else number
    return opened[0][0] if opened else None


def _groups(pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
    """Single pieces, and elements with all that is in them."""
    begin, depth = 0, 0
    for number, piece in enumerate(pieces):
        if isinstance(piece, Tag):
            depth += -1 if piece.closing else 1
        if depth == 0:
            yield pieces[begin : number + 1]
            begin = number + 1


def _beside(group: Sequence[Piece]) -> bool:
    """Whether a group at the edge of a sentence belongs to none: space, and what is drawn."""
    return all(
        isinstance(piece, Tag)
        or (isinstance(piece, Gap) and piece.drawn)
        or (isinstance(piece, Text) and not piece.source.strip())
        for piece in group
    )


def _closed_up(group: Sequence[Piece]) -> Sequence[Piece]:
    """A group as translators see it: an element whose content is no prose is a gap."""
    first = group[0]
    if len(group) == 1 or not isinstance(first, Tag):
        return group
    if first.name in WHOLE:
        parts: list[nodes.Node] = []
        for piece in group:
            parts += [nodes.TemplateData(piece.source)] if isinstance(piece, Text) else piece.parts
        return (Gap(tuple(parts), first.name),)
    inner = [piece for one in _groups(group[1:-1]) for piece in _closed_up(one)]
    return (first, *inner, group[-1])


def _cases_of(piece: Piece) -> tuple[str, ...]:
    """The two texts that a piece may be; none for any other piece."""
    if isinstance(piece, Gap) and len(piece.parts) == 1:
        match piece.parts[0]:
            case nodes.CondExpr(expr1=nodes.Const(value=str(first)), expr2=nodes.Const(value=str(second))):
                return first, second
            case nodes.CondExpr(expr1=nodes.Const(value=str(first)), expr2=None):
                return first, ""
    return ()


def _test_of(piece: Piece) -> nodes.Expr:
    assert isinstance(piece, Gap) and isinstance(piece.parts[0], nodes.CondExpr)
    return piece.parts[0].test
