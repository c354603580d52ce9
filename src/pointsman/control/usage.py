"""Which objects use which, for lists that show it of many.

Invariant: what is given is of the configuration of the moment; loose mentions, which keep nothing from being deleted by
REST, count among the mentions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.control.configuration import Configuration
from pointsman.schema.problem import ObjectId
from pointsman.schema.reference import references
from pointsman.schema.registry import BY_PATH

Users = Mapping[ObjectId, tuple[ObjectId, ...]]


class Usage:
    """The users of every object, gathered once for each revision; an object that did not change is not read again."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._read: dict[ObjectId, tuple[Mapping[str, Any], frozenset[tuple[ObjectId, bool]]]] = {}
        self._known: tuple[int, Users, Users] = (-1, {}, {})

    def users(self) -> Users:
        """The users of each object that has any, sorted."""
        return self._fresh()[1]

    def mentions(self) -> Users:
        """The same with those that name an object without needing it."""
        return self._fresh()[2]

    def _fresh(self) -> tuple[int, Users, Users]:
        revision = self._configuration.snapshot.revision
        if self._known[0] != revision:
            self._known = (revision, *self._gathered())
        return self._known

    def _gathered(self) -> tuple[Users, Users]:
        read: dict[ObjectId, tuple[Mapping[str, Any], frozenset[tuple[ObjectId, bool]]]] = {}
        needed: dict[ObjectId, set[ObjectId]] = {}
        named: dict[ObjectId, set[ObjectId]] = {}
        for identity, settings in self._configuration.objects.items():
            held = self._read.get(identity)
            if held is None or held[0] is not settings:
                uses = references(BY_PATH[identity.type], settings)
                held = (settings, frozenset((use.target, use.loose) for use in uses))
            read[identity] = held
            for target, loose in held[1]:
                if target != identity:
                    named.setdefault(target, set()).add(identity)
                    if not loose:
                        needed.setdefault(target, set()).add(identity)
        self._read = read
        return _sorted(needed), _sorted(named)


def _sorted(found: Mapping[ObjectId, set[ObjectId]]) -> Users:
    return {target: tuple(sorted(users)) for target, users in found.items()}
