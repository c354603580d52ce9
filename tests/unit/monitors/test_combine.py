"""Several monitors' verdicts as one."""

from __future__ import annotations

from dataclasses import replace

from pointsman.compiler.plan import Check
from pointsman.monitors.combine import combine
from pointsman.schema.health import Verdict

A = Check("web", "a:80", "Ping", "ping", "10.0.0.1", 80, delay=5, timeout=3, failures=3)
A_HTTP = replace(A, monitor="Full HTTP", kind="http")
B = replace(A, node="b:80")
WHOLE = replace(A, node="", monitor="Database", kind="connect")


def verdicts(*found: tuple[Check, bool, str]) -> dict[tuple[str, str, str], Verdict]:
    return {
        (c.pool, c.node, c.monitor): Verdict(c.pool, c.node, c.monitor, up, reason, 0.0)
        for c, up, reason in found
    }


def test_a_node_is_up_until_a_monitor_says_otherwise() -> None:
    assert combine({}, [A, B]) == {("web", "a:80"): (True, ""), ("web", "b:80"): (True, "")}


def test_all_monitors_must_agree_and_the_reason_names_those_that_do_not() -> None:
    found = verdicts((A, False, "timed out"), (A_HTTP, True, "status 200"), (B, True, "echo"))
    assert combine(found, [A, A_HTTP, B]) == {
        ("web", "a:80"): (False, "Ping: timed out"),
        ("web", "b:80"): (True, ""),
    }
    found |= verdicts((A_HTTP, False, "status 503 does not match ^2"))
    assert combine(found, [A, A_HTTP, B])["web", "a:80"] == (
        False,
        "Ping: timed out; Full HTTP: status 503 does not match ^2",
    )


def test_a_pool_wide_verdict_holds_for_every_node_and_stands_alone_too() -> None:
    found = verdicts((WHOLE, False, "connection refused"), (A, True, "echo"))
    result = combine(found, [A, B, WHOLE])
    assert result == {
        ("web", "a:80"): (False, "Database: connection refused"),
        ("web", "b:80"): (False, "Database: connection refused"),
        ("web", ""): (False, "Database: connection refused"),
    }
    assert combine(found, [replace(A, pool="other")]) == {("other", "a:80"): (True, "")}


def test_a_verdict_whose_check_is_gone_does_not_count() -> None:
    assert combine(verdicts((A_HTTP, False, "x")), [A]) == {("web", "a:80"): (True, "")}
