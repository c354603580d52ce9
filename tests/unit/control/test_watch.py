"""The launcher's journal becomes events, each told once."""

from __future__ import annotations

import json

import pytest

from pointsman.control.watch import launcher_event
from pointsman.schema.event import Severity


def line(what: str, at: float = 5.0) -> str:
    """A line as the launcher writes it."""
    return json.dumps({"time": at, "what": what, "name": "haproxy", "detail": "signal 9"})


def test_what_happened_while_nobody_watched_is_told() -> None:
    event = launcher_event(line("engine-exited"), since=10.0)
    assert event is not None
    assert (event.tag, event.severity, event.detail) == ("engineexited", Severity.SERIOUS, "haproxy")
    assert "signal 9" in event.reason
    assert event.at == 5.0, "when it happened, not when it was heard of"


def test_what_the_engine_tells_itself_is_not_told_twice() -> None:
    assert launcher_event(line("engine-exited", 11.0), since=10.0) is None
    assert launcher_event(line("control-exited", 11.0), since=10.0) is not None


@pytest.mark.parametrize(
    "torn",
    [
        "",
        "{",
        "[]",
        '{"what": 1}',
        '{"time": "x", "what": "engine-exited"}',
        '{"time": NaN, "what": "engine-exited"}',
        "null",
    ],
)
def test_a_torn_line_is_passed_over(torn: str) -> None:
    assert launcher_event(torn, since=0.0) is None


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    event = launcher_event(line("engine-rotated"), since=0.0)
    assert event is not None
    assert event.reason.startswith("engine-rotated haproxy")
