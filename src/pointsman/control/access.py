"""What a user may see and change: the most that any of the user's groups permits.

Invariant: who is not known may do nothing; the administrator may do everything, whatever is configured; an answer is of
the configuration and the users of the moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pointsman.identity.user import ADMIN, Users
from pointsman.schema.permission import ADMIN_GROUP, ALL, LEVELS, PERMISSIONS, Level, highest, level_in
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.user_group import USER_GROUP, UserGroup

_MOST_REMEMBERED = 2000
_MINUTE, _DAY = 60.0, 86_400


def groups_of(users: Users, user: str) -> tuple[str, ...]:
    """The names of a user's groups, also of those that there are no more."""
    account = users.accounts.get(user)
    if account is None:
        return ()
    own = (ADMIN_GROUP,) if user == ADMIN else ()
    return tuple(dict.fromkeys((*own, *account.groups)))


class Access:
    """Answers what a user may do."""

    def __init__(self, users: Users, snapshot: Callable[[], Snapshot]) -> None:
        self._users = users
        self._snapshot = snapshot
        self._seen: tuple[object, object] = (None, None)
        self._permitted: dict[str, tuple[Mapping[str, Level], ...]] = {}
        self._levels: dict[tuple[str, str], Level] = {}

    def groups(self, user: str) -> tuple[str, ...]:
        """The names of a user's groups, also of those that there are no more."""
        return groups_of(self._users, user)

    def level(self, user: str, permission: str) -> Level:
        """How far `user` may go with what `permission` names (a name of `user_groups`, such as "Pools!Edit")."""
        if user == ADMIN:
            return "full" if permission else "none"
        self._look_again()
        known = self._levels.get((user, permission))
        if known is None:
            if len(self._levels) > _MOST_REMEMBERED:
                self._levels.clear()
            permitted = self._permitted_to(user)
            known = self._levels[user, permission] = highest(level_in(one, permission) for one in permitted)
        return known

    def may(self, user: str, permission: str, *, write: bool = False) -> bool:
        """Whether the user may read it, or with `write` change it."""
        level = self.level(user, permission)
        return level == "full" or (level == "ro" and not write)

    def permitted(self, user: str) -> tuple[Mapping[str, Level], ...]:
        """What each of the user's groups says."""
        if user == ADMIN:
            return ({ALL: "full"},)
        self._look_again()
        return self._permitted_to(user)

    def permits(self, group: str) -> Mapping[str, Level]:
        """What a group says; nothing where there is no such group."""
        found = self._snapshot().get(USER_GROUP.path, group, UserGroup)
        return {row.name: row.access_level for row in found.basic.permissions} if found is not None else {}

    def lacks(self, user: str, permitted: Iterable[Mapping[str, Level]]) -> str:
        """A permission of which that gives more than the user has; "" where nobody would get what the user has not."""
        held = tuple(permitted)
        named = {name for one in held for name in one}
        for name in (ALL, *sorted({*PERMISSIONS, *named})):
            given = highest(level_in(one, name) for one in held)
            if LEVELS.index(given) > LEVELS.index(self.level(user, name)):
                return name
        return ""

    def idle_seconds(self, user: str) -> float:
        """How long a session of the user may lie idle: what the strictest of the user's groups says."""
        limits = [group.basic.timeout for group in self._groups_of(user) if group.basic.timeout]
        return min(limits) * _MINUTE if limits else float("inf")

    def password_expires(self, user: str) -> float | None:
        """When the user must have another password, in Unix seconds; None where passwords last."""
        account = self._users.accounts.get(user)
        lasting = [
            group.basic.password_expire_time
            for group in self._groups_of(user)
            if group.basic.password_expire_time
        ]
        return None if account is None or not lasting else float(account.changed + min(lasting) * _DAY)

    def password_expired(self, user: str, now: float) -> bool:
        """Whether the user's password is older than the groups let it become."""
        expires = self.password_expires(user)
        return expires is not None and expires <= now

    def must_enrol(self, user: str) -> bool:
        """Whether a group of the user's requires a second factor, which the user does not have."""
        account = self._users.accounts.get(user)
        return account is not None and not account.factor.secret and self.requires_factor(user) != "nothing"

    def requires_factor(self, user: str) -> str:
        """For what the strictest of the user's groups requires a second factor: "nothing", "pages" or "everything"."""
        required = {group.second_factor.required_for for group in self._groups_of(user)}
        return next((one for one in ("everything", "pages") if one in required), "nothing")

    def _groups_of(self, user: str) -> list[UserGroup]:
        snapshot = self._snapshot()
        found = (snapshot.get(USER_GROUP.path, name, UserGroup) for name in self.groups(user))
        return [group for group in found if group is not None]

    def _permitted_to(self, user: str) -> tuple[Mapping[str, Level], ...]:
        known = self._permitted.get(user)
        if known is None:
            known = self._permitted[user] = tuple(
                {row.name: row.access_level for row in group.basic.permissions}
                for group in self._groups_of(user)
            )
        return known

    def _look_again(self) -> None:
        """Forgets answers when groups or users have changed; both are other objects then."""
        present = (self._snapshot(), self._users.accounts)
        if self._seen[0] is not present[0] or self._seen[1] is not present[1]:
            self._seen = present
            self._permitted.clear()
            self._levels.clear()
