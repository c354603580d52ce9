"""Reads the JSON of request bodies: strict where a mistake could hide, tolerant where published clients err.

Tolerated are a comma before a closing bracket and raw line breaks inside strings; a certificate hook in wide
use sends both. Refused are repeated keys, NaN and infinities, numbers beyond all use, and deep nesting.

Invariant: what is returned holds plain JSON values only, nested no deeper than `DEPTH_LIMIT`.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

DEPTH_LIMIT = 20
_DIGITS = 40

_STRING_OR_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_VALUE_ENDS = frozenset('"}]eEl0123456789')


class NotJson(Exception):
    """The text is not acceptable JSON; the message says what and where."""


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8 (a byte order mark is allowed). Raises `NotJson`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson(f"the body is not UTF-8 at byte {error.start}; send JSON in UTF-8") from error
    try:
        value = _decode(text)
    except json.JSONDecodeError:
        value = _decode_again(_without_trailing_commas(text))
    except RecursionError:
        raise _too_deep() from None
    _check_depth(value)
    return value


def _decode(text: str) -> Any:
    return json.loads(
        text,
        strict=False,
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_int=_integer,
        parse_float=_float,
    )


def _decode_again(text: str) -> Any:
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(
            f"the body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}; correct it there"
        ) from error
    except RecursionError:
        raise _too_deep() from None


def _without_trailing_commas(text: str) -> str:
    def blank(match: re.Match[str]) -> str:
        if match.group() != ",":
            return match.group()
        before = match.start() - 1
        while before >= 0 and text[before] in " \t\r\n":
            before -= 1
        # A comma without a value before it is a mistake, not a habit.
        return " " if before >= 0 and text[before] in _VALUE_ENDS else ","

    return _STRING_OR_COMMA.sub(blank, text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise NotJson(f"the key {json.dumps(name[:80])} occurs twice in one object; keep one of them")
        made[name] = value
    return made


def _constant(name: str) -> Any:
    raise NotJson(f"{name} is not a JSON number; send a number or leave the key out")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise NotJson(f"a number has {len(digits)} digits; send one that fits into 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits) if len(digits) <= 10 * _DIGITS else math.inf
    if not math.isfinite(value):
        raise NotJson("a number is too large; send one that fits into 64 bits")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return
    raise _too_deep()


def _containers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, dict | list)]
    return [inner for inner in value if isinstance(inner, dict | list)] if isinstance(value, list) else []


def _too_deep() -> NotJson:
    return NotJson(f"the body is nested deeper than {DEPTH_LIMIT} levels; send a flatter one")
