"""Who may log in: checks passwords for every surface, and sets them.

Invariant: a wrong password, an unknown user, a suspended one and a waiting time look the same to the caller but for the
waiting time, which depends on the source's own failures only, unless names that nobody has are tracked as well; a
password that was changed is never accepted again, from the cache neither; a code is accepted once, at whichever member
that heard of it. The administrator exists, and is not suspended.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import hmac
import secrets
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

from pointsman.identity.account import Account, account_of, differs
from pointsman.identity.guessing import Attempt, Guessing
from pointsman.identity.password import PASSWORD_LIMIT, generate_password
from pointsman.identity.password_rules import (
    DAY_SECONDS,
    NO_MORE,
    Rules,
    is_weak,
    reused,
    too_often,
    why_refused,
)
from pointsman.identity.session import Session, Sessions
from pointsman.identity.totp import digest_of, step_of, without
from pointsman.identity.user_file import UserFile
from pointsman.private_file import sync, write_private
from pointsman.schema.event import Event, Severity

ADMIN = "admin"
PAGE = "UI"
"""The surface of people, who can give a code; others have the password alone."""
USER_NAME_LIMIT = 255


class Outcome(enum.Enum):
    """How a login went."""

    RIGHT = "right"
    WRONG = "wrong"
    WAIT = "wait"
    """Not checked: too many failures from there; try again later."""


@dataclass(frozen=True)
class Login:
    """The answer to user name and password; `wait_seconds` is set for `Outcome.WAIT`, and where a user is suspended for
    a while, which is only told to who is known to be that user.

    `needs_code` says that the second factor is still to come, `weak` that the password is one that is guessed first.
    """

    outcome: Outcome
    user: str
    wait_seconds: float = 0.0
    needs_code: bool = False
    weak: bool = False


@dataclass(frozen=True)
class FirstPassword:
    """How the administrator's first password came about.

    `generated` is the password made at this start, "" otherwise; `ignored` says that one was given but the
    instance has one already.
    """

    generated: str = ""
    ignored: bool = False


class PasswordRefused(Exception):
    """The new password is not acceptable; the text says why."""


class Users:
    """The users of one instance.

    Shared by REST and UI: `HOME/identity/users.json` holds the accounts, `HOME/admin-password` a generated
    password until it is changed.
    """

    def __init__(
        self,
        home: Path,
        file: UserFile,
        *,
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.guessing = Guessing(clock, by_source=frozenset({ADMIN}))
        self.strict: Callable[[str], bool] = lambda user: False
        """Whether a user must not log in with the password alone anywhere, also who let programs do that."""
        self._home = home
        self._file = file
        self._on_event = on_event
        self._clock = clock
        self._wall_clock = wall_clock
        self._key = secrets.token_bytes(32)
        self._cache: dict[bytes, tuple[str, float, bool]] = {}
        self._checks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._changes = 0
        self._changing = asyncio.Lock()
        self._keeping: tuple[str, Session | None] = ("", None)
        self._used_steps: dict[str, int] = {}
        self.sessions = Sessions(clock=clock)
        """The browsers that are logged in; a user's end when the password changes."""
        self.claim: Callable[[str, int], Awaitable[bool]] | None = None
        """Tells the other members of the cluster that a user's code of a time step is used now; whether it was used at
        none of them.
        """
        self.share: Callable[[str, Account | None], Awaitable[None]] | None = None
        """Stores a user's new account (None: deletes it) for all members of the cluster, before it counts here; raises
        `OSError`.
        """

    @classmethod
    async def open(
        cls,
        home: Path,
        *,
        on_event: Callable[[Event], None],
        given: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> tuple[Users, FirstPassword]:
        """The users of `home`; at the first start `admin` gets the `given` password or a generated one.

        Raises `UsersFileError` for a damaged file, `PasswordRefused` for an empty password, `OSError`.
        """
        path = home / "identity" / "users.json"
        file = await asyncio.to_thread(UserFile.read, path)
        first = FirstPassword(ignored=given is not None)
        if file is None:
            if given is not None and not 0 < len(given) <= PASSWORD_LIMIT:
                raise PasswordRefused(
                    f"the given password must have 1 to {PASSWORD_LIMIT} characters; give another"
                )
            file = UserFile(path, {})
            password = given
            if password is None:
                password = generate_password()
                # Written first: after a crash in between, the next start generates another.
                content = f"{password}\n".encode()
                await asyncio.to_thread(write_private, home / "admin-password", content)
                first = FirstPassword(generated=password)
            else:
                first = FirstPassword()
                (home / "admin-password").unlink(missing_ok=True)
            await file.set(ADMIN, password)
        return cls(home, file, on_event=on_event, clock=clock), first

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Every user."""
        return self._file.accounts

    @property
    def texts(self) -> Mapping[str, str]:
        """Every user's account as a text that is a secret, for backups."""
        return {user: account.text for user, account in self.accounts.items()}

    async def verify(self, user: str, password: str, source: str, surface: str) -> Login:
        """Checks a login from address `source` at `surface` ("REST", "UI").

        A failure becomes an audit event here; success is the surface's to report, which knows what a login is
        there. Who has a second factor is right only once `verify_code` says so, too.
        """
        digest = self._digest(user, password)
        # Requests at the same moment with the same credentials share one computation.
        check = self._checks.setdefault(digest, asyncio.Lock())
        async with check:
            known = self._cache.get(digest)
            fresh = known is not None and self._clock() < known[1]
            if known is not None and fresh and not self._obstacle(user, source, surface):
                return Login(Outcome.RIGHT, user, needs_code=self._needs_code(user), weak=known[2])
            async with self.guessing.attempt(user, source, known=user in self.accounts) as attempt:
                if attempt.wait_seconds:
                    return Login(Outcome.WAIT, user, attempt.wait_seconds)
                changes, right = -1, False
                while changes != self._changes:
                    changes = self._changes
                    right = await self._file.verify(user, password)
                cause = "wrong user name or password"
                if right and (obstacle := self._obstacle(user, source, surface)):
                    right, cause = False, obstacle
                # With a code to come it is neither a failure nor the end of failures.
                attempt.right = None if right and surface == PAGE and self._needs_code(user) else right
            if right:
                weak = is_weak(user, password)
                self._remember(digest, user, weak)
                return Login(Outcome.RIGHT, user, needs_code=self._needs_code(user), weak=weak)
        return self._refuse(user, source, surface, cause, attempt)

    def _refuse(self, user: str, source: str, surface: str, cause: str, attempt: Attempt) -> Login:
        self._audit(Severity.WARN, f"login refused at {surface} from {source}: {cause}", user)
        rules, left = self.guessing.rules(), self.guessing.suspended(user, source)
        if attempt.suspended:
            where = f" from {source}" if user == ADMIN else ""
            lasting = f"for {rules.suspension_seconds / 60:g} minutes after {rules.attempts} failed logins"
            self._audit(Severity.WARN, f"suspended{where} {lasting}", user)
        # Told only where it does not tell who exists: names that nobody has are suspended as well then.
        return Login(Outcome.WAIT if left and rules.track_unknown else Outcome.WRONG, user, left)

    def _obstacle(self, user: str, source: str, surface: str) -> str:
        """Why the right password does not let a user in there; "" when it does."""
        account = self.accounts.get(user)
        if account is None:
            return ""
        if account.suspended:
            return "the user is suspended"
        if self.guessing.suspended(user, source):
            return "the user is suspended for a while"
        if surface == PAGE or not account.factor.secret:
            return ""
        if not account.factor.api_without_code or self.strict(user):
            return "the user has a second factor, which cannot be given there"
        return ""

    async def verify_code(self, user: str, code: str, source: str, surface: str) -> Login:
        """Checks the second factor of somebody whose password was right: a code of the moment, or a recovery code.

        Failures count as those of passwords do. Raises `OSError` when the use of a recovery code cannot be stored.
        """
        async with self.guessing.attempt(user, source, known=True) as attempt:
            if attempt.wait_seconds:
                return Login(Outcome.WAIT, user, attempt.wait_seconds)
            attempt.right = not self.guessing.suspended(user, source) and await self._take_code(user, code)
        if attempt.right:
            return Login(Outcome.RIGHT, user)
        return self._refuse(user, source, surface, "wrong code", attempt)

    def note_step(self, user: str, step: int) -> bool:
        """Takes note that the code of a time step is used now; whether it was free, as far as is known here."""
        account = self.accounts.get(user)
        used = max(self._used_steps.get(user, 0), account.step if account is not None else 0)
        self._used_steps[user] = max(step, used)
        return step > used

    async def _take_code(self, user: str, code: str) -> bool:
        account = self.accounts.get(user)
        if account is None or not account.factor.secret or account.suspended:
            return False
        step = step_of(account.factor.secret, code, self._wall_clock())
        if step is not None:
            # Noted before anybody is asked: of two members that are given it at once not both can find it free.
            if not self.note_step(user, step) or (self.claim and not await self.claim(user, step)):
                return False
            # A full disk must not keep anybody out who could free it; this member knows of the code all the same.
            with contextlib.suppress(OSError):
                await self.change(user, lambda now: replace(now, step=max(now.step, step)))
            return True
        left: tuple[str, ...] | None = None

        def spend(now: Account) -> Account:
            # Looked for when it is this one's turn: another login may have spent it meanwhile.
            nonlocal left
            left = without(now.factor.recovery, code)
            if left is None:
                return now
            factor = replace(now.factor, recovery=left)
            return replace(now, factor=factor, spent=(*now.spent, digest_of(code)))

        await self.change(user, spend)
        if left is None:
            return False
        self._audit(Severity.WARN, f"used a recovery code; {len(left)} are left", user)
        return True

    def _needs_code(self, user: str) -> bool:
        account = self.accounts.get(user)
        return account is not None and bool(account.factor.secret)

    async def set_password(
        self,
        user: str,
        password: str,
        *,
        as_given: bool = False,
        rules: Rules = NO_MORE,
        by: str = "",
        keep: Session | None = None,
    ) -> None:
        """Changes a user's password: earlier ones stop working at once and sessions end, but the one to `keep`.

        `as_given` takes weak passwords too, from whoever owns the machine and could set any; `by` is who did it, where
        that is not the user. Raises `PasswordRefused` for an unknown user or an unacceptable password, `OSError`.
        """
        if user not in self.accounts:
            raise PasswordRefused(f'there is no user "{user}"; make the user first')
        self._check(user, password, rules, as_given=as_given)
        if not as_given and await self._file.was_used(user, password, rules.reuse_after):
            raise PasswordRefused(reused(rules))
        hashed, now = await self._file.hash(password), int(self._wall_clock())
        own = by == user and not as_given

        def changed(account: Account) -> Account:
            today = tuple(at for at in account.own_changes if at > now - DAY_SECONDS)
            if own and rules.changes_per_day and len(today) >= rules.changes_per_day:
                raise PasswordRefused(too_often(rules, min(today) + DAY_SECONDS - now))
            return replace(
                account,
                password=hashed,
                changed=now,
                former=(account.password, *account.former)[: max(0, rules.reuse_after - 1)],
                own_changes=(*today, now) if own and rules.changes_per_day else today,
            )

        await self.change(user, changed, keep=keep)
        self._audit(
            Severity.INFO,
            "password changed" if by in ("", user) else f"password of {user} changed",
            by or user,
        )

    async def create(
        self,
        user: str,
        password: str,
        groups: tuple[str, ...],
        rules: Rules = NO_MORE,
        *,
        as_given: bool = False,
    ) -> None:
        """Makes a user, whose name must be free; `as_given` takes weak passwords too. Raises `PasswordRefused`,
        `OSError`.
        """
        self._check(user, password, rules, as_given=as_given)
        hashed, now = await self._file.hash(password), int(self._wall_clock())
        async with self._changing:
            if user in self.accounts:
                raise PasswordRefused(f'there is a user "{user}" already; choose another name')
            await self._put(user, Account(hashed, groups, changed=now))

    @staticmethod
    def _check(user: str, password: str, rules: Rules, *, as_given: bool) -> None:
        if as_given and 0 < len(password) <= PASSWORD_LIMIT:
            return
        if why := why_refused(user, password, rules):
            raise PasswordRefused(why)

    async def change(
        self, user: str, how: Callable[[Account], Account], *, keep: Session | None = None
    ) -> None:
        """Changes a user's account; sessions end, but the one to `keep`, where that makes a difference to them.

        Raises `PasswordRefused` when there is no such user, `OSError`.
        """
        async with self._changing:
            known = self.accounts.get(user)
            if known is None:
                raise PasswordRefused(f'there is no user "{user}"; make the user first')
            account = how(known)
            if account == known:
                return
            self._keeping = (user, keep)
            try:
                await self._put(user, account)
                if differs(known, account):
                    self._forget(user, another=known.password != account.password)
            finally:
                self._keeping = ("", None)

    async def remove(self, user: str) -> None:
        """Deletes a user, whose sessions end; never the administrator. Raises `PasswordRefused`, `OSError`."""
        if user == ADMIN:
            raise PasswordRefused(f"{ADMIN} cannot be deleted")
        async with self._changing:
            if user not in self.accounts:
                raise PasswordRefused(f'there is no user "{user}"')
            if self.share is not None:
                await self.share(user, None)
            await self._file.remove(user)
            self._forget(user)

    async def restore(self, texts: Mapping[str, str]) -> tuple[str, ...]:
        """Makes users what they were in a backup, by the texts of their accounts; who is another one then. Their
        sessions end, and users that the backup does not have stay.

        Raises `PasswordRefused` for a text that is not taken, `OSError`.
        """
        try:
            accounts = {user: _sane(user, account_of(text)) for user, text in texts.items()}
        except (ValueError, RecursionError):
            raise PasswordRefused(
                "a user is stored in a form that is not taken; restore without users"
            ) from None
        others = {user: account for user, account in accounts.items() if self.accounts.get(user) != account}
        async with self._changing:
            try:
                await self._file.replace(others)
            except ValueError as error:
                raise PasswordRefused(f"{error}; restore without users") from None
            for user, account in others.items():
                self._forget(user)
                if self.share is not None:
                    await self.share(user, account)
        return tuple(sorted(others))

    async def adopt(self, accounts: Mapping[str, Account]) -> None:
        """Makes the users those of the cluster: what was changed elsewhere counts from now on. Raises `OSError`."""
        wanted = {user: _sane(user, account) for user, account in accounts.items()}
        for user, before in (await self._file.adopt(wanted)).items():
            after = wanted.get(user)
            if not differs(before, after):
                continue
            self._forget(user, another=before is None or after is None or before.password != after.password)
            what = "user deleted" if after is None else "user made" if before is None else "user changed"
            if before is not None and after is not None and before.password != after.password:
                what = "password changed"
            self._audit(Severity.INFO, f"{what} in the cluster", user)

    async def _put(self, user: str, account: Account) -> None:
        account = _sane(user, account)
        if self.share is not None:
            await self.share(user, account)
            await self._file.adopt({**self.accounts, user: account})
        else:
            await self._file.replace({user: account})

    def _forget(self, user: str, *, another: bool = True) -> None:
        """Ends what the former account of a user still opens; `another` says that the password is another one."""
        self._changes += 1
        if another:
            self.guessing.lift(user)
        self._cache = {digest: entry for digest, entry in self._cache.items() if entry[0] != user}
        if user == ADMIN and another:
            with contextlib.suppress(FileNotFoundError):
                (self._home / "admin-password").unlink()
                sync(self._home)
        whose, kept = self._keeping
        self.sessions.end_user(user, kept if whose == user else None)

    def _remember(self, digest: bytes, user: str, weak: bool) -> None:
        now = self._clock()
        self._cache = {known: entry for known, entry in self._cache.items() if entry[1] > now}
        self._cache[digest] = (user, now + self.guessing.rules().believed_seconds, weak)

    def _digest(self, user: str, password: str) -> bytes:
        name = user.encode("utf-8", "surrogatepass")
        message = struct.pack(">Q", len(name)) + name + password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")

    def _audit(self, severity: Severity, reason: str, user: str) -> None:
        author = "".join(
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in user[:USER_NAME_LIMIT]
        )
        self._on_event(Event("general", "audit", severity, None, reason, author=author))


def _sane(user: str, account: Account) -> Account:
    """An account as it may be: nothing locks the administrator out, and groups are in one order everywhere."""
    groups = tuple(sorted(set(account.groups)))
    return replace(account, groups=groups, suspended=account.suspended and user != ADMIN)
