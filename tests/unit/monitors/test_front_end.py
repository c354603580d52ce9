"""Whether the front-end network works: real pings to loopback, and to nobody."""

from __future__ import annotations

import socket

import pytest

from pointsman.monitors.front_end import GATEWAY, FrontEnd
from pointsman.monitors.ping import icmp_socket

SILENT = "fe80::1"
"""Without the name of an interface it leads nowhere, so nothing is sent and nothing answers."""


@pytest.fixture(autouse=True)
def may_ping() -> None:
    """Skips where this process may send no echoes."""
    made = icmp_socket(socket.AF_INET)
    if made is None:
        pytest.skip("this process may not send ICMP echoes")
    made.close()


async def test_an_answer_from_any_of_them_is_enough() -> None:
    front_end = FrontEnd(lambda: ("127.0.0.1",))
    front_end.set((GATEWAY, SILENT), 0.2, 3.0)
    front_end._answered_at -= 60
    await front_end._round()
    assert front_end.working
    assert front_end.silent == (SILENT,)
    assert (front_end.requests, front_end.responses) == (2, 1)
    front_end._pinger.close()


async def test_silence_counts_only_when_it_has_lasted() -> None:
    front_end = FrontEnd(lambda: ())
    front_end.set((SILENT,), 0.2, 3.0)
    await front_end._round()
    assert front_end.working, "it has not been asked for long"
    front_end._answered_at -= 3
    await front_end._round()
    assert not front_end.working
    front_end._pinger.close()


async def test_where_there_is_nothing_to_ask_it_works() -> None:
    front_end = FrontEnd(lambda: ())
    front_end.set((GATEWAY, "no address"), 0.2, 3.0)
    front_end._answered_at -= 60
    await front_end._round()
    assert front_end.working
    assert front_end.requests == 0
