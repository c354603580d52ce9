"""What is told about the way of a request: the question, and the answer step by step.

Pure. Invariant: each step says what happens and which setting decided it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pointsman.compiler.plan import Plan
from pointsman.schema.condition import Condition
from pointsman.schema.health import NodeHealth
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot

Mark = Literal["ok", "warn", "error", "off"]
DEFAULT_PORTS = {"http": 80, "https": 443}


class NoRequest(ValueError):
    """What was typed is no request; the text says what to write."""


@dataclass(frozen=True)
class Request:
    """A request as a client sends it. `headers` are by lower-case name; `client` is its address, `to` the address that
    it connects to, "" where the host is one, or where that is not known.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    to: str = ""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that it brings."""
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, sign, value in pairs if sign}


def read_request(*, method: str, url: str, headers: str = "", client: str = "", to: str = "") -> Request:
    """A request out of a form. Raises `NoRequest`."""
    method = method.strip().upper() or "GET"
    if not method.isascii() or not method.isalpha() or len(method) > 32:
        raise NoRequest("A method is a word, such as GET or POST.")
    text = url.strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NoRequest("A URL is written as https://www.example.com:8443/path?query.") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise NoRequest("A URL begins with http:// or https:// and names a host.")
    found: dict[str, str] = {}
    for line in headers.splitlines():
        name, sign, value = line.partition(":")
        if not line.strip():
            continue
        if not sign or not name.strip():
            raise NoRequest("Each line of headers is a name, a colon and a value.")
        key = name.strip().lower()
        found[key] = f"{found[key]}, {value.strip()}" if key in found else value.strip()
    path = parts.path or "/"
    return Request(
        method,
        parts.scheme,
        parts.hostname,
        port or DEFAULT_PORTS[parts.scheme],
        f"{path}?{parts.query}" if parts.query else path,
        found,
        _address(client, "The client's address"),
        _address(to, "The address that it arrives at") or _plain_address(parts.hostname),
    )


def _address(text: str, what: str) -> str:
    if not text.strip():
        return ""
    if not (found := _plain_address(text.strip())):
        raise NoRequest(f"{what} is an IP address, such as 192.0.2.1 or 2001:db8::1.")
    return found


def _plain_address(text: str) -> str:
    """An address in its usual form; "" for what is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


@dataclass(frozen=True)
class Fact:
    """What a setting means here. `subject` and `path` name the setting."""

    text: str
    subject: ObjectId | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chance:
    """A node of the pool that is asked: whether it can get the request, and why or why not. `share` is its part of such
    requests in percent, None where that depends on the moment.
    """

    node: str
    mark: Mark
    state: str
    why: str
    share: float | None = None


@dataclass(frozen=True)
class Step:
    """One thing that is decided. `subject` is the object that decides it, `path` its setting."""

    title: str
    mark: Mark
    text: str
    subject: ObjectId | None = None
    path: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    chances: tuple[Chance, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """The way of a request: `outcome` is what the client sees, in a sentence; `choices` are addresses of which each
    leads to another virtual server, where it was not said which one is meant.
    """

    request: Request
    mark: Mark
    outcome: str
    steps: tuple[Step, ...]
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Known:
    """What an explanation is made from. `health` is by (pool, node), `connections` tells how many are open to a node of
    a pool now, None where that is not known; `holders` who holds each traffic IP now; `own` is this traffic manager.
    """

    snapshot: Snapshot
    plan: Plan
    conditions: Mapping[ObjectId, tuple[Condition, ...]]
    health: Mapping[tuple[str, str], NodeHealth]
    own: str
    serving: bool = True
    connections: Callable[[str, str], int | None] = lambda pool, node: None
    holders: Mapping[str, str] = field(default_factory=dict)
