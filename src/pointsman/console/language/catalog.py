"""The translations of one language.

Invariant: a translation has the placeholders of its message, each once and the paired ones nested, and no character
that shows nothing or turns other text; what has not is no translation. A translation is text: it is escaped before it
stands in a page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from pointsman.console.language.po import HEADER, Entry, Fault, fields, read

MOST_BYTES = 2_000_000
MOST_TEXT = 4_000
"""Characters of one translation."""
_MOST_FAULTS = 1_000
"""A file with more of them is none."""
PLACEHOLDER = re.compile(r"\{(/?)([a-z][a-z0-9_]*)\}")
NAME_FIELD = "x-language-name"
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})
_REFUSED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2060-\u206f\ufeff]")
"""Not among them: the joiners and the marks of direction (U+200C to U+200F), which languages are written with."""


@dataclass(frozen=True)
class Language:
    """A language of the pages. `code` is as in `lang`, `name` what its speakers call it; English has no texts."""

    code: str
    name: str
    texts: dict[str, str] = field(default_factory=dict)
    escaped: dict[str, Markup] = field(default_factory=dict)

    @property
    def direction(self) -> str:
        """As in `dir`: "rtl", or "" for the usual one."""
        return "rtl" if self.code.partition("-")[0].lower() in RIGHT_TO_LEFT else ""


ENGLISH = Language("en", "English")


def language_of(code: str, content: bytes) -> tuple[Language, Sequence[Fault]]:
    """The language whose catalog has these bytes, and what of it does not count."""
    if len(content) > MOST_BYTES:
        return Language(code, code), (Fault(0, f"it has more than {MOST_BYTES:,} bytes"),)
    entries, problems = read(content)
    faults = list(problems)
    name, texts = code, {}
    for entry in entries:
        if entry.message == HEADER:
            name = _name(entry.translation) or code
        elif fault := _fault(entry):
            faults.append(Fault(entry.line, fault))
            if len(faults) > _MOST_FAULTS:
                return Language(code, code), (Fault(0, f"it has more than {_MOST_FAULTS:,} mistakes"),)
        else:
            texts[entry.message] = entry.translation
    faults.sort(key=lambda fault: fault.line)
    return Language(code, name, texts, {message: escape(text) for message, text in texts.items()}), faults


def _name(header: str) -> str:
    name = fields(header).get(NAME_FIELD, "")
    return "" if _REFUSED.search(name) else name[:60]


def _fault(entry: Entry) -> str:
    if len(entry.translation) > MOST_TEXT:
        return f"its translation has more than {MOST_TEXT:,} characters"
    if _REFUSED.search(entry.translation):
        return "its translation has characters that show nothing or turn other text"
    wanted, found = placeholders(entry.message), placeholders(entry.translation)
    if sorted(wanted) != sorted(found):
        missing = ", ".join(sorted(set(wanted) - set(found))) or "none missing, but there are others"
        return f"its translation has not the placeholders of the message, each once: {missing}"
    if "{" in PLACEHOLDER.sub("", entry.translation) and "{" not in PLACEHOLDER.sub("", entry.message):
        return "its translation has a brace that begins no placeholder"
    if not _nested(found):
        return "paired placeholders of its translation are not closed in turn"
    return ""


def placeholders(text: str) -> list[str]:
    """The placeholders of a text, in its order."""
    return [found[0] for found in PLACEHOLDER.finditer(text)]


def _nested(found: Sequence[str]) -> bool:
    closing = {one for one in found if one.startswith("{/")}
    opened: list[str] = []
    for one in found:
        if one in closing:
            if not opened or opened.pop() != one:
                return False
        elif (closed_by := "{/" + one[1:]) in closing:
            opened.append(closed_by)
    return not opened
