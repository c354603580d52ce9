"""Bandwidth limits: what the licence grants to the whole instance, and the classes of virtual servers and pools.

Invariant: every HTTP and TCP virtual server passes through the instance's limit in both directions, and whatever names
a class through the class's too: all limits hold together. Without limit nothing is emitted.

Facts (HAProxy 2.8.25 and 3.0.11; figures in docs/design/compiler.md): a shared limit is a rate in an entry of a stick
table, `limit` bytes in each of the table's periods. A stream that writes gets what is left divided by the streams that
hold the entry, silent ones too, and is asked again after about 2 ms: with one stream that writes among N silent ones,
period / (period + 2 ms x N) of the limit is used. A long period favours few writers among many silent connections, but
lets pass at once what an idle period left. `limit` is a number of 31 bits. A filter that HAProxy applies to a stream by
itself begins anew with each request, so that small ones would hardly be slowed: the limit of a connection is an entry
of a stick table too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy import name
from pointsman.compiler.plan import ConfigSection, Line, Origin
from pointsman.compiler.remark import Remarks
from pointsman.schema.bandwidth import Bandwidth
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

Direction = Literal["in", "out"]

BITS_PER_KBIT = 1000
"""A kbit/s of the product is a thousand bits a second, as everywhere in networks."""

_INSTANCE = "bandwidth"

_PERIOD_MS = 2000
_SHORT_PERIOD_MS = 200
_LONG_PERIOD_BYTES_PER_SECOND = 500_000_000
"""Above this rate the bytes of a long period would not fit into HAProxy's numbers."""

_PIECE_BYTES = 512
"""The least that a stream sends at a time while many share a limit: with more, small bodies wait longer than the limit
asks for; with less, the processor does more. Slow limits send less at a time, so that they stay even.
"""
_PIECES_A_SECOND = 2400

_ENTRIES = "1k"
"""A table of one entry would do for one bucket, were it not that two threads make it at the same moment: the second
finds the table full, and HAProxy then leaves its stream without limit.
"""

_CONNECTION = "sess.connection"
"""The variable that tells a client's connection from others."""


@dataclass(frozen=True)
class Limit:
    """One limit on one direction: "in" is requests (towards nodes), "out" responses (towards clients).

    `rate` is in bytes a second, shared by all who use `table`, or by the streams of each client connection alone when
    `per_connection`. Each direction has a table of its own, because a stream that holds an entry counts as a user.
    """

    direction: Direction
    rate: int
    owner: str
    per_connection: bool
    origin: Origin | None

    @property
    def table(self) -> str:
        """The section that holds its rate, which gives its name to the filter too."""
        return f"{self.owner}:{self.direction}"


@dataclass(frozen=True)
class Limits:
    """The limits of one configuration: of every virtual server, and of each class by name and direction."""

    instance: tuple[Limit, ...]
    classes: Mapping[str, Mapping[Direction, Limit]]

    def of_virtual_server(self, server: VirtualServer) -> tuple[Limit, ...]:
        """What applies to the traffic of a virtual server with its clients, and to all it passes on."""
        return (*self._named(server.basic.bandwidth_class, "out"), *self.instance)

    def of_pool(self, pool: Pool) -> tuple[Limit, ...]:
        """What applies to the requests sent to a pool's nodes."""
        return self._named(pool.basic.bandwidth_class, "in")

    def _named(self, class_name: str, direction: Direction) -> tuple[Limit, ...]:
        return (self.classes[class_name][direction],) if class_name in self.classes else ()


def limits(snapshot: Snapshot, facts: Facts, remarks: Remarks) -> Limits:
    """The limits in force; a reference to a class that is not there gets a condition."""
    classes = {
        class_name: _class_limits(class_name, entry, facts)
        for class_name, entry in snapshot.all("bandwidth", Bandwidth)
        if ObjectId("bandwidth", class_name) not in facts.refused
    }
    for class_name, entry in snapshot.all("bandwidth", Bandwidth):
        if class_name in classes and entry.basic.sharing == "cluster" and facts.members > 1:
            _say_share(class_name, entry, facts.members, remarks)
    for server_name, server in snapshot.all("virtual_servers", VirtualServer):
        _remark(ObjectId("virtual_servers", server_name), server.basic.bandwidth_class, classes, remarks)
    for pool_name, pool in snapshot.all("pools", Pool):
        _remark(ObjectId("pools", pool_name), pool.basic.bandwidth_class, classes, remarks)
    return Limits(_instance_limits(facts), classes)


