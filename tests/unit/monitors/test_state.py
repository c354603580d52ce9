"""How findings add up to a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Finding
from pointsman.monitors.state import State, advance, pause

CHECK = Check("web", "10.0.0.1:80", "Full HTTP", "http", "10.0.0.1", 80, delay=5, timeout=3, failures=3)
GOOD = Finding(True, "status 200")
BAD = Finding(False, "connection refused")
OPEN = Finding(None, "unknown: may not ping")


def test_three_failures_in_a_row_take_a_node_down_and_one_success_brings_it_back() -> None:
    state = State(True, 100.0)
    state = advance(state, CHECK, BAD, 101)
    assert (state.up, state.reason) == (True, "connection refused (failure 1 of 3)")
    state = advance(state, CHECK, GOOD, 102)
    assert state == State(True, 100.0, 0, "status 200")
    for now in (103, 104):
        state = advance(state, CHECK, BAD, now)
        assert state.up
    state = advance(state, CHECK, BAD, 105)
    assert state == State(False, 105, 3, "connection refused")
    state = advance(state, CHECK, Finding(False, "timed out"), 106)
    assert state == State(False, 105, 4, "timed out")
    assert advance(state, CHECK, GOOD, 107) == State(True, 107, 0, "status 200")


def test_a_finding_that_decides_nothing_changes_the_reason_alone() -> None:
    for state in (State(True, 1.0, 2, "x"), State(False, 1.0, 5, "x")):
        assert advance(state, CHECK, OPEN, 9) == replace(state, reason=OPEN.reason)


@pytest.mark.parametrize(
    ("delay", "pauses"),
    [(1, [1, 2, 4, 8, 8]), (5, [5, 10, 20, 40, 40]), (10, [10, 20, 40, 60, 60]), (90, [90, 90, 90])],
)
def test_back_off_doubles_to_eight_times_the_delay_and_at_most_a_minute(
    delay: int, pauses: list[int]
) -> None:
    check = replace(CHECK, delay=delay)
    down = [State(False, 0.0, check.failures + further) for further in range(len(pauses))]
    assert [pause(state, check) for state in down] == pauses
    assert {pause(state, replace(check, back_off=False)) for state in down} == {delay}
    assert pause(State(True, 0.0, 2), check) == delay


@given(st.lists(st.sampled_from([GOOD, BAD, OPEN])), st.integers(1, 5), st.integers(1, 999_990))
def test_only_a_full_run_of_failures_makes_a_node_down(
    findings: list[Finding], failures: int, delay: int
) -> None:
    check = replace(CHECK, failures=failures, delay=delay)
    state = State(True, 0.0)
    decided: list[bool] = []
    for now, finding in enumerate(findings, 1):
        state = advance(state, check, finding, now)
        if finding.up is not None:
            decided.append(finding.up)
        run = 0
        while run < len(decided) and not decided[-1 - run]:
            run += 1
        assert state.up == (run < failures)
        assert state.since <= now
        assert delay <= pause(state, check) <= max(delay, 60, 8 * delay if delay <= 7 else 0)
