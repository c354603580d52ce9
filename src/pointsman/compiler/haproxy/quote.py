"""The one way in which text from the configuration becomes part of a line that HAProxy reads.

Invariant: whatever the text, the result is exactly one word of one line with exactly that value; text that no word
can hold (control characters, which end lines or strings) raises `Unquotable` instead.
"""

from __future__ import annotations

import re

_BARE = re.compile(r"[A-Za-z0-9_./:@+=-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Unquotable(ValueError):
    """Text that cannot stand in a line of configuration; the caller leaves the object or part out and says why."""


def word(text: str) -> str:
    """`text` as one word.

    Strong quotes, because nothing is special between them (in double quotes `$` and `\\` are); a strong quote itself
    leaves them, stands escaped, and enters them again.
    """
    if _CONTROL.search(text) or not _encodable(text):
        raise Unquotable("holds a control character or broken Unicode; remove it")
    if _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def format_word(text: str) -> str:
    """`text` as one word where HAProxy reads a log format: `%` would start an expression and is doubled."""
    return word(text.replace("%", "%%"))


def entry_word(text: str) -> str:
    """`text` as a word of a certificate list, where nothing can be quoted: only plain words are possible."""
    if not re.fullmatch(r"[A-Za-z0-9_./*-]+", text):
        raise Unquotable("holds characters that a host name cannot have; correct it")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
