"""The value types: which strings pass, which are refused and how references are read."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pointsman.schema.value import LINE_LIMIT, LIST_LIMIT, FilledLine, Line, Lines, Reference, Text

CONTROL_CHARACTERS = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u2028", "\u2029"]


@pytest.mark.parametrize(
    "text", ["", "plain", " spaces ", "quote ' \" # \\ ${x}", "naïve 日本 🚦", "x" * LINE_LIMIT]
)
def test_a_line_holds_any_visible_text(text: str) -> None:
    assert TypeAdapter(Line).validate_python(text) == text


@pytest.mark.parametrize("character", CONTROL_CHARACTERS)
def test_a_line_refuses_control_characters_and_names_them(character: str) -> None:
    with pytest.raises(ValidationError, match=f"remove the character U\\+{ord(character):04X}"):
        TypeAdapter(Line).validate_python(f"a{character}b")


def test_a_line_has_a_limit() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Line).validate_python("x" * (LINE_LIMIT + 1))


def test_text_holds_tabs_and_line_breaks() -> None:
    assert TypeAdapter(Text).validate_python("a\tb\r\nc") == "a\tb\r\nc"


@pytest.mark.parametrize("character", ["\0", "\x1b"])
def test_text_refuses_other_control_characters(character: str) -> None:
    with pytest.raises(ValidationError, match="remove the character"):
        TypeAdapter(Text).validate_python(f"a{character}b")


def test_a_filled_line_is_not_empty() -> None:
    assert TypeAdapter(FilledLine).validate_python("a") == "a"
    with pytest.raises(ValidationError, match="must not be empty"):
        TypeAdapter(FilledLine).validate_python("")


def test_lists_keep_order_and_repetition() -> None:
    assert TypeAdapter(Lines).validate_python(["b", "a", "b"]) == ("b", "a", "b")


def test_lists_have_a_limit() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Lines).validate_python(["x"] * (LIST_LIMIT + 1))


@pytest.mark.parametrize(
    ("reference", "value", "target"),
    [
        (Reference("pools"), "web", "web"),
        (Reference("pools"), "", None),
        (Reference("pools", ("discard",)), "discard", None),
        (Reference("rules", off_mark="/"), "log", "log"),
        (Reference("rules", off_mark="/"), "/log", "log"),
        (Reference("rules", off_mark="/"), "/", None),
        (Reference("pools"), "/web", "/web"),
    ],
)
def test_a_reference_knows_its_target(reference: Reference, value: str, target: str | None) -> None:
    assert reference.target(value) == target
