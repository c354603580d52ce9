"""Sessions of people at the browser, and the tokens that tie a form to them.

Invariant: a token is 256 random bits known to the browser alone; this side keeps its SHA-256. A session ends
when idle too long, too old, logged out, or when its user's password, groups or standing change; logging in always makes
a new one, and for a user with a second factor only once that was given. Sessions live in memory: a restart of the
control plane asks everybody to log in again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

IDLE_SECONDS = 1800.0
ABSOLUTE_SECONDS = 12 * 3600.0
SESSION_LIMIT = 1_000
PER_USER_LIMIT = 100
FORM_SECONDS = 3600
TICKET_SECONDS = 300.0
TICKET_LIMIT = 1_000
TICKET_ATTEMPTS = 5
AGENT_LIMIT = 200


class Notice(NamedTuple):
    """What a page tells first: a mark ("ok", "warn", "error"), a sentence, and where it leads as path and title."""

    mark: str
    text: str
    link: tuple[str, str] | None = None


@dataclass
class Session:
    """One logged-in browser. `csrf` is the token its forms must send back; `notices` are what its next page tells
    first. `id` names it on pages, and opens nothing; `agent` is what the browser calls itself; `since` is Unix time.

    `weak` says that the password it began with is one that is guessed first, `secret` is a second factor that is being
    set up.
    """

    user: str
    source: str
    csrf: str
    started: float
    used: float
    notices: list[Notice] = field(default_factory=list)
    id: str = ""
    agent: str = ""
    since: float = 0.0
    weak: bool = False
    secret: str = field(default="", repr=False)


@dataclass
class _Ticket:
    """Somebody whose password was right and whose second factor is still to come."""

    user: str
    source: str
    weak: bool
    ends: float
    attempts: int = 0


@dataclass(frozen=True)
class Ticket:
    """A ticket as others see it."""

    user: str
    source: str
    weak: bool


class Sessions:
    """The sessions of one instance; times are seconds of `clock`."""

    def __init__(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        absolute_seconds: float = ABSOLUTE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.idle_of: Callable[[str], float] = lambda user: idle_seconds
        """How long a user's sessions may lie idle, in seconds."""
        self.absolute_seconds = absolute_seconds
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._tickets: OrderedDict[bytes, _Ticket] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, user: str, source: str, agent: str = "", *, weak: bool = False) -> tuple[str, Session]:
        """A new session and its token for the cookie; the user's oldest session beyond the limit ends."""
        now = self._clock()
        self._expire(now)
        mine = [key for key, session in self._sessions.items() if session.user == user]
        for oldest in mine[: max(0, len(mine) - PER_USER_LIMIT + 1)]:
            del self._sessions[oldest]
        while len(self._sessions) >= SESSION_LIMIT:
            self._sessions.popitem(last=False)
        token = secrets.token_urlsafe(32)
        session = Session(
            user,
            source,
            secrets.token_urlsafe(32),
            now,
            now,
            id=secrets.token_urlsafe(9),
            agent=agent[:AGENT_LIMIT],
            since=time.time(),
            weak=weak,
        )
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

    def renew(self, session: Session) -> str:
        """A new token for a session, the old one dead; "" where the session has ended."""
        key = next((key for key, held in self._sessions.items() if held is session), None)
        if key is None:
            return ""
        del self._sessions[key]
        token = secrets.token_urlsafe(32)
        self._sessions[_hash(token)] = session
        return token

    def all(self) -> tuple[Session, ...]:
        """Every session that lives, the one that was used last first."""
        self._expire(self._clock())
        return tuple(reversed(self._sessions.values()))

    def idle(self, session: Session) -> float:
        """Seconds since a session was used."""
        return max(0.0, self._clock() - session.used)

    def holds(self, session: Session) -> bool:
        """Whether a session still lives; asking does not count as use."""
        return any(one is session for one in self._sessions.values()) and not self._ended(
            session, self._clock()
        )

    def end(self, token: str) -> None:
        """Ends one session, if it exists."""
        self._sessions.pop(_hash(token), None)

    def end_named(self, name: str) -> Session | None:
        """Ends the session of that id; what it was, None where there is none."""
        key = next((key for key, held in self._sessions.items() if held.id == name), None)
        return self._sessions.pop(key) if key is not None else None

    def end_user(self, user: str, but: Session | None = None) -> int:
        """Ends every session of a user, `but` one perhaps, and who was about to log in; how many they were."""
        ended = [
            key for key, session in self._sessions.items() if session.user == user and session is not but
        ]
        for key in ended:
            del self._sessions[key]
        for key in [key for key, ticket in self._tickets.items() if ticket.user == user]:
            del self._tickets[key]
        return len(ended)

    def begin_ticket(self, user: str, source: str, *, weak: bool = False) -> str:
        """A ticket for somebody whose password was right: it is worth a session together with a second factor."""
        now = self._clock()
        for key in [key for key, ticket in self._tickets.items() if ticket.ends < now]:
            del self._tickets[key]
        while len(self._tickets) >= TICKET_LIMIT:
            self._tickets.popitem(last=False)
        token = secrets.token_urlsafe(32)
        self._tickets[_hash(token)] = _Ticket(user, source, weak, now + TICKET_SECONDS)
        return token

    def ticket(self, token: str, source: str) -> Ticket | None:
        """Whose ticket that is, for one more attempt from the address that got it; None when it is good no more."""
        key = _hash(token)
        held = self._tickets.get(key)
        if held is None or held.source != source:
            return None
        held.attempts += 1
        if held.ends < self._clock() or held.attempts > TICKET_ATTEMPTS:
            del self._tickets[key]
            return None
        return Ticket(held.user, held.source, held.weak)

    def end_ticket(self, token: str) -> None:
        """Ends a ticket, if it exists."""
        self._tickets.pop(_hash(token), None)

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
        idle = self.idle_of(session.user)
        return now - session.used > idle or now - session.started > self.absolute_seconds

    def _expire(self, now: float) -> None:
        for key in [key for key, session in self._sessions.items() if self._ended(session, now)]:
            del self._sessions[key]


def same_token(expected: str, sent: str) -> bool:
    """Compares tokens in constant time."""
    return hmac.compare_digest(expected.encode(), sent.encode("utf-8", "replace"))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
