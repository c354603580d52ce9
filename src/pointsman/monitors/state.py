"""How a check's findings add up to a verdict, and when to look again. Pure.

Invariant: `failures` findings in a row, and nothing else, take a node from up to down; one success brings it
back. A finding that decides nothing changes neither.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pointsman.compiler.plan import Check
from pointsman.monitors.finding import Finding
from pointsman.schema.health import Verdict

BACK_OFF_FACTOR = 8
BACK_OFF_SECONDS = 60


@dataclass(frozen=True)
class State:
    """Where a check stands. `failures` counts those in a row; `reason` is "" until the first finding."""

    up: bool
    since: float
    failures: int = 0
    reason: str = ""


def advance(state: State, check: Check, finding: Finding, now: float) -> State:
    """The state after one more finding; `now` is Unix time."""
    if finding.up is None:
        return replace(state, reason=finding.reason)
    if finding.up:
        return State(True, state.since if state.up else now, 0, finding.reason)
    failures = state.failures + 1
    if not state.up:
        return replace(state, failures=failures, reason=finding.reason)
    if failures >= check.failures:
        return State(False, now, failures, finding.reason)
    return State(True, state.since, failures, f"{finding.reason} (failure {failures} of {check.failures})")


def pause(state: State, check: Check) -> float:
    """Seconds from the start of one run to the start of the next.

    `delay`; with `back_off`, while the node is down, doubled with each further failure up to 8 times `delay`,
    never beyond 60 s (and never below `delay`).
    """
    if state.up or not check.back_off:
        return float(check.delay)
    further = max(0, state.failures - check.failures)
    factor = BACK_OFF_FACTOR if further >= BACK_OFF_FACTOR.bit_length() else min(2**further, BACK_OFF_FACTOR)
    return float(max(check.delay, min(check.delay * factor, BACK_OFF_SECONDS)))


def verdict(check: Check, state: State) -> Verdict:
    """The state as others see it."""
    return Verdict(check.pool, check.node, check.monitor, state.up, state.reason, state.since)
