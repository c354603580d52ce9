"""The users of the cluster: one password for each, at every member.

Invariant: a password that was changed at one member is stored in the cluster before it counts there, and counts at
each other member as soon as the change arrives.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.cluster.roster import Objects
from pointsman.identity.user import Users
from pointsman.schema.cluster import USERS
from pointsman.schema.problem import ObjectId
from pointsman.store import Change, Put


def user_changes(hashes: Mapping[str, str]) -> list[Change]:
    """What stores users with the hashes of their passwords."""
    return [
        Put(ObjectId(USERS.path, name), {"basic": {"password": hashed}})
        for name, hashed in sorted(hashes.items())
    ]


def stored_users(objects: Objects) -> dict[str, str]:
    """The users of the cluster and the hashes of their passwords; none on an instance that stands alone."""
    return {
        identity.name: str(settings.get("basic", {}).get("password", ""))
        for identity, settings in objects.items()
        if identity.type == USERS.path
    }


class UserFollower:
    """Makes this instance's users those of the cluster."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._followed: dict[str, str] = {}

    async def follow(self, objects: Objects) -> None:
        """Takes over what is stored, when it is something else than last time. Raises `OSError`."""
        wanted = stored_users(objects)
        # While a data key is on its way some cannot be read; nobody is to lose the login for that.
        if wanted and all(wanted.values()) and wanted != self._followed:
            await self._users.adopt(wanted)
            self._followed = wanted
