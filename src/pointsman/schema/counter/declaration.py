"""What is said about a counter and about a leaf of the statistics tree.

Invariant: the names in a leaf are unique and alphabetical, as REST shows them; only a state has permitted
values.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CounterKind(enum.Enum):
    """How a figure behaves over time."""

    COUNTER = "counter"
    """Only grows while the traffic manager runs, also across reloads of the engine."""
    GAUGE = "gauge"
    """Goes up and down."""
    STATE = "enum"
    """One word of a few."""


@dataclass(frozen=True)
class Counter:
    """One figure of a leaf. `unit` is "" for plain numbers of things; `values` are the words of a state."""

    name: str
    kind: CounterKind
    unit: str
    help: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatisticType:
    """
    One leaf of the statistics tree. `path` is the REST path below `status/<traffic manager>/statistics`. With
    `per_object` there is one set of figures for each object, below the object's name; otherwise there is one
    set for the whole traffic manager.
    """

    path: str
    per_object: bool
    help: str
    counters: tuple[Counter, ...]

    def counter(self, name: str) -> Counter | None:
        """The counter of that name, or None."""
        return next((counter for counter in self.counters if counter.name == name), None)


def total(name: str, help: str, unit: str = "") -> Counter:
    """A counter that only grows."""
    return Counter(name, CounterKind.COUNTER, unit, help)


def gauge(name: str, help: str, unit: str = "") -> Counter:
    """A counter that goes up and down."""
    return Counter(name, CounterKind.GAUGE, unit, help)


def state(name: str, help: str, *values: str) -> Counter:
    """A counter that is one of a few words."""
    return Counter(name, CounterKind.STATE, "", help, values)
