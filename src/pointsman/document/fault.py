"""What is wrong with a document, with the place in the file that the author has to change.

Invariant: a `Fault` always names file and line; a reader or loader raises `Faulty` with every fault it can
find.
"""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.schema.problem import Problem


@dataclass(frozen=True)
class Place:
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
        return f"{self.file}:{self.line}:{self.column}: {text}"


class Faulty(Exception):
    """Documents that cannot be accepted; `faults` says why, completely, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def syntax_fault(place: Place, message: str) -> Fault:
    """A fault of the text itself, where no object is known yet."""
    return Fault(place.file, place.line, place.column, Problem(None, (), "document.syntax", message))
