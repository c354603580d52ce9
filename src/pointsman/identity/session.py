"""Sessions of people at the browser, and the tokens that tie a form to them.

Invariant: a token is 256 random bits known to the browser alone; this side keeps its SHA-256. A session ends
when idle too long, too old, logged out, or when its user's password changes; logging in always makes a new
one. Sessions live in memory: a restart of the control plane asks everybody to log in again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE_SECONDS = 1800.0
ABSOLUTE_SECONDS = 12 * 3600.0
SESSION_LIMIT = 1_000
PER_USER_LIMIT = 100
FORM_SECONDS = 3600


@dataclass
class Session:
    """One logged-in browser. `csrf` is the token its forms must send back."""

    user: str
    source: str
    csrf: str
    started: float
    used: float


class Sessions:
    """The sessions of one instance; times are seconds of `clock`."""

    def __init__(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        absolute_seconds: float = ABSOLUTE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.idle_seconds = idle_seconds
        self.absolute_seconds = absolute_seconds
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: str, source: str) -> tuple[str, Session]:
        """A new session and its token for the cookie; the user's oldest session beyond the limit ends."""
        now = self._clock()
        self._expire(now)
        mine = [key for key, session in self._sessions.items() if session.user == user]
        for oldest in mine[: max(0, len(mine) - PER_USER_LIMIT + 1)]:
            del self._sessions[oldest]
        while len(self._sessions) >= SESSION_LIMIT:
            self._sessions.popitem(last=False)
        token = secrets.token_urlsafe(32)
        session = Session(user, source, secrets.token_urlsafe(32), now, now)
        self._sessions[_hash(token)] = session
        return token, session

    def find(self, token: str, *, touch: bool = True) -> Session | None:
        """The session of a cookie's token, or None; `touch` counts as use (a polling page must not)."""
        key = _hash(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        now = self._clock()
        if self._ended(session, now):
            del self._sessions[key]
            return None
        if touch:
            session.used = now
            self._sessions.move_to_end(key)
        return session

    def end(self, token: str) -> None:
        """Ends one session, if it exists."""
        self._sessions.pop(_hash(token), None)

    def end_user(self, user: str) -> None:
        """Ends every session of a user."""
        for key in [key for key, session in self._sessions.items() if session.user == user]:
            del self._sessions[key]

    def form_token(self) -> str:
        """A token for the login form, before there is a session: signed, valid for an hour, not stored."""
        text = f"{int(self._clock()) + FORM_SECONDS}.{secrets.token_urlsafe(16)}"
        return f"{text}.{self._sign(text)}"

    def accepts_form(self, token: str) -> bool:
        """Whether a login form's token was made here and has not expired."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode("utf-8", "replace")):
            return False
        return int(text.partition(".")[0]) >= self._clock()

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), "sha256").hexdigest()

    def _ended(self, session: Session, now: float) -> bool:
        return now - session.used > self.idle_seconds or now - session.started > self.absolute_seconds

    def _expire(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if self._ended(session, now)]:
            del self._sessions[key]


def same_token(expected: str, sent: str) -> bool:
    """Compares tokens in constant time."""
    return hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace"))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
