"""The value types that resource sections are written in, and the markers that describe a key beyond its type.

Invariant: a value that passes these types holds no NUL, and no line break unless its key holds text of many
lines. Line breaks and other control characters are refused at the door, because names and strings end up in
the engines' configuration files, in HTTP headers and in log lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

LINE_LIMIT = 8192
TEXT_LIMIT = 1_048_576
LIST_LIMIT = 10_000

Element = TypeVar("Element")


@dataclass(frozen=True)
class Reference:
    """The value names an object of another type.

    `special` are names that need no object ("discard"). `off_mark` is a first character that switches an
    entry of a list off and is no part of the name ("/" before a rule). `loose` says that the named object may
    be deleted all the same: a condition then tells that the name leads nowhere.
    """

    type: str
    special: tuple[str, ...] = ()
    off_mark: str = ""
    loose: bool = False

    def target(self, value: str) -> str | None:
        """The name of the object that `value` refers to; None where it refers to none."""
        name = value.removeprefix(self.off_mark)
        return None if not name or name in self.special else name


@dataclass(frozen=True)
class Unordered:
    """The list is a set: its order carries no meaning, a repeated element is dropped."""


@dataclass(frozen=True)
class Hidden:
    """Left out of REST answers unless the request names it in `expert_keys`."""


@dataclass(frozen=True)
class Secret:
    """Encrypted at rest; never shown in clear in history, differences or logs.

    `readback` is what REST shows to a reader of the object: "hash" (base64 of SHA-256, as the product does
    for private keys), "empty", or "clear" where clients compare the value with what they sent.
    """

    readback: Literal["hash", "empty", "clear"] = "empty"


@dataclass(frozen=True)
class Since:
    """The first REST API version that knows the key."""

    version: str


@dataclass(frozen=True)
class Unit:
    """What a number counts: "s", "ms", "bytes", "kB", "MB", "%"."""

    name: str


@dataclass(frozen=True)
class TableKey:
    """The column that identifies a row of a table."""

    column: str


def _single_line(value: str) -> str:
    for character in value:
        if ord(character) < 0x20 or ord(character) == 0x7F or character in "\u0085\u2028\u2029":
            raise PydanticCustomError(
                "illegal_character",
                "must be one line without control characters; remove the character {character}",
                {"character": f"U+{ord(character):04X}"},
            )
    return value


def _many_lines(value: str) -> str:
    for character in value:
        if ord(character) < 0x20 and character not in "\t\r\n":
            raise PydanticCustomError(
                "illegal_character",
                "must hold no control characters but tab and line breaks; remove the character {character}",
                {"character": f"U+{ord(character):04X}"},
            )
    return value


def _not_empty(value: str) -> str:
    if not value:
        raise PydanticCustomError("empty", "must not be empty; give it at least one character")
    return value


Line = Annotated[str, Field(max_length=LINE_LIMIT), AfterValidator(_single_line)]
"""A string of one line."""

FilledLine = Annotated[Line, AfterValidator(_not_empty)]
"""A string of one line with at least one character."""

Text = Annotated[str, Field(max_length=TEXT_LIMIT), AfterValidator(_many_lines)]
"""A string of any number of lines (notes, PEM)."""

ListOf = Annotated[tuple[Element, ...], Strict(False), Field(max_length=LIST_LIMIT)]
"""Elements of one type in an order that matters; repeated ones are kept. JSON's list is held as a tuple."""

Lines = ListOf[Line]
"""A list of strings in an order that matters."""

LineSet = Annotated[ListOf[Line], Unordered()]
"""A list of strings whose order has no meaning."""

Table = ListOf[Element]
"""Rows of one model: `Table[NodeRow]`."""

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0)]
"""A whole number of zero or more."""

Switch = Literal["disabled", "enabled", "use_default"]
"""A setting that follows the global one unless it says otherwise."""
