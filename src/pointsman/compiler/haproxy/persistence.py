"""Session persistence: how every backend of a pool, on every member, sends a client to the same node.

Invariant: what stands for a node (a name, a number, a cookie's value) is derived from how the administrator wrote it,
never from its place in a list, so that it means the same in each backend of the pool, on each member and after each
reload; and it tells nobody outside the node's address.

Facts (HAProxy 2.8.25 and 3.0.11): a table holds a server's name and number; the name is looked up first, in the backend
that the request is in, and a server that is down or in maintenance is passed over, a draining one is not. A backend's
`http-request` rules run before the session's server is looked up. Cookies and numbers can be given to servers that are
added at run time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy import name, peers
from pointsman.compiler.haproxy.quote import format_word, word
from pointsman.compiler.haproxy.timeout import seconds
from pointsman.compiler.node import Node
from pointsman.compiler.plan import ConfigSection, Line, Origin
from pointsman.compiler.remark import Remarks
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.persistence import Persistence
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.snapshot import Snapshot

_COOKIE = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""The name of a cookie as it can stand in a line without quotes; names may hold more (RFC 6265), and never do."""
_ATTRIBUTE = re.compile(
    r"(?i:Domain|Expires|Max-Age|Path|Priority|SameSite)=[ !#-:<-\[\]-~]+|(?i:HttpOnly|Partitioned|Secure)"
)
"""An attribute of a cookie: one that browsers know, without control character, quote, backslash or semicolon."""
_GONE = "The server of this session is not available."
_NAMES_A_LINE = 50
"""HAProxy reads 64 words of a line."""


@dataclass(frozen=True)
class Stickiness:
    """How the clients of one pool come back: by a table (`ip`, `cookie`) or by a cookie of ours (`transparent`).

    `key` is what a request is recognised by, `cookie` the name of the cookie in question; `numbers` and `values` say
    what stands for each node, by how the administrator wrote it. `size` and `expiry` (seconds, 0 for none) are the
    table's.
    """

    owner: ObjectId
    pool: str
    kind: Literal["cookie", "ip", "transparent"]
    key: str
    cookie: str
    attributes: tuple[str, ...]
    always: bool
    failure: Literal["close", "new_node", "url"]
    url: str
    numbers: Mapping[str, int]
    values: Mapping[str, str]
    size: int
    expiry: int

    @property
    def table(self) -> str:
        """The section that holds the sessions."""
        return name.sessions(self.pool)

    def serves(self, mode: str) -> bool:
        """Whether clients can be recognised in this mode: cookies are in HTTP only."""
        return mode == "http" or self.kind == "ip"

    def server_words(self, node: Node) -> tuple[str, ...]:
        """The words of a node's server lines."""
        if self.kind == "transparent":
            return ("cookie", self.values[node.text])
        return ("id", str(self.numbers[node.text]))

    def elsewhere(self, nodes: Sequence[Node]) -> tuple[str, ...]:
        """Conditions of which one holds for a session on any of these nodes."""
        chunks = [nodes[start : start + _NAMES_A_LINE] for start in range(0, len(nodes), _NAMES_A_LINE)]
        return tuple(self._is_on(chunk) for chunk in chunks)

    def _is_on(self, nodes: Sequence[Node]) -> str:
        if self.kind == "transparent":
            return f"{self.key} -m str " + " ".join(self.values[node.text] for node in nodes)
        return f"{self._number} " + " ".join(str(self.numbers[node.text]) for node in nodes)

    @property
    def _number(self) -> str:
        return f"{self.key},table_server_id({self.table})"

    def lines(self, mode: str, nodes: Sequence[Node], names: Mapping[str, str]) -> Iterator[Line]:
        """The lines of a backend with these nodes, whose servers are called `names`."""
        if not self.serves(mode):
            return
        origin = Origin(self.owner)
        if self.failure != "new_node":
            yield from self._failure_lines(mode, nodes, names)
        match self.kind:
            case "ip":
                yield Line(f"stick on {self.key} table {self.table}", origin)
            case "cookie":
                yield Line(f"stick match {self.key} table {self.table}", origin)
                learned = f"res.cook({self.cookie}),sha1"
                yield Line(f"stick store-response {learned} table {self.table}", origin)
            case "transparent":
                words = f"cookie {self.cookie} insert{'' if self.always else ' indirect'} nocache"
                attributes = "".join(f" attr {word(attribute)}" for attribute in self.attributes)
                yield Line(words + attributes, origin)

    def _failure_lines(self, mode: str, nodes: Sequence[Node], names: Mapping[str, str]) -> Iterator[Line]:
        """What keeps the session of a node that is not available from another node."""
        origin = Origin(self.owner, ("basic", "failure_mode"))
        rules = "http-request" if mode == "http" else "tcp-request content"
        found = f"{self.key} -m found" if self.kind == "transparent" else f"{self._number} gt 0"
        for node in nodes:
            text = (
                f"{rules} set-var(txn.node_is_up) bool(true) "
                f"if {{ {self._is_on([node])} }} {{ srv_is_up({names[node.text]}) }}"
            )
            yield Line(text, origin)
        lost = f"if {{ {found} }} !{{ var(txn.node_is_up) -m bool }}"
        expired = f"{self.cookie}=; path=/; Max-Age=0" if self.kind == "transparent" else ""
        if mode == "tcp":
            yield Line(f"{rules} reject {lost}", origin)
        elif self.failure == "url":
            clear = f" clear-cookie {self.cookie}=" if expired else ""
            yield Line(f"{rules} redirect location {format_word(self.url)}{clear} {lost}", origin)
        else:
            clear = f" hdr Set-Cookie {word(expired)}" if expired else ""
            answer = f"status 503 content-type text/plain string {word(_GONE)} hdr Cache-Control no-store"
            yield Line(f"{rules} return {answer}{clear} {lost}", origin)
        # The node may be found dead only now: its session is not for another one.
        yield Line("no option redispatch", origin)


