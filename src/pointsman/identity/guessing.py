"""What stands between who guesses and the passwords: waiting times, attempts that are held back, suspensions.

Invariant: what an administrator's settings ask for comes on top of the waiting times of `lockout`, which always hold; a
suspension begins exactly with the failure that reaches the limit, however many attempts run at that moment; memory is
bounded whatever is tried.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from pointsman.identity.lockout import ENTRY_LIMIT, Lockout, place_of

LONGEST_HOLD_SECONDS = 10.0
"""An attempt is held back for this long at most; who would have to wait longer is told to come again."""
_LONGEST_NAME = 255


@dataclass(frozen=True)
class LoginRules:
    """What an administrator asks for (section `security` of the global settings, but for the first).

    `believed_seconds` is how long a right password is believed without hashing it again (`rest_api.auth_timeout`),
    `delay_seconds` how long after a failure the next attempt is held back, `attempts` how many failures in a row
    suspend a user for `suspension_seconds` (0: none do), `track_unknown` whether names that nobody has are counted too.
    """

    believed_seconds: float = 120.0
    delay_seconds: float = 0.0
    attempts: int = 0
    suspension_seconds: float = 900.0
    track_unknown: bool = False


@dataclass
class Attempt:
    """One attempt to log in. `wait_seconds` is set where it must not be made now.

    Who checks it sets `right`, which stays None where that was never decided. `suspended` says afterwards that this
    failure was the one that suspended the user.
    """

    wait_seconds: float = 0.0
    right: bool | None = None
    suspended: bool = False


@dataclass
class _Failures:
    count: int = 0
    until: float = 0.0


class Guessing:
    """Counts failed logins; shared by every surface that takes a password."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        by_source: frozenset[str] = frozenset(),
    ) -> None:
        """`by_source` are the users whom nobody can keep out from elsewhere: they are suspended for an address."""
        self.rules: Callable[[], LoginRules] = LoginRules
        """What is asked for at this moment."""
        self.lockout = Lockout(clock, lambda: self.rules().delay_seconds)
        self._clock = clock
        self._by_source = by_source
        self._users: dict[str, _Failures] = {}
        self._others: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._users) + len(self._others)

    @asynccontextmanager
    async def attempt(self, user: str, source: str, *, known: bool) -> AsyncIterator[Attempt]:
        """Begins an attempt, once it may be made, and counts how it went; `known` says that there is such a user."""
        attempt = Attempt(self.lockout.begin(user, source))
        if attempt.wait_seconds:
            yield attempt
            return
        try:
            if self.rules().delay_seconds:
                # One after the other: each failure holds the next attempt back.
                turn = self._turns.setdefault((user, place_of(source)), asyncio.Lock())
                async with turn:
                    held = self.lockout.held(user, source)
                    if held > LONGEST_HOLD_SECONDS:
                        attempt.wait_seconds = held
                    else:
                        await asyncio.sleep(held)
                    yield attempt
                    self._count(user, source, attempt, known=known)
            else:
                yield attempt
                self._count(user, source, attempt, known=known)
        finally:
            self.lockout.end(user, source, right=attempt.right)

    def suspended(self, user: str, source: str) -> float:
        """For how many seconds more a user is suspended there, 0.0 where that is not so."""
        failures = self._users.get(user) or self._others.get(self._key(user, source))
        return max(0.0, failures.until - self._clock()) if failures is not None else 0.0

    def suspension(self, user: str) -> float:
        """For how many seconds more a user is suspended everywhere."""
        return 0.0 if user in self._by_source else self.suspended(user, "")

    def lift(self, user: str) -> None:
        """Ends a user's suspension, and forgets the failures."""
        self._users.pop(user, None)
        for key in [key for key in self._others if key[0] == user]:
            del self._others[key]

    def _count(self, user: str, source: str, attempt: Attempt, *, known: bool) -> None:
        rules = self.rules()
        if attempt.right is None or self.suspended(user, source):
            return
        if attempt.right:
            self._users.pop(user, None)
            self._others.pop(self._key(user, source), None)
            return
        if not rules.attempts or not (known or rules.track_unknown):
            return
        failures = self._failures(user, source, known=known)
        failures.count += 1
        if failures.count >= rules.attempts:
            failures.count, failures.until = 0, self._clock() + rules.suspension_seconds
            attempt.suspended = True

    def _failures(self, user: str, source: str, *, known: bool) -> _Failures:
        # Apart from the others, so that many invented names push nobody's suspension out.
        if known and user not in self._by_source:
            return self._users.setdefault(user, _Failures())
        key = self._key(user, source)
        failures = self._others.setdefault(key, _Failures())
        self._others.move_to_end(key)
        while len(self._others) > ENTRY_LIMIT:
            self._others.popitem(last=False)
        return failures

    def _key(self, user: str, source: str) -> tuple[str, str]:
        return user[:_LONGEST_NAME], place_of(source) if user in self._by_source else ""
