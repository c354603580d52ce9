"""What can be told of a rule without compiling it: strings that never end, brackets that do not match, semicolons and
operands that are missing where nothing else fits, functions that do not exist.

Pure. Invariant: what is called an error is one in every reading of the language; what might be meant is a warning; a
rule in order has neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.trafficscript.functions import function_named, nearest
from pointsman.trafficscript.lexer import Token, tokens

Severity = Literal["error", "warning"]
MOST = 100
LONGEST = 200_000
"""Characters of a rule that are looked at."""
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_HEADS = frozenset({"if", "while", "for", "foreach", "switch"})
_VALUES = frozenset({"true", "false", "nil"})
_STATEMENTS = frozenset(
    {"if", "while", "do", "for", "foreach", "switch", "sub", "import", "return", "break", "continue", "else"}
)
_BINARY = frozenset(
    {
        "=", "+=", "-=", "*=", "/=", "%=", ".=", "&=", "|=", "^=", "<<=", ">>=", "==", "!=", "<", "<=", ">", ">=",
        "&&", "||", "&", "|", "^", "<<", ">>", "+", "-", "*", "/", "%", ".", "=>", "?",
    }
)  # fmt: skip
_ENDS = frozenset({";", ")", "]", "}", ","})
_FOREIGN = {
    "elsif": "write “else if”",
    "elseif": "write “else if”",
    "eq": "compare with “==”",
    "ne": "compare with “!=”",
    "and": "write “&&”",
    "or": "write “||”",
    "not": "write “!”",
    "null": "there is no such word; an unset variable is empty",
    "var": "variables need no declaration: write “$name = ...;”",
    "function": "a subroutine begins with “sub”",
    "my": "variables need no declaration: write “$name = ...;”",
}


@dataclass(frozen=True)
class Fault:
    """Something about a rule; lines and columns count from 1, `end_column` is just behind it on the same line."""

    line: int
    column: int
    end_column: int
    severity: Severity
    message: str


def check_rule(text: str) -> tuple[Fault, ...]:
    """What is wrong with a rule, in its order; the first hundred."""
    if len(text) > LONGEST:
        return (
            Fault(
                1, 1, 2, "warning", f"the rule is longer than {LONGEST} characters, so it was not looked at"
            ),
        )
    words = [token for token in tokens(text) if token.kind != "comment"]
    faults = [*_words(words), *_brackets(words), *_Statements(words).faults()]
    faults.sort(key=lambda fault: (fault.line, fault.column, fault.severity))
    return tuple(dict.fromkeys(faults))[:MOST]


def _fault(token: Token, severity: Severity, message: str) -> Fault:
    first = token.text.partition("\n")[0]
    return Fault(token.line, token.column, token.column + max(1, len(first)), severity, message)


def _behind(token: Token, message: str) -> Fault:
    """A fault about what is missing after a token."""
    line = token.line + token.text.count("\n")
    last = token.text.rpartition("\n")[2]
    end = len(last) + (token.column if line == token.line else 1)
    return Fault(line, max(1, end - 1), end, "error", message)


def _words(words: Sequence[Token]) -> Iterator[Fault]:
    for place, token in enumerate(words):
        match token.kind:
            case "open string":
                yield _fault(token, "error", f"this string never ends; close it with {token.text[0]}")
            case "unknown":
                yield _fault(token, "error", f"{token.text!r} has no meaning here")
            case "symbol" if (
                token.text == "/" and place + 1 < len(words) and _is_comment(token, words[place + 1])
            ):
                yield _fault(token, "error", "a comment begins with #, and goes to the end of its line")
            case "symbol" if token.text == "=~":
                yield _fault(token, "error", "there is no “=~”; use string.regexmatch( text, pattern )")


def _is_comment(slash: Token, following: Token) -> bool:
    return following.text in ("*", "/") and following.start == slash.end


def _brackets(words: Sequence[Token]) -> Iterator[Fault]:
    opened: list[Token] = []
    open_for = {")": 0, "]": 0, "}": 0}
    for token in words:
        if token.kind != "symbol":
            continue
        if token.text in _CLOSERS:
            opened.append(token)
            open_for[_CLOSERS[token.text]] += 1
        elif token.text in (")", "]", "}"):
            if open_for[token.text]:
                open_for[token.text] -= 1
                while _CLOSERS[opened[-1].text] != token.text:
                    lost = opened.pop()
                    open_for[_CLOSERS[lost.text]] -= 1
                    yield _fault(
                        lost,
                        "error",
                        f"“{lost.text}” is not closed before “{token.text}” in line {token.line}",
                    )
                opened.pop()
            else:
                yield _fault(token, "error", f"“{token.text}” closes nothing")
    for lost in opened:
        yield _fault(lost, "error", f"“{lost.text}” is never closed")


class _Statements:
    """Goes over the words once, with what is open around each."""

    def __init__(self, words: Sequence[Token]) -> None:
        self._words = words
        self._subs = {
            words[place + 1].text
            for place in range(len(words) - 1)
            if words[place].text == "sub" and words[place + 1].kind in ("word", "keyword")
        }
        self._libraries = _libraries(words)
        self._unknown = 0
        self._closed_heads: set[int] = set()
        self._calls: dict[int, int] = {}

    def faults(self) -> Iterator[Fault]:
        """What is wrong."""
        self._match()
        yield from self._names()
        inside: list[str] = []
        for place, token in enumerate(self._words):
            following = self._words[place + 1] if place + 1 < len(self._words) else None
            if token.kind == "symbol":
                if token.text in _CLOSERS:
                    inside.append(token.text)
                elif token.text in (")", "]", "}") and inside:
                    inside.pop()
            yield from self._between(place, token, following, "{" if not inside else inside[-1])

    def _between(self, place: int, token: Token, following: Token | None, inside: str) -> Iterator[Fault]:
        if token.kind == "symbol" and token.text in _BINARY:
            if following is None or (following.text in _ENDS and following.kind == "symbol"):
                yield _behind(token, f"a value is missing after “{token.text}”")
            return
        if token.text in ("break", "continue") and token.kind == "keyword":
            if following is None or following.text != ";":
                yield _behind(token, f"“;” is missing after “{token.text}”")
            return
        if not self._ends_value(place, token):
            return
        if following is None or (following.kind == "symbol" and following.text == "}"):
            if inside == "{":
                yield _behind(token, "“;” is missing here")
        elif self._begins_value(following) or (
            following.kind == "keyword" and following.text in _STATEMENTS and following.text != "else"
        ):
            if inside == "{":
                yield _behind(token, "“;” or an operator is missing here")
            elif not (token.kind == "word" and following.kind in ("word", "keyword")):
                yield _behind(token, "a comma, an operator or a bracket is missing here")
        elif following.text == "else" and following.kind == "keyword" and inside == "{":
            yield _behind(token, "“;” is missing before “else”")

    def _ends_value(self, place: int, token: Token) -> bool:
        match token.kind:
            case "variable" | "number" | "string":
                return True
            case "keyword":
                return token.text in _VALUES
            case "symbol":
                return token.text in (")", "]") and place not in self._closed_heads
            case _:
                return False

    @staticmethod
    def _begins_value(token: Token) -> bool:
        if token.kind in ("variable", "number", "string", "word", "open string"):
            return True
        return token.kind == "keyword" and token.text in _VALUES

    def _match(self) -> None:
        """Finds which brackets close the head of a statement, and how many arguments each call has."""
        opened: list[tuple[int, int, bool]] = []  # place, commas, whether something is inside
        for place, token in enumerate(self._words):
            if token.kind != "symbol":
                if opened:
                    opened[-1] = (*opened[-1][:2], True)
                continue
            if token.text in _CLOSERS:
                if opened and not opened[-1][2]:
                    opened[-1] = (*opened[-1][:2], True)
                opened.append((place, 0, False))
            elif token.text in (")", "]", "}"):
                if not opened:
                    continue
                start, commas, filled = opened.pop()
                if self._words[start].text == "(" and token.text == ")":
                    self._close(start, place, commas + 1 if filled else 0)
            elif opened:
                start, commas, _ = opened[-1]
                opened[-1] = (start, commas + (token.text == ","), True)

    def _close(self, start: int, end: int, arguments: int) -> None:
        if start == 0:
            return
        before = self._words[start - 1]
        head = before.kind == "keyword" and before.text in _HEADS
        named = before.kind in ("word", "keyword") and start > 1 and self._words[start - 2].text == "sub"
        if head or named:
            self._closed_heads.add(end)
        elif before.kind == "word":
            self._calls[start - 1] = arguments

    def _names(self) -> Iterator[Fault]:
        for place, token in enumerate(self._words):
            before = self._words[place - 1] if place else None
            after = self._words[place + 1] if place + 1 < len(self._words) else None
            if token.kind != "word" or (before is not None and before.text in ("import", "as")):
                continue
            if before is not None and before.text == "sub" and before.kind == "keyword":
                if function_named(token.text) is not None:
                    yield _fault(
                        token, "error", f"{token.text} is a function of the language; choose another name"
                    )
                continue
            if token.text in _FOREIGN and token.text not in self._subs:
                yield _fault(
                    token, "error", f"“{token.text}” is not a word of the language: {_FOREIGN[token.text]}"
                )
            elif after is not None and after.text == "(" and after.kind == "symbol":
                yield from self._call(place, token)
            elif function_named(token.text) is None and token.text not in self._subs:
                yield _fault(
                    token,
                    "warning",
                    f"“{token.text}” is no keyword; a variable is written ${token.text.partition('.')[0]}",
                )

    def _call(self, place: int, token: Token) -> Iterator[Fault]:
        if token.text in self._subs or token.text.partition(".")[0] in self._libraries:
            return
        function = function_named(token.text)
        if function is None:
            self._unknown += 1
            like = nearest(token.text) if self._unknown <= MOST else ""
            hint = f"did you mean {like}?" if like else "define it with “sub”, or import the rule that does"
            yield _fault(token, "warning", f"there is no function {token.text}; {hint}")
            return
        given = self._calls.get(place)
        if given is None:
            return
        if given < function.fewest or (function.most is not None and given > function.most):
            yield _fault(
                token, "warning", f"{function.name} takes {function.count}, not {given}: {function.signature}"
            )


def _libraries(words: Sequence[Token]) -> frozenset[str]:
    """The names under which a rule calls what it imports."""
    found = set()
    for place, token in enumerate(words[:-1]):
        if token.kind == "keyword" and token.text in ("import", "as"):
            named = words[place + 1]
            if named.kind == "word":
                found.add(named.text.partition(".")[0])
    return frozenset(found)
