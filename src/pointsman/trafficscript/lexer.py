"""A rule's text as words.

Pure. Invariant: every character belongs to a token or to the space between two; any text at all has tokens, in time
that grows with its length alone; columns count characters, from 1.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "comment", "variable", "number", "word", "keyword", "string", "open string", "symbol", "unknown"
]
KEYWORDS = frozenset(
    {
        "as", "break", "case", "continue", "default", "do", "else", "false", "for", "foreach", "if", "import", "in",
        "nil", "print", "return", "sub", "switch", "true", "while",
    }
)  # fmt: skip

_TOKENS = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>\#[^\n]*)
  | (?P<variable>\$[A-Za-z0-9_]+)
  | (?P<number>0[xX][0-9A-Fa-f]+ | (?:[0-9]+(?:\.[0-9]+)? | \.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<double>"(?:[^"\\]|\\.)*+(?P<double_end>"?))
  | (?P<single>'(?:[^'\\]|\\.)*+(?P<single_end>'?))
  | (?P<symbol><<=|>>=|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|\.=|&=|\|=|\^=|=>|<<|>>|=~
      |[-+*/%.=<>!~&|^?:;,(){}\[\]])
  | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A word of a rule: `start` and `end` are offsets, `line` and `column` say where it begins."""

    kind: Kind
    text: str
    start: int
    end: int
    line: int
    column: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a rule, comments among them."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    for found in _TOKENS.finditer(text):
        kind = _kind(found)
        if kind is None:
            continue
        line = bisect.bisect_right(starts, found.start())
        yield Token(kind, found[0], found.start(), found.end(), line, found.start() - starts[line - 1] + 1)


def _kind(found: re.Match[str]) -> Kind | None:
    match found.lastgroup:
        case "space":
            return None
        case "double" | "double_end":
            return "string" if found["double_end"] else "open string"
        case "single" | "single_end":
            return "string" if found["single_end"] else "open string"
        case "word":
            return "keyword" if found[0] in KEYWORDS else "word"
        case "comment":
            return "comment"
        case "variable":
            return "variable"
        case "number":
            return "number"
        case "symbol":
            return "symbol"
        case _:
            return "unknown"


def description(text: str) -> str:
    """What a rule says of itself: the first line of its opening comment that says something; "" where it has none."""
    for line in text.lstrip("\ufeff").splitlines():
        plain = line.strip()
        if plain and not plain.startswith("#"):
            return ""
        if said := plain.strip("#*=-_ \t"):
            return said
    return ""
