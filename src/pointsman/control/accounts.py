"""What is done with users: making them, their groups, passwords and second factors, suspending and deleting them.

Invariant: the administrator stays, and stays able to log in; every act leaves an event that says who did it, and
whatever takes something from a user ends the user's sessions.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from pointsman.control.control import Control
from pointsman.control.error import CannotStore, ControlError
from pointsman.identity.account import GROUP_LIMIT, PREFERENCES_LIMIT, Account, Factor
from pointsman.identity.password_rules import Rules
from pointsman.identity.session import Session
from pointsman.identity.totp import digest_of, is_secret, new_recovery_codes, step_of
from pointsman.identity.user import ADMIN, USER_NAME_LIMIT, PasswordRefused, Users
from pointsman.schema.event import Event, Severity
from pointsman.schema.global_settings import GLOBAL_SETTINGS, GlobalSettings
from pointsman.schema.permission import ADMIN_GROUP
from pointsman.schema.user_group import USER_GROUP
from pointsman.store import Author

USER_LIMIT = 10_000


class Refused(ControlError):
    """Why something is not done with a user."""


@dataclass(frozen=True)
class Enrolled:
    """A second factor that was set up: its recovery codes, which are shown once."""

    recovery: tuple[str, ...]


class Accounts:
    """The use cases."""

    def __init__(self, control: Control, users: Users, clock: Callable[[], float] = time.time) -> None:
        self._control = control
        self._users = users
        self._clock = clock

    @property
    def rules(self) -> Rules:
        """What the global settings ask of new passwords."""
        settings = self._control.snapshot.get(GLOBAL_SETTINGS.path, "", GlobalSettings)
        if settings is None:
            return Rules()
        asked = settings.security
        return Rules(
            min_length=asked.password_min_length,
            min_alpha=asked.password_min_alpha_chars,
            min_upper=asked.password_min_uppercase_chars,
            min_numeric=asked.password_min_numeric_chars,
            min_special=asked.password_min_special_chars,
            consecutive=asked.password_allow_consecutive_chars,
            reuse_after=asked.password_reuse_after,
            changes_per_day=asked.password_changes_per_day,
        )

    async def create(
        self, actor: Author, user: str, password: str, groups: Sequence[str], *, as_given: bool = False
    ) -> None:
        """Makes a user. Raises `Refused`, `CannotStore`."""
        name = user.strip()
        if complaint := self._misnamed(name):
            raise Refused(complaint)
        if len(self._users.accounts) >= USER_LIMIT:
            raise Refused(f"there are {USER_LIMIT} users already; delete some")
        chosen = self._groups(groups)
        await self._act(self._users.create(name, password, chosen, self.rules, as_given=as_given))
        self._tell(actor, f"user {name} made, in {_listed(chosen)}")

    async def set_groups(self, actor: Author, user: str, groups: Sequence[str]) -> None:
        """Puts a user into exactly these groups. Raises `Refused`, `CannotStore`."""
        self._require(user)
        if user == ADMIN:
            raise Refused(f"{ADMIN} is in the group {ADMIN_GROUP} and stays there; make another user")
        chosen = self._groups(groups)
        await self._act(self._users.change(user, lambda account: replace(account, groups=chosen)))
        self._tell(actor, f"user {user} is in {_listed(chosen)} now")

    async def suspend(self, actor: Author, user: str, *, suspended: bool) -> None:
        """Keeps a user from logging in, or lets the user in again. Raises `Refused`, `CannotStore`."""
        self._require(user)
        if suspended and user == ADMIN:
            raise Refused(f"{ADMIN} cannot be suspended; somebody must be able to log in")
        if suspended and user == actor.name:
            raise Refused("you cannot suspend yourself; ask another administrator")
        await self._act(self._users.change(user, lambda account: replace(account, suspended=suspended)))
        if not suspended:
            self._users.guessing.lift(user)
        self._tell(actor, f"user {user} {'suspended' if suspended else 'may log in again'}")

    async def set_password(
        self, actor: Author, user: str, password: str, *, as_given: bool = False, keep: Session | None = None
    ) -> None:
        """Gives a user another password; the user's sessions end, but the one to `keep`. Raises `Refused`,
        `CannotStore`.
        """
        self._require(user)
        await self._act(
            self._users.set_password(
                user, password, as_given=as_given, rules=self.rules, by=actor.name, keep=keep
            )
        )

    async def remove(self, actor: Author, user: str) -> None:
        """Deletes a user. Raises `Refused`, `CannotStore`."""
        self._require(user)
        if user == ADMIN:
            raise Refused(f"{ADMIN} cannot be deleted; somebody must be able to log in")
        if user == actor.name:
            raise Refused("you cannot delete yourself; ask another administrator")
        await self._act(self._users.remove(user))
        self._tell(actor, f"user {user} deleted")

    async def enrol(
        self, actor: Author, secret: str, code: str, *, api_without_code: bool, keep: Session | None = None
    ) -> Enrolled:
        """Gives the actor a second factor, once a code shows that an app has its secret. Raises `Refused`,
        `CannotStore`.
        """
        self._require(actor.name)
        if not is_secret(secret):
            raise Refused("the set-up was open for too long; begin again")
        step = step_of(secret, code, self._clock())
        if step is None:
            raise Refused(
                "the code does not fit; see that the clock of the device is right, and type the one it shows now"
            )
        codes = new_recovery_codes()
        factor = Factor(secret, tuple(map(digest_of, codes)), api_without_code)
        await self._act(
            self._users.change(
                actor.name, lambda account: replace(account, factor=factor, step=step, spent=()), keep=keep
            )
        )
        self._tell(actor, "second factor set up")
        return Enrolled(codes)

    async def remove_factor(self, actor: Author, user: str, *, keep: Session | None = None) -> None:
        """Takes a user's second factor away. Raises `Refused`, `CannotStore`."""
        self._require(user)
        if not self._users.accounts[user].factor.secret:
            raise Refused(f"{user} has no second factor")
        await self._act(
            self._users.change(user, lambda account: replace(account, factor=Factor(), spent=()), keep=keep)
        )
        self._tell(
            actor, "second factor removed" if user == actor.name else f"second factor of {user} removed"
        )

    async def prefer(self, user: str, key: str, value: str) -> None:
        """Keeps what a user chose for pages; "" forgets it. Raises `Refused`, `CannotStore`."""
        self._require(user)

        def chosen(account: Account) -> Account:
            wanted = {known: held for known, held in {**account.preferences, key: value}.items() if held}
            if value and sum(len(known) + len(held) for known, held in wanted.items()) > PREFERENCES_LIMIT:
                raise Refused("what is kept for this user is more than there is room for; remove something")
            return replace(account, preferences=wanted)

        await self._act(self._users.change(user, chosen))

    def end_session(self, actor: Author, session_id: str) -> Session:
        """Ends one session of anybody. Raises `Refused`."""
        ended = self._users.sessions.end_named(session_id)
        if ended is None:
            raise Refused("there is no such session any more")
        if ended.user != actor.name:
            self._tell(actor, f"session of {ended.user} from {ended.source} ended")
        return ended

    def end_sessions(self, actor: Author, user: str, but: Session | None = None) -> int:
        """Ends every session of a user, `but` one perhaps; how many they were."""
        count = self._users.sessions.end_user(user, but)
        if count:
            self._tell(actor, f"{count} session{'s' if count > 1 else ''} of {user} ended")
        return count

    def in_group(self, group: str) -> tuple[str, ...]:
        """The users of a group, sorted."""
        return in_group(self._users, group)

    def _misnamed(self, name: str) -> str:
        """Why somebody cannot be called that; "" when that is a name."""
        if not 0 < len(name) <= USER_NAME_LIMIT:
            return f"a user name has 1 to {USER_NAME_LIMIT} characters; choose another"
        if not name.isprintable() or ":" in name:
            return "a user name has no colon and only characters that can be seen; choose another"
        if unicodedata.normalize("NFKC", name) != name:
            return "the user name has letters in an unusual form; write it with plain ones"
        if any(known.casefold() == name.casefold() for known in self._users.accounts):
            return f'there is a user "{name}" already, or one that is written alike; choose another name'
        return ""

    def _groups(self, names: Sequence[str]) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(names))
        if len(chosen) > GROUP_LIMIT:
            raise Refused(f"a user can be in {GROUP_LIMIT} groups at most; choose fewer")
        known = self._control.names(USER_GROUP.path)
        for name in chosen:
            if name not in known:
                raise Refused(f'there is no group "{name}"; choose one of the list')
        return chosen

    def _require(self, user: str) -> None:
        if user not in self._users.accounts:
            raise Refused(f'there is no user "{user}"; look at the list of users')

    async def _act(self, act: Awaitable[None]) -> None:
        try:
            await act
        except PasswordRefused as error:
            raise Refused(str(error)) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotStore(
                f"the user could not be stored ({reason}); free space or repair the disk"
            ) from None

    def _tell(self, actor: Author, text: str) -> None:
        where = f" from {actor.address}" if actor.address else ""
        self._control.record(
            Event("general", "audit", Severity.INFO, None, f"{text}{where}", author=actor.name)
        )


def in_group(users: Users, group: str) -> tuple[str, ...]:
    """The users of a group, sorted."""
    return tuple(
        sorted(
            name
            for name, account in users.accounts.items()
            if group in account.groups or (name == ADMIN and group == ADMIN_GROUP)
        )
    )


def _listed(groups: Sequence[str]) -> str:
    return f"the group{'s' if len(groups) > 1 else ''} {', '.join(groups)}" if groups else "no group"
