"""What pages that know more of a resource type add to its list and to its object's page.

Invariant: what is added never takes anything away: without it, list and page are whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Protocol

from pointsman.web.ui.marks import Mark
from pointsman.web.ui.visit import Visit


@dataclass(frozen=True)
class Panel:
    """A part that a page about an object shows above its settings: a template and its values."""

    template: str
    values: dict[str, Any] = field(default_factory=dict)


Panels = Callable[[Visit, str], Sequence[Panel] | Awaitable[Sequence[Panel]]]


@dataclass(frozen=True)
class RowState:
    """How an object fares: a mark with its word, and `text` that says why; `path` leads to more about it."""

    mark: Mark
    word: str
    text: str = ""
    path: str = ""


@dataclass(frozen=True)
class RowAct:
    """Something to do with ticked objects: the value of `do`, its label, an icon."""

    do: str
    label: str
    icon: str
    danger: bool = False


class LiveColumns(Protocol):
    """The live part of a list."""

    columns: tuple[str, ...]
    """Headings of the columns that `cells` fills."""
    acts: tuple[RowAct, ...]
    action: str
    """Where ticked objects are posted to; "" where nothing can be done with several."""

    async def states(self, visit: Visit) -> Mapping[str, RowState]:
        """How every object fares, by name."""

    def cells(self, name: str) -> tuple[str | int, ...]:
        """The live figures of one object; asked after `states`, of those that are shown."""


@dataclass(frozen=True)
class Extra:
    """All that is added to a type."""

    panels: Panels = lambda visit, name: ()
    live: LiveColumns | None = None


NOTHING = Extra()
"""What is added to a type that no page knows more of."""


def joined(first: Extra, second: Extra) -> Extra:
    """What two parts of the UI add to the same type, the first one's panels first."""

    async def panels(visit: Visit, name: str) -> Sequence[Panel]:
        found: list[Panel] = []
        for extra in (first, second):
            shown = extra.panels(visit, name)
            found += await shown if isawaitable(shown) else shown
        return found

    return Extra(panels, first.live or second.live)