def _instance_limits(facts: Facts) -> tuple[Limit, ...]:
    if not facts.bandwidth:
        return ()
    rate = max(1, facts.bandwidth // 8)
    return tuple(
        Limit(direction, rate, _INSTANCE, per_connection=False, origin=None) for direction in ("in", "out")
    )


def _class_limits(class_name: str, entry: Bandwidth, facts: Facts) -> dict[Direction, Limit]:
    sharing = entry.basic.sharing
    rate = entry.basic.maximum * BITS_PER_KBIT // 8
    if sharing == "cluster":
        rate //= max(1, facts.members)
    origin = Origin(ObjectId("bandwidth", class_name), ("basic", "maximum"))
    owner = name.bandwidth_class(class_name)
    directions: tuple[Direction, ...] = ("in", "out")
    return {way: Limit(way, max(1, rate), owner, sharing == "connection", origin) for way in directions}


def _say_share(class_name: str, entry: Bandwidth, members: int, remarks: Remarks) -> None:
    share = entry.basic.maximum / members
    remarks.notice(
        ObjectId("bandwidth", class_name),
        "bandwidth_divided",
        f"{entry.basic.maximum} kbit/s are divided evenly among the {members} traffic managers of the cluster, whether "
        f"they run or not: {share:.6g} kbit/s for each, and more for the others once one was removed from the cluster",
        *("basic", "sharing"),
    )


def _remark(subject: ObjectId, class_name: str, classes: Mapping[str, object], remarks: Remarks) -> None:
    if class_name and class_name not in classes:
        remarks.warn(
            subject,
            "bandwidth_class_missing",
            f'there is no bandwidth class "{class_name}", so it limits nothing. Create it, or remove the name',
            *("basic", "bandwidth_class"),
        )


def lines(mode: str, used: tuple[Limit, ...], *, after_data: bool = False) -> Iterator[Line]:
    """The lines of a frontend or backend of `mode` that put limits on its traffic.

    `after_data` is for a frontend that waits for the client's first bytes: HAProxy runs its rules again and again
    meanwhile, and each time would count one more user of the limit.
    """
    for limit in used:
        key = f"var({_CONNECTION})" if limit.per_connection else "int(1)"
        amount = limit.rate * _period_ms(limit.rate) // 1000
        text = (
            f"filter bwlim-{limit.direction} {limit.table} limit {max(1, amount)} key {key} table {limit.table} "
            f"min-size {min(_PIECE_BYTES, max(1, limit.rate // _PIECES_A_SECOND))}"
        )
        yield Line(text, limit.origin)
    for limit in used:
        rules = {"in": "http-request", "out": "http-response"}[limit.direction]
        condition = ""
        if mode == "tcp":
            rules = "tcp-request content"
            condition = " if { req.len gt 0 }" if after_data else ""
        yield Line(f"{rules} set-bandwidth-limit {limit.table}{condition}", limit.origin)


def connection_lines(used: Iterable[Limit]) -> Iterator[Line]:
    """The line of a frontend that tells its clients' connections apart, where one of the limits needs it."""
    if any(limit.per_connection for limit in used):
        yield Line(f"tcp-request session set-var({_CONNECTION}) uuid()")


def tables(used: Iterable[Limit]) -> tuple[tuple[ConfigSection, ...], dict[str, Proxy]]:
    """The sections that hold the rates of the limits in use, and what their names stand for."""
    sections: dict[str, ConfigSection] = {}
    proxies: dict[str, Proxy] = {}
    for limit in used:
        period = _period_ms(limit.rate)
        kind = "string len 36 size 1m" if limit.per_connection else f"integer size {_ENTRIES}"
        text = f"stick-table type {kind} expire 10s store bytes_{limit.direction}_rate({period}ms)"
        header = Line(f"backend {limit.table} from tcp", limit.origin)
        sections[limit.table] = ConfigSection(header, (Line(text, limit.origin),))
        proxies[limit.table] = Proxy(limit.origin.subject if limit.origin else None, Role.INTERNAL)
    return tuple(sections[table] for table in sorted(sections)), proxies


def _period_ms(rate: int) -> int:
    return _PERIOD_MS if rate <= _LONG_PERIOD_BYTES_PER_SECOND else _SHORT_PERIOD_MS
