"""Who may log in: checks passwords for every surface, and sets them.

Invariant: a wrong password, an unknown user and a waiting time look the same to the caller but for the
waiting time, which depends on the source's own failures only; a password that was changed is never accepted
again, from the cache neither.
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
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from pointsman.identity.lockout import Lockout
from pointsman.identity.password import (
    PASSWORD_LIMIT,
    PasswordFile,
    generate_password,
)
from pointsman.identity.session import Sessions
from pointsman.private_file import sync, write_private
from pointsman.schema.event import Event, Severity

ADMIN = "admin"
CACHE_SECONDS = 120.0
SHORTEST_PASSWORD = 8
USER_NAME_LIMIT = 255


class Outcome(enum.Enum):
    """How a login went."""

    RIGHT = "right"
    WRONG = "wrong"
    WAIT = "wait"
    """Not checked: too many failures from there; try again later."""


@dataclass(frozen=True)
class Login:
    """The answer to user name and password; `wait_seconds` is set for `Outcome.WAIT`."""

    outcome: Outcome
    user: str
    wait_seconds: float = 0.0


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

    Shared by REST and UI: `HOME/identity/users.json` holds the hashes, `HOME/admin-password` a generated
    password until it is changed.
    """

    def __init__(
        self,
        home: Path,
        passwords: PasswordFile,
        *,
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lockout = Lockout(clock)
        self.cache_seconds = CACHE_SECONDS
        """How long a right password is believed without hashing it again (`rest_api!auth_timeout`)."""
        self._home = home
        self._passwords = passwords
        self._on_event = on_event
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._cache: dict[bytes, tuple[str, float]] = {}
        self._checks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._changes = 0
        self.sessions = Sessions(clock=clock)
        """The browsers that are logged in; a user's end when the password changes."""
        self.share: Callable[[str, str], Awaitable[None]] | None = None
        """Stores a user's new hash for all members of the cluster, before it counts here; raises `OSError`."""

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
        passwords = await asyncio.to_thread(PasswordFile.read, path)
        first = FirstPassword(ignored=given is not None)
        if passwords is None:
            if given is not None and not 0 < len(given) <= PASSWORD_LIMIT:
                raise PasswordRefused(
                    f"the given password must have 1 to {PASSWORD_LIMIT} characters; give another"
                )
            passwords = PasswordFile(path, {})
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
            await passwords.set(ADMIN, password)
        return cls(home, passwords, on_event=on_event, clock=clock), first

    async def verify(self, user: str, password: str, source: str, surface: str) -> Login:
        """Checks a login from address `source` at `surface` ("REST", "UI").

        A failure becomes an audit event here; success is the surface's to report, which knows what a login is
        there.
        """
        digest = self._digest(user, password)
        # Requests at the same moment with the same credentials share one computation.
        check = self._checks.setdefault(digest, asyncio.Lock())
        async with check:
            known = self._cache.get(digest)
            if known is not None and self._clock() < known[1]:
                return Login(Outcome.RIGHT, user)
            wait = self.lockout.begin(user, source)
            if wait:
                return Login(Outcome.WAIT, user, wait)
            right: bool | None = None
            try:
                changes = -1
                while changes != self._changes:
                    changes = self._changes
                    right = await self._passwords.verify(user, password)
            finally:
                self.lockout.end(user, source, right=right)
            if right:
                self._remember(digest, user)
                return Login(Outcome.RIGHT, user)
        self._audit(
            Severity.WARN, f"login refused at {surface} from {source}: wrong user name or password", user
        )
        return Login(Outcome.WRONG, user)

    async def set_password(self, user: str, password: str, *, as_given: bool = False) -> None:
        """Changes a user's password: earlier ones stop working at once and sessions end.

        `as_given` takes weak passwords too, from whoever owns the machine and could set any. Raises `PasswordRefused`
        for an unknown user or an unacceptable password, `OSError`.
        """
        if user not in self._passwords.users:
            raise PasswordRefused(f'there is no user "{user}"; make the user first')
        if as_given and 0 < len(password) <= PASSWORD_LIMIT:
            await self._change(user, password)
            return
        if not SHORTEST_PASSWORD <= len(password) <= PASSWORD_LIMIT:
            raise PasswordRefused(
                f"a password needs {SHORTEST_PASSWORD} to {PASSWORD_LIMIT} characters; choose a longer one"
                if len(password) < SHORTEST_PASSWORD
                else f"a password has {PASSWORD_LIMIT} characters at most; choose a shorter one"
            )
        if user.casefold() in password.casefold() and len(password) < len(user) + SHORTEST_PASSWORD:
            raise PasswordRefused("a password must not be built from the user name; choose another")
        await self._change(user, password)

    @property
    def hashes(self) -> Mapping[str, str]:
        """The hash of each user's password, for backups and for the other members of the cluster."""
        return self._passwords.hashes

    async def restore(self, hashes: Mapping[str, str]) -> tuple[str, ...]:
        """Gives users the passwords of a backup, by their hashes; who has another one then. Their sessions end.

        Raises `PasswordRefused` for a hash that is not taken, `OSError`.
        """
        others = {
            user: hashed for user, hashed in hashes.items() if self._passwords.hashes.get(user) != hashed
        }
        try:
            await self._passwords.replace(others)
        except ValueError as error:
            raise PasswordRefused(f"{error}; restore without users") from None
        for user, hashed in others.items():
            self._forget(user)
            await self._shared(user, hashed)
        return tuple(sorted(others))

    async def adopt(self, hashes: Mapping[str, str]) -> None:
        """Makes the users those of the cluster: passwords that were changed elsewhere count from now on.

        Raises `OSError`.
        """
        for user in await self._passwords.adopt(hashes):
            self._forget(user)
            self._audit(Severity.INFO, "password changed in the cluster", user)

    async def _change(self, user: str, password: str) -> None:
        if self.share is not None:
            hashed = await self._passwords.hash(password)
            await self._shared(user, hashed)
            await self._passwords.adopt({**self._passwords.hashes, user: hashed})
        else:
            await self._passwords.set(user, password)
        self._forget(user)
        self._audit(Severity.INFO, "password changed", user)

    async def _shared(self, user: str, hashed: str) -> None:
        if self.share is not None:
            await self.share(user, hashed)

    def _forget(self, user: str) -> None:
        """Ends what the former password of a user still opens."""
        self._changes += 1
        self._cache = {digest: entry for digest, entry in self._cache.items() if entry[0] != user}
        if user == ADMIN:
            with contextlib.suppress(FileNotFoundError):
                (self._home / "admin-password").unlink()
                sync(self._home)
        self.sessions.end_user(user)

    def _remember(self, digest: bytes, user: str) -> None:
        now = self._clock()
        self._cache = {known: entry for known, entry in self._cache.items() if entry[1] > now}
        self._cache[digest] = (user, now + self.cache_seconds)

    def _digest(self, user: str, password: str) -> bytes:
        name = user.encode("utf-8", "surrogatepass")
        message = struct.pack(">Q", len(name)) + name + password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")

    def _audit(self, severity: Severity, reason: str, user: str) -> None:
        author = "".join(
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in user[:USER_NAME_LIMIT]
        )
        self._on_event(Event("general", "audit", severity, None, reason, author=author))
