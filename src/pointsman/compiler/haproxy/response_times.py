"""How the engine tells the control plane of response times: a line of ids and times for some of the requests.

Invariant: a line holds no word of a client's (no address, path or header), is sent as a datagram that is lost where
nobody takes it, and each frontend sends about `proc.pointsman_share` hundredths of a line a second at most, so that
the cost does not grow with the load; below that there is one for each request. A line says which share it was drawn
at, so that the requests it stands for are known.

Facts (HAProxy 2.8.25): rules in a named `defaults` go before the frontend's own. A stream whose level is `silent`
builds no line; requests that never become a stream (400, 408) log at `info`, which `notice` at the socket keeps out.
`fe_req_rate` counts this request too, so it is never zero.
"""

from __future__ import annotations

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy.quote import word
from pointsman.compiler.plan import ConfigSection, Line

DEFAULTS = "measured"
"""The `defaults` of frontends whose response times are told."""
SHARE = 2000
"""The lines that a frontend may send in a second, in hundredths, until the control plane sets another number."""
SHARE_VARIABLE = "proc.pointsman_share"
LINE_BYTES = 512
_RATE = "txn.pointsman_rate"
_LARGEST_DRAW = 2**31 - 1
_FORMAT = f"%pid %f %b %ST %TR %Tw %Tc %Tr %Ta %[var({_RATE})] %[var({SHARE_VARIABLE})]"


def global_lines() -> tuple[Line, ...]:
    """What `global` says: the share that holds from the start of a worker."""
    return (Line(f"set-var {SHARE_VARIABLE} int({SHARE})"),)


def sections(facts: Facts) -> tuple[ConfigSection, ...]:
    """The `defaults` of measured frontends; without lines of its own where nobody could hear of the times."""
    lines: tuple[Line, ...] = ()
    if facts.times_socket:
        target = word(f"unix@{facts.times_socket}")
        lines = (
            Line(f"log {target} len {LINE_BYTES} format raw local0 notice"),
            Line(f'log-format "{_FORMAT}"'),
            Line(f"http-request set-var({_RATE}) fe_req_rate,mul(100)"),
            Line("http-request set-log-level silent"),
            # The share of the rate is the chance to be logged, without division: a draw below the rate is below the
            # share as often.
            Line(
                "http-request set-log-level notice "
                f"if {{ rand({_LARGEST_DRAW}),mod({_RATE}),sub({SHARE_VARIABLE}) lt 0 }}"
            ),
        )
    return (ConfigSection(Line(f"defaults {DEFAULTS} from http"), lines),)
