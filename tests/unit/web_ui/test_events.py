"""Following the event log does not keep a session alive; a session that ended is not held."""

from __future__ import annotations

from pointsman.identity.session import Sessions
from pointsman.web.ui.app import STREAMS
from pointsman.web.ui.events.log import TAIL


def test_following_keeps_no_session_alive() -> None:
    assert TAIL in STREAMS
    now = [0.0]
    sessions = Sessions(idle_seconds=10.0, clock=lambda: now[0])
    _, session = sessions.begin("ann", "192.0.2.1")
    now[0] = 9.0
    assert sessions.holds(session)
    now[0] = 11.0
    assert not sessions.holds(session)
    token, other = sessions.begin("ann", "192.0.2.1")
    assert sessions.holds(other)
    sessions.end(token)
    assert not sessions.holds(other)