def stickiness(snapshot: Snapshot, facts: Facts, remarks: Remarks) -> dict[str, Stickiness]:
    """How the clients of each pool come back, for the pools that want it and can."""
    settings = snapshot.get("global_settings", "", GlobalSettings) or GlobalSettings()
    classes = {
        class_name: entry
        for class_name, entry in snapshot.all("persistence", Persistence)
        if ObjectId("persistence", class_name) not in facts.refused and _is_served(class_name, entry, remarks)
    }
    found: dict[str, Stickiness] = {}
    for pool_name, pool in snapshot.all("pools", Pool):
        class_name = pool.basic.persistence_class
        if not class_name:
            continue
        if class_name in classes:
            found[pool_name] = _of_pool(pool_name, pool, class_name, classes[class_name], settings, facts)
        elif snapshot.get("persistence", class_name, Persistence) is None:
            remarks.warn(
                ObjectId("pools", pool_name),
                "persistence_missing",
                f'there is no session persistence class "{class_name}", so clients go to any node. '
                "Create it, or remove the name",
                *("basic", "persistence_class"),
            )
    return found


def _is_served(class_name: str, entry: Persistence, remarks: Remarks) -> bool:
    """Whether a class can be acted on; says what cannot."""
    basic = entry.basic
    subject = ObjectId("persistence", class_name)
    if basic.type not in ("cookie", "ip", "transparent"):
        remarks.warn(
            subject,
            "persistence_type",
            f"the type {basic.type} is stored and not acted on yet: clients go to any node. "
            "Choose ip, transparent or cookie",
            *("basic", "type"),
        )
        return False
    if basic.type == "cookie" and not _COOKIE.fullmatch(basic.cookie):
        remarks.warn(
            subject,
            "persistence_cookie",
            "the type cookie needs the name of the application's cookie (letters, digits, and . _ -), so clients go "
            "to any node. Give the name",
            *("basic", "cookie"),
        )
        return False
    if basic.failure_mode == "url" and not basic.url:
        remarks.warn(
            subject,
            "persistence_url",
            "there is no URL to send clients to, so they get another node when theirs is not available. Give one",
            *("basic", "url"),
        )
    if basic.failure_mode != "new_node" and basic.delete and basic.type != "transparent":
        remarks.notice(
            subject,
            "persistence_delete",
            "a session whose node is not available is kept until the node is back or the session was not used for "
            "long enough; only the type transparent can delete it at once",
            *("basic", "delete"),
        )
    if basic.type == "transparent":
        for attribute in _attributes(entry)[1]:
            remarks.warn(
                subject,
                "persistence_directive",
                f'"{attribute}" is no attribute of a cookie and is left out; write Secure, HttpOnly, Partitioned, or '
                "Domain, Expires, Max-Age, Path, Priority or SameSite with = and a value, separated by semicolons",
                *("basic", "transparent_directives"),
            )
    return True


