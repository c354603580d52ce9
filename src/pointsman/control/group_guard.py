"""What is refused about user groups for reasons that are not in the configuration: who is in them, and who asks.

Invariant: a group that has users is not deleted nor renamed, the administrators' group permits everything, and nobody
gives a group what they do not have themselves, nor changes one that permits more than they have, by an edit or by going
back to what was. Who owns the machine (control socket, documents) is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pointsman.control.access import Access
from pointsman.control.accounts import in_group
from pointsman.control.control import Control
from pointsman.control.error import Forbidden, InUse
from pointsman.identity.user import Users
from pointsman.schema.permission import ADMIN_GROUP, ALL, LEVELS, Level
from pointsman.schema.problem import ObjectId
from pointsman.schema.user_group import USER_GROUP
from pointsman.store import Author, Change, Put

_SURFACES = frozenset({"rest", "ui"})
_OBJECT = "users"
"""What users are called where something names them as what uses a group."""


def guard_groups(control: Control, users: Users) -> None:
    """Has what surfaces ask for looked at before it is done."""
    guard = GroupGuard(users, Access(users, lambda: control.snapshot))
    control.guards.append(guard)
    control.permit_restore = control.backups.permit_restore = guard.restoring


class GroupGuard:
    """Looks at changes before they are made; see `Control.guards`."""

    def __init__(self, users: Users, access: Access) -> None:
        self._users = users
        self._access = access

    def __call__(self, actor: Author, changes: Sequence[Change]) -> None:
        """Raises `Forbidden` or `InUse`."""
        for change in changes:
            if change.identity.type == USER_GROUP.path:
                self._check(actor, change)
                if not isinstance(change, Put):
                    self._see_users(change.identity)

    def restoring(self, actor: Author, changes: Sequence[Change], users: bool) -> None:
        """Looks at what going back to an earlier configuration would do, with `users` to them as well.

        Users who are in a group that goes away then are no obstacle: they lose what it gave them. Raises `Forbidden`.
        """
        for change in changes:
            if change.identity.type == USER_GROUP.path:
                self._check(actor, change)
        if users and actor.surface in _SURFACES and self._access.lacks(actor.name, ({ALL: "full"},)):
            raise Forbidden(
                f"the user {actor.name!r} may not restore users, who may be given any right by that; restore without "
                "them, or ask an administrator"
            )

    def _check(self, actor: Author, change: Change) -> None:
        name = change.identity.name
        permitted = _permitted(change.settings) if isinstance(change, Put) else None
        if name == ADMIN_GROUP and not isinstance(change, Put):
            raise Forbidden(f"{change.identity} belongs to the product; it stays, and keeps its name")
        if name == ADMIN_GROUP and permitted not in (None, {ALL: "full"}):
            raise Forbidden(f"{change.identity} permits everything, and stays so; make another group")
        if actor.surface not in _SURFACES:
            return
        if permitted is not None and (lacking := self._access.lacks(actor.name, (permitted,))):
            raise Forbidden(
                f"{change.identity}: the user {actor.name!r} may not give what that user does not have: {lacking}"
            )
        if lacking := self._access.lacks(actor.name, (self._access.permits(name),)):
            raise Forbidden(
                f"{change.identity} permits more than the user {actor.name!r} has ({lacking}), so only others may "
                "change it"
            )

    def _see_users(self, identity: ObjectId) -> None:
        if users := in_group(self._users, identity.name):
            raise InUse(identity, tuple(ObjectId(_OBJECT, user) for user in users))


def _permitted(settings: Any) -> dict[str, Level] | None:
    """What settings say of permissions; None where they say nothing, or something that the schema refuses."""
    rows = settings.get("basic", {}).get("permissions")
    if not isinstance(rows, list | tuple):
        return None
    found: dict[str, Level] = {}
    for row in rows:
        level = row.get("access_level") if isinstance(row, dict) else None
        if level not in LEVELS:
            return None
        found[str(row.get("name", ""))] = level
    return found
