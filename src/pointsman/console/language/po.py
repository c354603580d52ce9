"""The file format of a catalog: a small reader of gettext's .po, and its writer.

Pure. Invariant: whatever the bytes are, they are read to an end; what cannot be read is a fault with the number of its
line, and everything else counts. Contexts and plural forms are not used by the pages, so entries with them are faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

HEADER = ""
"""The message whose translation is the header of the file."""
_LINE = re.compile(r'(?:(msgid|msgstr|msgctxt|msgid_plural|msgstr\[\d+\])\s*)?"([^"\\]*(?:\\.[^"\\]*)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Entry:
    """A message with its translation; `line` is that of the message, from 1."""

    line: int
    message: str
    translation: str


@dataclass(frozen=True)
class Fault:
    """Why something of a file does not count; `line` is from 1, 0 for the whole file."""

    line: int
    text: str


class _Draft:
    """An entry while its lines are read."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.parts: dict[str, list[str]] = {}
        self.fuzzy = False
        self.fault: Fault | None = None


def read(content: bytes) -> tuple[Sequence[Entry], Sequence[Fault]]:
    """The translated entries of a file, the header with the message "", and what is wrong with the file.

    An entry that is marked as fuzzy, or has no translation, is none. The file is UTF-8, with or without a byte order
    mark.
    """
    try:
        whole = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return (), (Fault(content.count(b"\n", 0, error.start) + 1, "it is not UTF-8"),)
    entries: list[Entry] = []
    faults: list[Fault] = []
    draft, fuzzy, key = _Draft(1), False, ""
    for number, line in enumerate(map(str.strip, whole.split("\n")), 1):
        if not line or line.startswith("#"):
            fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            draft.fault = draft.fault or Fault(
                number, "it is neither a comment nor a text in quotation marks"
            )
            continue
        if found[1] in ("msgid", "msgctxt") and "msgid" in draft.parts:
            _finish(draft, entries, faults)
            draft = _Draft(number)
        if found[1]:
            key = found[1]
            if key == "msgid":
                draft.line, draft.fuzzy, fuzzy = number, fuzzy, False
            if key in draft.parts:
                draft.fault = draft.fault or Fault(number, f"its entry has {key} twice")
        if not key:
            draft.fault = draft.fault or Fault(number, "its text belongs to no msgid")
        text = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[1]), found[2])
        draft.parts.setdefault(key, []).append(text)
    _finish(draft, entries, faults)
    return entries, faults


def _finish(draft: _Draft, entries: list[Entry], faults: list[Fault]) -> None:
    if draft.fault is not None:
        faults.append(draft.fault)
        return
    unused = sorted(draft.parts.keys() - {"msgid", "msgstr"})
    if unused:
        faults.append(Fault(draft.line, f"its entry has {unused[0]}, which the pages do not use"))
    elif (
        "msgid" in draft.parts and not draft.fuzzy and (translation := "".join(draft.parts.get("msgstr", ())))
    ):
        entries.append(Entry(draft.line, "".join(draft.parts["msgid"]), translation))


def fields(header: str) -> Mapping[str, str]:
    """The fields of a header, their names in lower case."""
    pairs = (line.partition(":") for line in header.split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def write(header: str, messages: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """A file of messages, their translations ("" for none) and the places where each is used."""
    parts = [_written("msgid", "") + _written("msgstr", header)]
    for message, translation, places in messages:
        used = "".join(f"#: {place}\n" for place in places)
        parts.append(used + _written("msgid", message) + _written("msgstr", translation))
    return "\n".join(parts)


def _written(key: str, text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\r", "\\r")
    lines = quoted.split("\n")
    whole = [f'"{line}\\n"' for line in lines[:-1]] + (
        [f'"{lines[-1]}"'] if lines[-1] or len(lines) == 1 else []
    )
    return f"{key} {whole[0]}\n" if len(whole) == 1 else f'{key} ""\n' + "".join(f"{one}\n" for one in whole)
