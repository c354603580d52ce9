"""The changes that lead back to an earlier configuration, and what never goes back with it.

Pure. Invariant: who belongs to the cluster is not undone: its members' own records stay as they are, no traffic manager
is deleted, renamed or made. The administrators' group stays, also where it was not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.user_group import ADMINISTRATORS
from pointsman.store import Author, Change, Objects, Put, changes_between

PermitRestore = Callable[[Author, Sequence[Change], bool], None]
"""Raises `ControlError` where somebody may not make the changes of a restore; the last argument says whether it
restores users as well.
"""


def permit_any(actor: Author, changes: Sequence[Change], users: bool) -> None:
    """Refuses nothing."""


def changes_back(now: Objects, then: Objects) -> tuple[Change, ...]:
    """What a restore of `then` commits."""
    return tuple(change for change in changes_between(now, then) if goes_back(change, now))


def goes_back(change: Change, now: Mapping[ObjectId, Any]) -> bool:
    """Whether a change that leads back may be made: not where it would make or delete who belongs to the cluster, nor
    where it would take the administrators' group away.
    """
    kind = BY_PATH.get(change.identity.type)
    if kind is None or (change.identity == ADMINISTRATORS and not isinstance(change, Put)):
        return False
    return kind.creatable or (isinstance(change, Put) and change.identity in now)
