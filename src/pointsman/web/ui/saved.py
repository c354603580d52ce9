"""Filters that somebody keeps: what a list shows, as its address says it, under a name of one's own.

Pure. Invariant: a kept filter belongs to its user and to one page, travels with the user to every member of the
cluster, and is an address of that page and of nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

_PASSING = frozenset({"page", "before", "after"})
"""Where one is in a list, which is no part of a filter."""


@dataclass(frozen=True)
class Saved:
    """A kept filter: its name, where it leads, and whether the page shows just that."""

    name: str
    path: str
    current: bool


def saved_filters(preferences: Mapping[str, str], path: str, query: str) -> Sequence[Saved]:
    """Those of a page, by name; `query` is what it shows now."""
    prefix, now = key_of(path, ""), in_one_form(query)
    return [
        Saved(key.removeprefix(prefix), f"{path}?{kept}", kept == now)
        for key, kept in sorted(preferences.items())
        if key.startswith(prefix)
    ]


def in_one_form(query: str) -> str:
    """A query in one form, whoever wrote it, without where one is in the list."""
    return urlencode([(name, value) for name, value in parse_qsl(query) if name not in _PASSING])


def key_of(path: str, name: str) -> str:
    """Under what a user's preferences hold the filter of a page."""
    return f"filter {path} {name}"
