"""A language for tests: every text of the pages in marks, so whatever stands outside of marks has no translation."""

from __future__ import annotations

import functools
import re
from html.parser import HTMLParser

from tools.texts import HEADER, texts

from pointsman.console.language.markup import HUMAN
from pointsman.console.language.po import write

CODE = "qps"
OPEN, CLOSE = "[!! ", " !!]"
_MARK = re.compile(r"\[!! | !!\]")


@functools.cache
def catalog() -> bytes:
    """The catalog, made of the template for translators."""
    return write(HEADER, [(text, f"{OPEN}{text}{CLOSE}", ()) for text in texts()]).encode()


class _Outline(HTMLParser):
    """The text of a page and of the attributes that people read, each of the latter on a line of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.attributes: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style", "textarea", "pre")
        if tag not in ("a", "abbr", "b", "em", "span", "strong", "time", "code", "kbd", "del", "ins"):
            self.text.append("\n")
        self.attributes += [value for name, value in attrs if name in HUMAN and value]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


def unmarked(page: str) -> list[str]:
    """What has letters and stands outside of marks, in the order of the page; the attributes last."""
    outline = _Outline()
    outline.feed(page)
    found = []
    for text in ["".join(outline.text), *outline.attributes]:
        depth, outside = 0, []
        at = 0
        for mark in _MARK.finditer(text):
            if depth == 0:
                outside.append(text[at : mark.start()])
            depth += 1 if mark[0] == OPEN else -1
            at = mark.end()
        outside.append(text[at:] if depth == 0 else "")
        found += [
            line.strip() for part in outside for line in part.split("\n") if re.search(r"[^\W\d_]", line)
        ]
    return found
