"""Which clients a machine has at which of its addresses, by real connections."""

from __future__ import annotations

import socket

import pytest

from pointsman.launcher.connections import clients_elsewhere


@pytest.mark.parametrize(
    ("family", "address", "other"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.2"), (socket.AF_INET6, "::1", "fd00::7")],
)
def test_a_client_is_where_it_connected(family: socket.AddressFamily, address: str, other: str) -> None:
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    with listening, socket.create_connection(listening.getsockname()[:2]) as client:
        accepted, _ = listening.accept()
        with accepted:
            name = "{}:{}".format(*client.getsockname()[:2])
            assert name in clients_elsewhere({other})
            assert name not in clients_elsewhere({address})


def test_an_ipv4_client_of_a_socket_for_both_is_known_by_its_ipv4_address() -> None:
    try:
        listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening, socket.create_connection(("127.0.0.1", listening.getsockname()[1])) as client:
        accepted, _ = listening.accept()
        with accepted:
            name = "{}:{}".format(*client.getsockname())
            assert name in clients_elsewhere({"192.0.2.7"})
            assert name not in clients_elsewhere({"127.0.0.1"})
