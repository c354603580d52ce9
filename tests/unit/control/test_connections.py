"""Connections under the administrator's names."""

from __future__ import annotations

from dataclasses import dataclass, field

from pointsman.control.connections import DETAILED_MOST, FRESH_SECONDS, ConnectionsNow, top_talkers
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.stream import Stream, Streams

PROXIES = {
    "vs": Proxy(ObjectId("virtual_servers", "shop"), Role.LISTENER),
    "p": Proxy(ObjectId("pools", "web"), Role.POOL, True, {"n1": "a:80"}),
    "inside": Proxy(None, Role.INTERNAL),
}
STREAMS = (
    Stream("10.0.0.1:1000", "vs", "p", "n1", 5, 10, 100, "GET"),
    Stream("10.0.0.1:1001", "vs", "p", "", 50, 1, 0),
    Stream("2001:db8::7:443", "vs", "", "", 500),
    Stream("10.0.0.3:1", "inside", "p", "n1", 1),
    Stream("10.0.0.4:1", "gone", "p", "n1", 1),
)


@dataclass
class Engine:
    """An engine with these streams, None while it does not answer."""

    found: Streams | None
    asked: list[tuple[int, bool]] = field(default_factory=list)

    async def streams(self, most: int, *, detailed: bool) -> Streams | None:
        self.asked.append((most, detailed))
        return self.found


async def test_streams_get_the_names_of_the_configuration() -> None:
    engine = Engine(Streams(STREAMS, True))
    now = 0.0
    looker = ConnectionsNow(engine, lambda: PROXIES, lambda: 9, lambda: now)
    seen = await looker.look()
    assert [(one.client, one.port, one.pool, one.node) for one in seen.connections] == [
        ("2001:db8::7", 443, "", ""),
        ("10.0.0.1", 1001, "web", ""),
        ("10.0.0.1", 1000, "web", "a:80"),
    ], "oldest first, those of services alone"
    assert [one.state for one in seen.connections] == [
        "sends its request",
        "waits for a node",
        "served by the node",
    ]
    assert (seen.open, seen.complete, seen.detailed) == (9, True, True)
    assert await looker.look() is seen and len(engine.asked) == 1, "those who look share what was seen"
    now += FRESH_SECONDS + 1
    assert await looker.look() is not seen
    first = top_talkers(seen.connections)[0]
    assert (first.client, first.connections, first.bytes_in, first.bytes_out) == ("10.0.0.1", 2, 11, 100)


async def test_of_many_connections_less_is_read() -> None:
    engine = Engine(Streams((), False))
    seen = await ConnectionsNow(engine, lambda: PROXIES, lambda: DETAILED_MOST + 1).look()
    assert not seen.detailed and not seen.complete and engine.asked[0][1] is False


async def test_an_engine_that_does_not_answer_is_said_so() -> None:
    seen = await ConnectionsNow(Engine(None), lambda: PROXIES, lambda: 3).look()
    assert seen.at == 0 and seen.open == 3 and seen.connections == ()
