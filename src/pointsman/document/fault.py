"""What is wrong with a document, with the place in the file that the author has to change.

Invariant: a `Fault` always names file and line, and as text it is one line of bounded length without control
characters, whatever files and objects are called; a reader or loader raises `Faulty` with every fault it can find.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from pointsman.schema.problem import Problem

FINDING_LIMIT = 1000
"""Faults, and remarks, of all documents together; each costs time and memory."""
MORE = "document.more"
"""Code of the finding that says that there are more than are named."""
_TEXT_LIMIT = 2000
UNSHOWN = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
"""Characters, as a set in a regular expression, that break lines, move the cursor, change the direction of text or are
none at all: never written as they are where people or terminals read.
"""
_ESCAPED = re.compile(f"[{UNSHOWN}]")


class Place(NamedTuple):
    """A position in a file as an editor counts it: line and column from 1. `file` is shown as it was
    given.
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Fault:
    """One `Problem` and where in the documents it comes from."""

    file: str
    line: int
    column: int
    problem: Problem

    def __str__(self) -> str:
        problem = self.problem
        text = str(problem) if problem.subject or problem.path else problem.message
        if len(text) > _TEXT_LIMIT:
            text = f"{text[:_TEXT_LIMIT]}..."
        return one_line(f"{self.file}:{self.line}:{self.column}: {text}")


class Faulty(Exception):
    """Documents that cannot be accepted; `faults` says why, completely, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Enough(Exception):
    """So much is wrong that nobody reads more of it."""


class Findings:
    """What is wrong with documents that are read together (`faults`), and what was left out of them (`remarks`), up to
    `FINDING_LIMIT` each; that there is more is the last of them then.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.remarks: list[Fault] = []

    def fault(self, fault: Fault) -> None:
        """One more fault. Raises `Enough` at the limit."""
        self.faults.append(fault)
        if len(self.faults) >= FINDING_LIMIT:
            more = Problem(None, (), MORE, "more may be wrong; correct what is named first")
            self.faults.append(Fault(fault.file, fault.line, fault.column, more))
            raise Enough

    @property
    def has_room(self) -> bool:
        """Whether a remark would be kept."""
        return len(self.remarks) < FINDING_LIMIT

    def remark(self, remark: Fault) -> None:
        """One more remark, where there is room."""
        self.remarks.append(remark)
        if not self.has_room:
            more = Problem(None, (), MORE, "more is unknown and left out; remove what is named first")
            self.remarks.append(Fault(remark.file, remark.line, remark.column, more))


def one_line(text: str) -> str:
    """The text with an escape for every character that has no place in a line."""
    return _ESCAPED.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def syntax_fault(place: Place, message: str) -> Fault:
    """A fault of the text itself, where no object is known yet."""
    return Fault(
        place.file, place.line, place.column, Problem(None, (), "document.syntax", message[:_TEXT_LIMIT])
    )
