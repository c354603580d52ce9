"""Joins the verdicts of a pool's monitors into one for each node: all must agree that it is up. Pure.

Invariant: a check without a verdict counts as up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pointsman.compiler.plan import Check
from pointsman.schema.health import Verdict

WHOLE_POOL = ""
"""The node of a verdict that speaks for all nodes of its pool."""


def combine(
    verdicts: Mapping[tuple[str, str, str], Verdict], checks: Iterable[Check]
) -> Mapping[tuple[str, str], tuple[bool, str]]:
    """Whether each node is up and, when it is not, why, by (pool, node).

    `verdicts` is keyed by (pool, node, monitor). A pool with a pool-wide check has an entry (pool, "") for
    all its nodes; nodes that have checks of their own carry that verdict in their own entries as well.
    """
    asked: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        asked.setdefault((check.pool, check.node), []).append(check)
    result: dict[tuple[str, str], tuple[bool, str]] = {}
    for (pool, node), own in asked.items():
        whole = asked.get((pool, WHOLE_POOL), []) if node != WHOLE_POOL else []
        against = []
        for check in (*own, *whole):
            verdict = verdicts.get((check.pool, check.node, check.monitor))
            if verdict is not None and not verdict.up:
                against.append(f"{check.monitor}: {verdict.reason}")
        result[pool, node] = (not against, "; ".join(against))
    return result
