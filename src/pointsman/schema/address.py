"""Network addresses as administrators write them: a host, a host with a port, the node of a pool.

Invariant: whether a name resolves is not decided here; only text that could never be an address is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, LiteralString

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from pointsman.schema.value import Line, ListOf, Unordered

HOST_NAME_LIMIT = 253

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HOST_PATTERN = re.compile(r"[A-Za-z0-9_.*:-]+")
_NUMERIC_HOST = re.compile(r"[0-9.]+")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_IPV4_NODE = re.compile(rf"({_IPV4.pattern}):([1-9][0-9]{{0,3}}|[1-5][0-9]{{4}})")
"""What nearly all nodes are like."""


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address as it is written in full; in a tenth of the time that `ipaddress` takes."""
    return _IPV4.fullmatch(text) is not None


def split_ipv4_node(node: str) -> tuple[str, int] | None:
    """Address and port of a node that is written as nearly all are; None says nothing of it."""
    usual = _IPV4_NODE.fullmatch(node)
    return None if usual is None else (usual[1], int(usual[2]))


def split_node(node: str) -> tuple[str, int]:
    """Host (without brackets) and port of a node written `host:port` or `[IPv6 address]:port`.

    Raises `PydanticCustomError` saying what to write instead.
    """
    if usual := split_ipv4_node(node):
        return usual
    if "://" in node:
        raise _fault(
            'must be written host:port, as in "10.0.0.1:80"; leave out what stands before // and the path'
        )
    host, colon, port = node.rpartition(":")
    if not colon or not host:
        raise _fault('must be written host:port, as in "10.0.0.1:80"; add what is missing')
    if not _PORT.fullmatch(port) or int(port) > 65_535:
        raise _fault("must end in a port from 1 to 65535, without leading zeros; correct the port")
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(host[1:-1]), int(port)
    if ":" in host:
        raise _fault('must hold an IPv6 address in brackets, as in "[2001:db8::1]:80"; add the brackets')
    return _host(host), int(port)


def split_end_point(text: str) -> tuple[str, int]:
    """Host (without brackets) and port of a node, or of a host or address alone; then the port is 0.

    Raises `PydanticCustomError` saying what to write instead.
    """
    if text.startswith("[") or text.count(":") == 1:
        return split_node(text)
    return (_host(text) if text else ""), 0


def _host(host: str) -> str:
    if ":" in host:
        return _ipv6(host)
    if _NUMERIC_HOST.fullmatch(host):
        return _ipv4(host)
    labels = host.removesuffix(".").split(".")
    if len(host) > HOST_NAME_LIMIT or not all(_LABEL.fullmatch(label) for label in labels):
        raise _fault(
            "must be an IP address or a host name of letters, digits, hyphens and dots; correct the name "
            "(names in other scripts are written in their xn-- form)"
        )
    return host


def _ipv4(text: str) -> str:
    if not is_ipv4(text):
        raise _fault('must hold a complete IPv4 address, as in "10.0.0.1"; correct the numbers')
    return text


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise _fault('must hold a valid IPv6 address, as in "2001:db8::1"; correct the address') from None
    if address.scope_id is not None:
        raise _fault("must hold an IPv6 address that needs no interface; remove the part from the % on")
    return text


def _node(value: str) -> str:
    split_node(value)
    return value


def _host_only(value: str) -> str:
    _host(value)
    return value


def _host_pattern(value: str) -> str:
    if len(value) > HOST_NAME_LIMIT or not _HOST_PATTERN.fullmatch(value):
        raise _fault(
            "must be a host name, a pattern such as *.example.com or an IP address; correct it "
            "(names in other scripts are written in their xn-- form)"
        )
    return value


def _ip_or_empty(value: str) -> str:
    if value:
        _ipv6(value) if ":" in value else _ipv4(value)
    return value


def _end_point(value: str) -> str:
    split_end_point(value)
    return value


def _fault(message: LiteralString) -> PydanticCustomError:
    return PydanticCustomError("address", message)


Node = Annotated[Line, AfterValidator(_node)]
"""`host:port` or `[IPv6 address]:port`."""

Host = Annotated[Line, AfterValidator(_host_only)]
"""A host name or an IP address, without port and brackets."""

HostSet = Annotated[ListOf[Host], Unordered()]
"""Hosts in an order without meaning."""

HostPattern = Annotated[Line, AfterValidator(_host_pattern)]
"""A host name in which * may stand for any characters, or an IP address; never empty."""

OptionalIP = Annotated[Line, AfterValidator(_ip_or_empty)]
"""An IP address, or "" for none."""

EndPoint = Annotated[Line, AfterValidator(_end_point)]
"""A host or IP address with or without a port, or "" for none."""
