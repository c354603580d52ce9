"""JSON values as text and back, and when two are the same.

Pure. Invariant: equal values have one text, and reading it gives the value. Both are done for each of the hundred
thousand registers of a large configuration, so what is short takes a short way.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from typing import Any

from pydantic_core import from_json

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values; what comparisons and the files use."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    return int.__repr__(value) if kind is int else _ENCODER.encode(value)


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON; None is no value."""
    if one is other or one is None or other is None:
        return one is other
    return canonical(one) == canonical(other)


def parsed(text: str) -> Any:
    """The value of a JSON text; raises `ValueError`. Short texts that occur often are one object in all values."""
    try:
        return from_json(text)
    except (ValueError, TypeError):
        return json.loads(text)  # takes what the quick parser does not: lone surrogates, very deep values