def _attributes(entry: Persistence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes of the cookie, and what is none."""
    parts = [part for text in entry.basic.transparent_directives.split(";") if (part := text.strip())]
    good = tuple(part for part in parts if _ATTRIBUTE.fullmatch(part))
    return good, tuple(part for part in parts if not _ATTRIBUTE.fullmatch(part))


def _of_pool(
    pool_name: str, pool: Pool, class_name: str, entry: Persistence, settings: GlobalSettings, facts: Facts
) -> Stickiness:
    basic = entry.basic
    kind = basic.type
    nodes = sorted(row.node for row in pool.basic.nodes_table)
    cookie = basic.cookie
    key = f"req.cook({cookie}),sha1"
    size, expiry = settings.session.universal_cache_size, settings.session.universal_cache_expiry
    if kind == "ip":
        v4, v6 = basic.subnet_prefix_length_v4 or 32, basic.subnet_prefix_length_v6 or 128
        key, cookie = f"src,ipmask({v4},{v6})", ""
        size, expiry = settings.session.ip_cache_size, settings.session.ip_cache_expiry
    elif kind == "transparent":
        cookie = f"X-Mapping-{_digest(facts, 'pool', pool_name)[:8]}"
        key = f"req.cook({cookie})"
    assert kind in ("ip", "cookie", "transparent")
    return Stickiness(
        owner=ObjectId("persistence", class_name),
        pool=pool_name,
        kind=kind,
        key=key,
        cookie=cookie,
        attributes=_attributes(entry)[0],
        always=basic.transparent_always_set_cookie,
        failure=basic.failure_mode if basic.failure_mode != "url" or basic.url else "new_node",
        url=basic.url,
        numbers=_numbers(nodes),
        values={node: _digest(facts, "node", node)[:16] for node in nodes},
        size=size,
        expiry=expiry,
    )


def _digest(facts: Facts, what: str, text: str) -> str:
    """A name for something that says nothing about it to those who do not have the secret."""
    return hmac.new(facts.session_secret, f"{what}\0{text}".encode(), hashlib.sha256).hexdigest()


def _numbers(nodes: Sequence[str]) -> dict[str, int]:
    """A number for each node, from its text alone, unless two of a pool would have the same."""
    found: dict[str, int] = {}
    taken: set[int] = set()
    for node in nodes:
        number = int.from_bytes(hashlib.sha256(node.encode()).digest()[:4]) >> 1 or 1
        while number in taken:
            number = number % (2**31 - 1) + 1
        taken.add(number)
        found[node] = number
    return found


def tables(
    sticky: Mapping[str, Stickiness], used: Iterable[str]
) -> tuple[tuple[ConfigSection, ...], dict[str, Proxy]]:
    """The sections that hold the sessions of the pools in use, and what their names stand for."""
    sections: list[ConfigSection] = []
    proxies: dict[str, Proxy] = {}
    for pool_name in used:
        stick = sticky.get(pool_name)
        if stick is None or stick.kind == "transparent":
            continue
        origin = Origin(stick.owner)
        kind = "ipv6" if stick.kind == "ip" else "binary len 20"
        text = (
            f"stick-table type {kind} size {stick.size} expire {seconds(stick.expiry)} peers {peers.SECTION}"
        )
        sections.append(ConfigSection(Line(f"backend {stick.table} from tcp", origin), (Line(text, origin),)))
        proxies[stick.table] = Proxy(stick.owner, Role.INTERNAL)
    return tuple(sections), proxies
