"""A value of a setting as people read it, the same in every list of differences.

Pure. Invariant: no text is longer than asked for, and one that was cut says so.
"""

from __future__ import annotations

import json
from typing import Any


def value_text(value: Any, longest: int) -> str:
    """A row of a table as its columns that hold something, a list of names with commas; "" for what is not there."""
    match value:
        case None:
            return ""
        case str() if value:
            text = value
        case dict() if value:
            text = ", ".join(f"{name} {_part(one)}" for name, one in value.items() if one not in ("", None))
        case list() if value and all(isinstance(one, str) and one for one in value):
            text = ", ".join(value)
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def _part(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
