"""Finds out who is calling: HTTP Basic with the users' passwords, or the Unix user at the local socket.

Invariant: the source address is that of the connection; no header that a client sends can change it.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from pointsman.identity.user import Outcome, Users
from pointsman.schema.event import Event, Severity
from pointsman.store import Author
from pointsman.web.answer import Answer, error_answer
from pointsman.web.connection import Peer

SURFACE = "REST"
_CHALLENGE = (("www-authenticate", 'Basic realm="Pointsman REST API", charset="UTF-8"'),)
_REPORT_SECONDS = 3600.0
_REPORTED_LIMIT = 1000


class Authentication:
    """Checks callers of the REST API; a login is reported once an hour for each user and source."""

    def __init__(self, users: Users, on_event: Callable[[Event], None]) -> None:
        self._users = users
        self._on_event = on_event
        self._reported: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def identify(self, peer: Peer, headers: Mapping[str, str]) -> Author | Answer:
        """The caller, or the answer that refuses the request."""
        if peer.unix_user:
            return Author(f"local:{peer.unix_user}", "", "local")
        credentials = _basic(headers.get("authorization", ""))
        if credentials is None:
            return _refusal("a user name and password are needed (HTTP Basic)")
        user, password = credentials
        login = await self._users.verify(user, password, peer.host, SURFACE)
        match login.outcome:
            case Outcome.RIGHT:
                self._report(user, peer.host)
                return Author(user, peer.host, "rest")
            case Outcome.WRONG:
                return _refusal("the user name or password is wrong")
            case Outcome.WAIT:
                seconds = str(int(login.wait_seconds) + 1)
                text = f"too many failed logins; try again in {seconds} s"
                return error_answer(429, "auth.invalid.wait", text, {}, (("retry-after", seconds),))

    def _report(self, user: str, host: str) -> None:
        now = time.monotonic()
        last = self._reported.get((user, host))
        if last is not None and now - last < _REPORT_SECONDS:
            return
        self._reported[user, host] = now
        self._reported.move_to_end((user, host))
        if len(self._reported) > _REPORTED_LIMIT:
            self._reported.popitem(last=False)
        reason = f"logged in at {SURFACE} from {host}"
        self._on_event(Event("general", "audit", Severity.INFO, None, reason, author=user))


def _refusal(text: str) -> Answer:
    return error_answer(401, "auth.invalid", text, {}, _CHALLENGE)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        # Older clients send ISO 8859-1.
        text = decoded.decode("latin-1")
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
