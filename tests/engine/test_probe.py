"""Test binds say in plain words why an address cannot be had, and never take our own engine for a stranger."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pointsman.compiler.plan import Listener
from pointsman.engine.haproxy.probe import refused_binds

ANY = "0.0.0.0"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens on 127.0.0.1."""
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        yield foreign.getsockname()[1]


def refusal(address: str, port: int, *ours: tuple[str, int], transparent: bool = False) -> str:
    listener = Listener(address, port, None, transparent)
    return refused_binds((listener,), frozenset(ours)).get(listener, "")


def test_a_free_port_is_free_and_stays_free() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(3):
        assert refusal("127.0.0.1", port) == ""


def test_another_program_has_the_port(taken: int) -> None:
    assert refusal("127.0.0.1", taken) == f"port {taken} is in use by another program"
    assert refusal(ANY, taken) == f"port {taken} is in use by another program"


def test_a_port_of_another_address_is_free(taken: int) -> None:
    assert refusal("127.0.0.2", taken) == ""


def test_our_own_listeners_are_no_obstacle(taken: int) -> None:
    assert refusal("127.0.0.1", taken, ("127.0.0.1", taken)) == ""
    assert refusal(ANY, taken, ("127.0.0.1", taken)) == "", "it gives way to its successor"


def test_a_stranger_beside_our_own_listener_is_found(taken: int) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.2", taken))
        foreign.listen()
        assert refusal(ANY, taken, ("127.0.0.1", taken)) == f"port {taken} is in use by another program"


def test_an_address_of_another_machine() -> None:
    assert refusal("192.0.2.1", 4711) == "address 192.0.2.1 is not on this machine"
    assert refusal("192.0.2.1", 4711, transparent=True) == "", "a traffic IP is bound before it is raised"


def test_both_families_share_a_port() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with probe:
        port = probe.getsockname()[1]
        assert refusal(ANY, port) == ""
        assert refusal("::", port) == f"port {port} is in use by another program"
