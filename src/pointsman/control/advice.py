"""What to try next when a node is down, by the words of what found it so.

Pure. Invariant: nothing here does anything; a command is text for somebody to read, and run where they see fit.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from pointsman.compiler.plan import Check
from pointsman.control.checking import url_of

_STATUS = re.compile(r"\bstatus (\d{3})\b")


@dataclass(frozen=True)
class Step:
    """Something to try; `command` may be "" and is meant for a shell."""

    text: str
    command: str = ""


def steps(words: str, host: str, port: int, checks: tuple[Check, ...] = ()) -> tuple[Step, ...]:
    """What to try for a node of `host` and `port` that is down with these `words`; `checks` are its monitors'."""
    said = words.lower()
    http = next((check for check in checks if check.kind == "http"), None)
    place = f"{host}:{port}"
    if "does not resolve" in said:
        return (Step(f"The name service does not know {host}. Ask it:", f"getent hosts {shlex.quote(host)}"),)
    if "this machine" in said and "could not be checked" in said:
        return (
            Step("The check could not be made, for a cause on this machine: it says nothing about the node."),
        )
    if "refused" in said:
        return (
            Step(
                f"The host is there, but nothing listens on port {port}. Is the service running? On {host}:",
                f"ss -ltnp 'sport = :{port}'",
            ),
            Step(
                "If it runs, it may listen on another address only (often 127.0.0.1), or a firewall may answer "
                "for it. From this machine:",
                f"nc -vz {shlex.quote(host)} {port}",
            ),
        )
    if "tls" in said or "ssl" in said:
        return (
            Step(
                f"A connection to {place} is made, but TLS is not agreed on. See what the node offers:",
                f"openssl s_client -connect {shlex.quote(place)} </dev/null",
            ),
            Step(
                "A node that speaks plain text on this port needs a monitor (and a pool) without TLS; one with an "
                "old version of TLS needs the pool's TLS settings widened."
            ),
        )
    if (
        "no route" in said
        or "network cannot be reached" in said
        or "unreachable" in said
        or "host is down" in said
    ):
        return (
            Step("Packets do not get there. See which way they take:", f"ip route get {shlex.quote(host)}"),
            Step("On the same network, the host does not answer ARP: it is off, or has another address now."),
        )
    if "timed out" in said or "timeout" in said or "no reply" in said:
        if any(part in said for part in ("waiting", "response", "body", "answer", "step")):
            return (
                Step(
                    "The node takes the connection and then does not answer in time: it is overloaded or hangs. "
                    "Ask it yourself and watch the time:",
                    _asked(http, place),
                ),
                Step("If it is always that slow, the monitor's timeout is too short for it."),
            )
        return (
            Step(
                "Nothing comes back at all. A firewall that drops packets, a wrong address or a host that is off "
                "look like this. From this machine:",
                f"nc -vz -w 5 {shlex.quote(host)} {port}",
            ),
            Step(
                "If another machine reaches it, look for a firewall between here and there:",
                f"ping -c 3 {shlex.quote(host)}",
            ),
        )
    if (found := _STATUS.search(said)) is not None:
        wanted = (
            f" The monitor accepts {http.status_regex}." if http is not None and http.status_regex else ""
        )
        meaning = {
            "3": "It sends the monitor elsewhere: let the monitor ask for the page behind the redirection.",
            "4": "It does not know the page, or wants a login: correct the monitor's path, host header or login.",
            "5": "It fails inside: its own log says why.",
        }.get(found[1][0], "")
        return (
            Step(f"The node works, but answers with status {found[1]}.{wanted} {meaning}".strip()),
            Step("See the answer as the monitor sees it:", _asked(http, place)),
        )
    if (
        "body" in said
        or "does not match" in said
        or "do not match" in said
        or "not what the monitor expects" in said
    ):
        return (
            Step("The node answers, but not with what the monitor expects. Compare:", _asked(http, place)),
            Step("If the answer is right, correct what the monitor expects."),
        )
    if "not http" in said:
        return (
            Step("Something else than HTTP answers on that port. Is it the right port?", _asked(None, place)),
        )
    if "requests of clients" in said:
        return (
            Step(
                "No monitor found this: requests of clients failed on the node, several in a row, so it gets none "
                "for a while and is then tried again. Its own log says what became of them."
            ),
            Step("A monitor on the pool would find such a node before clients do."),
        )
    if "reset" in said or "closed the connection" in said or "broke" in said:
        return (
            Step(
                "The node takes the connection and drops it at once: the service crashes, refuses this machine, or "
                "expects another protocol (TLS?) on the port.",
                _asked(http, place),
            ),
        )
    return (Step("Ask the node yourself, from this machine:", _asked(http, place)),)


def _asked(check: Check | None, place: str) -> str:
    if check is None:
        return f"curl -sv -m 10 http://{shlex.quote(place)}/"
    header = f"-H {shlex.quote(f'Host: {check.host_header}')} " if check.host_header else ""
    insecure = "-k " if check.use_ssl else ""
    return f"curl -sv -m {check.timeout} {insecure}{header}{shlex.quote(url_of(check))}"
