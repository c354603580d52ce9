"""The changes that lead back to an earlier configuration, and what never goes back with it.

Pure. Invariant: who belongs to the cluster is not undone: its members' own records stay as they are, no traffic manager
is deleted, renamed or made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Change, Objects, Put, changes_between


def changes_back(now: Objects, then: Objects) -> tuple[Change, ...]:
    """What a restore of `then` commits."""
    return tuple(change for change in changes_between(now, then) if _goes_back(change, now))


def _goes_back(change: Change, now: Mapping[ObjectId, Any]) -> bool:
    kind = BY_PATH.get(change.identity.type)
    if kind is None:
        return False
    return kind.creatable or (isinstance(change, Put) and change.identity in now)
