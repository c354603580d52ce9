"""What a wizard is: steps that ask, and what comes of the answers.

Invariant: a wizard decides from the answers and the configuration alone, and changes nothing; what it leads to is shown
before it is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.control.control import Control
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import AnyResource
from pointsman.schema.validate import Invalid, build
from pointsman.store import Author, Change
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.wizards.asking import Answers, Ask, Option, options_of

MOST_OPTIONS = 200
"""More objects than this are typed by name, with the first names offered."""


@dataclass(frozen=True)
class Link:
    """Where something leads."""

    title: str
    path: str


@dataclass(frozen=True)
class World:
    """What a wizard may look at. `host` is by what name the browser reached this traffic manager."""

    control: Control
    names: Names
    host: str = ""

    @property
    def objects(self) -> Mapping[ObjectId, AnyResource]:
        """The configuration."""
        return self.control.snapshot.objects

    def settings(self, type_path: str, name: str) -> dict[str, Any]:
        """A copy of what is stored for an object; empty for none."""
        held = self.control.settings(ObjectId(type_path, name)) or {}
        return {section: dict(keys) for section, keys in held.items()}

    def has(self, type_path: str, name: str) -> bool:
        """Whether there is such an object."""
        return ObjectId(type_path, name) in self.objects


@dataclass(frozen=True)
class Step:
    """One page of questions. `asks` gives its fields, `check` what is wrong with the answers, by field."""

    title: str
    asks: Callable[[Answers, World], Awaitable[Sequence[Ask]]]
    check: Callable[[Answers, World], Mapping[str, str]] = lambda answers, world: {}
    lead: str = ""


@dataclass(frozen=True)
class Outcome:
    """What the answers lead to.

    `changes` of the configuration, or where it is something else `act`, which does it, and `summary`, which says
    before what it will do. `warnings` are said before as well. `done` is said afterwards, with `links`, and `commands`
    to try it with.
    """

    done: str
    changes: tuple[Change, ...] = ()
    reason: str = ""
    act: Callable[[Author], Awaitable[None]] | None = None
    summary: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    commands: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Wizard:
    """A wizard. `permission` opens it, and `writes` are the permissions that what it does takes besides.

    `obstacle` says why it cannot begin ("" where it can), with a link to what helps. One with `leads` has no steps of
    its own: it leads to the page that does it.
    """

    slug: str
    title: str
    what: str
    permission: str
    writes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    outcome: Callable[[Answers, World], Awaitable[Outcome]] | None = None
    obstacle: Callable[[World], tuple[str, Link] | None] = lambda world: None
    leads: str = ""
    icon: str = "wand"
    danger: bool = False

    @property
    def path(self) -> str:
        """Its address."""
        return f"/wizards/{self.slug}"


def problems_with(type_path: str, name: str, settings: Mapping[str, Any]) -> Sequence[Problem]:
    """What the model of an object has against settings."""
    try:
        build(BY_PATH[type_path], name, settings)
    except Invalid as error:
        return error.problems
    return ()


def ask_for(
    name: str,
    label: str,
    world: World,
    type_path: str,
    *,
    among: Sequence[str] | None = None,
    **more: Any,
) -> Ask:
    """A field for an object of a type: a choice, or where there are too many to choose from, a name to type.

    `among` narrows it to some.
    """
    names = list(world.names(type_path) if among is None else among)
    if len(names) > MOST_OPTIONS:
        return Ask(name, label, offered=tuple(names[:1000]), **more)
    # Nobody shall do something to the first of several because it was the first.
    nothing = Option("", "choose one" if more.get("needed") else "none")
    first = () if more.get("needed") and len(names) == 1 else (nothing,)
    return Ask(name, label, "select", options=(*first, *options_of(names)), **more)
