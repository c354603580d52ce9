"""What goes over the wire: the request, names, checksums, quoted excerpts."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compiler.plan import Check
from pointsman.monitors.connection import host, server_name
from pointsman.monitors.finding import excerpt
from pointsman.monitors.http import request
from pointsman.monitors.ping import internet_checksum, reply_token

CHECK = Check("web", "web1:80", "Full HTTP", "http", "10.0.0.1", 80, delay=5, timeout=3, failures=3)


def test_the_request_is_one_get_with_host_and_credentials() -> None:
    check = replace(CHECK, path="/a b?c=\u00e9", authentication="u:p\u00e4ss", host_header="www.example.org")
    assert request(check).split(b"\r\n") == [
        b"GET /a%20b?c=%C3%A9 HTTP/1.1",
        b"Host: www.example.org",
        b"User-Agent: Pointsman-Monitor/1.0",
        b"Accept: */*",
        b"Connection: close",
        b"Authorization: Basic dTpww6Rzcw==",
        b"",
        b"",
    ]


@given(st.text(), st.text(), st.text())
def test_no_setting_can_add_a_header(path: str, name: str, authentication: str) -> None:
    try:
        authentication.encode()
    except UnicodeEncodeError:
        authentication = "u:p"
    check = replace(
        CHECK,
        path=path.encode("utf-8", "replace").decode(),
        host_header=name,
        authentication=authentication,
    )
    lines = request(check).split(b"\r\n")
    assert len(lines) == (8 if authentication else 7)
    assert b"\n" not in b"".join(lines)


@pytest.mark.parametrize(
    ("changes", "name", "sni"),
    [
        ({}, "web1", "web1"),
        ({"node": "web1:8080"}, "web1:8080", "web1"),
        ({"node": "web1:443", "use_ssl": True}, "web1", "web1"),
        ({"node": "", "address": "::1", "port": 8443}, "[::1]:8443", "::1"),
        ({"host_header": "shop.example.org:444"}, "shop.example.org:444", "shop.example.org"),
        ({"host_header": ".broken"}, ".broken", "10.0.0.1"),
    ],
)
def test_the_host_is_the_monitors_own_or_the_node(changes: dict[str, str], name: str, sni: str) -> None:
    check = replace(CHECK, **changes)  # type: ignore[arg-type]  # rows of mixed fields
    assert host(check) == name
    assert server_name(check) == sni


def test_excerpts_are_one_short_line() -> None:
    assert excerpt(b"220 ready\r\n\xff") == '"220 ready\\r\\n\\xff"'
    assert excerpt(b"x" * 100) == f'"{"x" * 60}"...'


@given(st.binary(min_size=2, max_size=64).filter(lambda data: len(data) % 2 == 0))
def test_data_with_its_checksum_adds_up_to_zero(data: bytes) -> None:
    """RFC 1071: the receiver's sum over everything is all ones."""
    assert internet_checksum(data + internet_checksum(data).to_bytes(2, "big")) == 0


@given(st.binary(max_size=100), st.sampled_from([socket.AF_INET, socket.AF_INET6]))
def test_any_packet_is_read_without_error(packet: bytes, family: socket.AddressFamily) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        token = reply_token(packet, connection)
    assert token == b"" or (packet[0] in (0, 129) and token == packet[8:24])
