"""What a node's health is, from the engine's rows and our monitors' verdicts. Pure.

Invariant: only rows of workers that take new traffic and of the variants that are checked count; our own monitors'
reason goes before the engine's. The engine's check codes are those of HAProxy 2.8 (`check_status` in `show stat`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pointsman.schema.health import NodeState
from pointsman.schema.sample import Proxy, Role, Sample

SETTLING_SECONDS = 30
"""How long a worker's "not checked yet" is no reason to call a node alive that was dead before."""

_CODES: Mapping[str, str] = {
    "L4CON": "cannot connect",
    "L4TOUT": "timed out connecting",
    "L6RSP": "TLS failed",
    "L6TOUT": "timed out in the TLS handshake",
    "L7RSP": "the answer is not what the monitor expects",
    "L7STS": "the answer is not what the monitor expects",
    "L7TOUT": "timed out waiting for the response",
    "HANA": "failed requests of clients",
    "SOCKERR": "the engine has no socket left for checks",
}
_DETAIL_SAYS_ALL = frozenset({"L4CON"})
_IN_A_ROW = re.compile(r"^detected (\d+) consecutive errors, last one was: (.+)$", re.IGNORECASE)
_REQUEST_FAULTS: Mapping[str, str] = {
    "l4 unsuccessful connection": "no connection",
    "wrong http response": "a server error",
    "invalid http response": "not an HTTP response",
    "invalid http response (headers)": "broken headers",
    "read error (http)": "the connection broke before the response",
    "read timeout (http)": "no response in time",
    "close from server (http)": "the node closed the connection",
}
_STEP = re.compile(r"^ ?at step (\d+) of tcp-check \((.*)\)$")

Combined = Mapping[tuple[str, str], tuple[bool, str]]
"""Whether a node is up by our own monitors and why not, by (pool, node); node "" stands for the pool's nodes all."""


@dataclass(frozen=True)
class Observed:
    """A node as seen in one reading.

    `settled` is false when that cannot be trusted yet: the engine has not checked the node since it started, or has not
    been told of our monitors' verdict.
    """

    state: NodeState
    reason: str
    settled: bool = True
    checked: bool = False
    """Whether the engine's own check decided (not traffic, nor our monitors)."""


def nodes_of(proxies: Mapping[str, Proxy]) -> frozenset[tuple[str, str]]:
    """(pool, node) of every node the engine has."""
    return frozenset(
        (proxy.subject.name, node)
        for proxy in proxies.values()
        if proxy.role is Role.POOL and proxy.primary and proxy.subject is not None
        for node in (proxy.nodes or {}).values()
    )


def observe(
    samples: Iterable[Sample], proxies: Mapping[str, Proxy], combined: Combined
) -> Mapping[tuple[str, str], Observed]:
    """Each node that has a row. A node with several servers is as bad as its worst, because each of them sees only its
    share of the traffic; among equals the one that has been checked is believed.
    """
    found: dict[tuple[str, str], Observed] = {}
    for place, figures in _servers(samples, proxies):
        seen = _judge(figures, _against(combined, *place))
        if place not in found or _weight(seen) > _weight(found[place]):
            found[place] = seen
    return found


def down_by_traffic(samples: Iterable[Sample], proxies: Mapping[str, Proxy]) -> Mapping[tuple[str, str], int]:
    """The nodes that the engine itself holds down, and for how many seconds (the shortest of a node's servers)."""
    found: dict[tuple[str, str], int] = {}
    for place, figures in _servers(samples, proxies):
        word, _, rest = figures.get("status", "").partition(" ")
        if word == "DOWN" and rest != "(agent)":
            seconds = _number(figures.get("lastchg", ""))
            found[place] = min(seconds, found.get(place, seconds))
    return found


def _servers(
    samples: Iterable[Sample], proxies: Mapping[str, Proxy]
) -> Iterator[tuple[tuple[str, str], Mapping[str, str]]]:
    """The rows that count: (pool, node) and figures of each server that is checked, in workers that take traffic."""
    for sample in samples:
        proxy = proxies.get(sample.proxy)
        if (
            proxy is None
            or proxy.role is not Role.POOL
            or not proxy.primary
            or proxy.subject is None
            or not sample.current
            or sample.kind != "server"
        ):
            continue
        node = (proxy.nodes or {}).get(sample.server)
        if node is not None:
            yield (proxy.subject.name, node), sample.figures


_RANK = {
    NodeState.ALIVE: 0,
    NodeState.DRAINING: 1,
    NodeState.UNKNOWN: 2,
    NodeState.DEAD: 3,
    NodeState.DISABLED: 4,
}


def _weight(seen: Observed) -> tuple[int, bool]:
    return _RANK[seen.state], seen.settled


def _against(combined: Combined, pool: str, node: str) -> str:
    """What our monitors hold against a node, or ""."""
    for place in ((pool, node), (pool, "")):
        up, reason = combined.get(place, (True, ""))
        if not up:
            return reason
    return ""


def _judge(figures: Mapping[str, str], against: str) -> Observed:
    """Status words of HAProxy 2.8: UP, DOWN (also "DOWN 1/2", "DOWN (agent)"), NOLB, DRAIN, MAINT (also "MAINT (...)"),
    "no check"; a draining server that is down says DOWN.
    """
    word, _, rest = figures.get("status", "").partition(" ")
    code = figures.get("check_status", "").removeprefix("* ")
    settled = code != "INI" or _number(figures.get("lastchg", "")) > SETTLING_SECONDS
    match word:
        case "DOWN":
            if against:
                return Observed(NodeState.DEAD, against)
            if rest == "(agent)":
                return Observed(NodeState.DEAD, "a monitor has found it down")
            return Observed(NodeState.DEAD, sentence(figures), checked=code[:2] in ("L4", "L6", "L7"))
        case "MAINT":
            return Observed(NodeState.DISABLED, "disabled")
        case "DRAIN" | "NOLB":
            return Observed(NodeState.DRAINING, "draining", settled and not against)
        case "UP" | "no":
            draining = figures.get("weight") == "0"
            state = NodeState.DRAINING if draining else NodeState.ALIVE
            reason = "draining" if draining else ""
            return Observed(state, reason, settled and not against, checked=code.startswith("L"))
        case _:
            return Observed(NodeState.UNKNOWN, "the engine has not said anything about it yet")


def sentence(figures: Mapping[str, str]) -> str:
    """Why the engine holds a server down, for an administrator."""
    code = figures.get("check_status", "").removeprefix("* ")
    detail = figures.get("last_chk", "").strip()
    if code == "L7STS" and figures.get("check_code"):
        return f"status {figures['check_code']} is not what the monitor accepts"
    what = _CODES.get(code)
    if what is None:
        return detail or figures.get("check_desc", "").lower() or "the engine holds it down"
    if step := _STEP.match(detail):
        return f"{what} (step {step[1]} of the check: {step[2]})"
    if row := _IN_A_ROW.match(detail):
        fault = _REQUEST_FAULTS.get(row[2].lower(), row[2])
        return f"{row[1]} requests of clients failed in a row, the last: {fault}"
    if not detail:
        return what
    plain = detail[0].lower() + detail[1:] if detail[1:2].islower() else detail
    return plain if code in _DETAIL_SAYS_ALL else f"{what}: {plain}"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
