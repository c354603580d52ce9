"""Addresses as administrators write them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pointsman.schema.address import EndPoint, Host, HostPattern, Node, OptionalIP, is_ipv4, split_node


@pytest.mark.parametrize(
    ("node", "host", "port"),
    [
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("10.0.0.1:59999", "10.0.0.1", 59_999),
        ("10.0.0.1:65535", "10.0.0.1", 65_535),
        ("web1:1", "web1", 1),
        ("web_1.internal.:65535", "web_1.internal.", 65_535),
        ("[::1]:8080", "::1", 8080),
        ("[2001:DB8::1]:443", "2001:DB8::1", 443),
    ],
)
def test_a_node_has_host_and_port(node: str, host: str, port: int) -> None:
    assert split_node(node) == (host, port)


@pytest.mark.parametrize(
    ("node", "remedy"),
    [
        ("", "add what is missing"),
        ("web1", "add what is missing"),
        (":80", "add what is missing"),
        ("web1:", "correct the port"),
        ("web1:0", "correct the port"),
        ("web1:080", "correct the port"),
        ("web1:65536", "correct the port"),
        ("web1:-1", "correct the port"),
        ("web1:http", "correct the port"),
        ("web1:٨٠", "correct the port"),
        ("::1:80", "add the brackets"),
        ("[::1]", "correct the port"),
        ("[1.2.3.4]:80", "correct the address"),
        ("[]:80", "correct the address"),
        ("[fe80::1%eth0]:80", "remove the part from the %"),
        ("1.2.3:80", "correct the numbers"),
        ("256.1.1.1:80", "correct the numbers"),
        ("-web:80", "correct the name"),
        ("web..example:80", "correct the name"),
        ("a b:80", "correct the name"),
        ("http://10.0.0.1:80/", "leave out what stands before"),
        ("a#b:80", "correct the name"),
        ('a"b:80', "correct the name"),
        ("münchen:80", "xn--"),
        ("x" * 64 + ":80", "correct the name"),
        (".".join(["x" * 60] * 5) + ":80", "correct the name"),
    ],
)
def test_a_bad_node_is_refused_with_its_remedy(node: str, remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        TypeAdapter(Node).validate_python(node)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (Host, ["web1", "10.0.0.1", "::1"], ["", "web1:80", "[::1]", "a b", "1.2.3"]),
        (
            HostPattern,
            ["*.example.com", "www.example.com", "*", "10.0.0.1", "::1"],
            ["", "a b", "!a", "ä", "x" * 254],
        ),
        (OptionalIP, ["", "10.0.0.1", "::1"], ["web1", "10.0.0", "::g", "10.0.0.1:80"]),
        (
            EndPoint,
            ["", "web1", "web1:80", "10.0.0.1", "::1", "[::1]:80"],
            ["web1:", "[::1]", "a b", "web1:0"],
        ),
    ],
)
def test_other_forms_of_address(form: Any, good: list[str], bad: list[str]) -> None:
    adapter = TypeAdapter[str](form)
    for text in good:
        assert adapter.validate_python(text) == text
    for text in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


octets = st.integers(0, 300).map(str) | st.sampled_from(["", "00", "01", "007", "+1", "١", " 1", "1\n"])


@given(st.lists(octets, min_size=3, max_size=5).map(".".join))
def test_the_short_way_knows_the_same_ipv4_addresses(text: str) -> None:
    try:
        known = str(ipaddress.IPv4Address(text)) == text
    except ValueError:
        known = False
    assert is_ipv4(text) is known
