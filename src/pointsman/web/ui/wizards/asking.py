"""What a step of a wizard asks for, and what was answered.

Pure. Invariant: answers are kept as they were typed, so that a step shows again what somebody left there; what is wrong
with one is told in the words of the object's own model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pointsman.schema.problem import Problem
from pointsman.web.ui.forms.pasted import pasted

Widget = Literal["text", "number", "area", "select", "radio", "boxes", "check", "note"]
GIVEN = "?"
"""After the name of an answer: it was asked for, even where a browser sends nothing for it (a box without a tick)."""
MISSING = "a value is needed here; fill it in"
UNKNOWN = "is not there any more; choose another"


@dataclass(frozen=True)
class Option:
    """One value that may be chosen; `note` is said beside it."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Ask:
    """One field of a step. `default` are the values it begins with; `link` (path, title) leads to what helps."""

    name: str
    label: str
    widget: Widget = "text"
    help: str = ""
    options: tuple[Option, ...] = ()
    default: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    needed: bool = False
    minimum: int | None = None
    maximum: int | None = None
    link: tuple[str, str] | None = None

    @property
    def id(self) -> str:
        """The field's id on the page."""
        return f"w-{self.name}"


@dataclass(frozen=True)
class Answers:
    """What was answered so far, by the names of fields."""

    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """One value, without space around it."""
        values = self.given.get(name)
        return values[-1].strip() if values else default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value."""
        return tuple(value for value in self.given.get(name, ()) if value)

    def words(self, name: str) -> tuple[str, ...]:
        """Nodes or addresses as people paste them."""
        return tuple(word for value in self.given.get(name, ()) for word in pasted(value))

    def yes(self, name: str) -> bool:
        """Whether a box has its tick."""
        return "yes" in self.given.get(name, ())

    def shown(self, ask: Ask) -> tuple[str, ...]:
        """What a field shows: what was answered, or what it begins with."""
        return self.given.get(ask.name, ask.default)


def generally(asks: Iterable[Ask], answers: Answers) -> dict[str, str]:
    """What is wrong with answers by their fields alone: nothing where something is needed, and what is no option."""
    faults: dict[str, str] = {}
    for ask in asks:
        values = [value.strip() for value in answers.given.get(ask.name, ()) if value.strip()]
        if ask.needed and not values:
            faults[ask.name] = MISSING
        elif ask.widget in ("select", "radio", "boxes") and ask.options:
            known = {option.value for option in ask.options}
            if strange := [value for value in values if value not in known]:
                faults[ask.name] = f"{strange[0][:80]} {UNKNOWN}"
    return faults


def placed(
    problems: Iterable[Problem], places: Mapping[tuple[str, ...], str], otherwise: str = ""
) -> dict[str, str]:
    """Problems by the fields that they are about: `places` leads from the beginning of a path to a field, the longest
    first; what has no place goes to `otherwise`, and is dropped without it.
    """
    found: dict[str, list[str]] = {}
    for problem in problems:
        name = otherwise
        for length in range(len(problem.path), -1, -1):
            if problem.path[:length] in places:
                name = places[problem.path[:length]]
                break
        if name:
            row = problem.path[2] if len(problem.path) > 2 else ""
            if row.isdecimal():  # the place in a list
                row = f"entry {int(row) + 1}"
            text = f"{row}: {problem.message}" if row else problem.message
            found.setdefault(name, []).append(text)
    return {name: "; ".join(dict.fromkeys(texts)) for name, texts in found.items()}


def options_of(names: Sequence[str]) -> tuple[Option, ...]:
    """Names as options."""
    return tuple(Option(name, name) for name in names)


def number_of(text: str) -> int | str:
    """A whole number as the model wants it; other text as it is, which the model then explains."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text
