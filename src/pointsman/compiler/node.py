"""The nodes of a pool as the data plane needs them: with the address that their host has right now.

Invariant: a node whose host has no address is left out and named in a condition; the others serve.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from operator import attrgetter
from typing import Literal, NamedTuple

from pointsman.compiler.remark import Remarks
from pointsman.schema.address import is_ipv4, split_ipv4_node, split_node
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId


class Node(NamedTuple):
    """One node: `text` as the administrator wrote it, `host` without port and brackets, `address` an IP address.

    `weight` is 1..100 and counts for weighted algorithms only; nodes of the highest `priority` are used first.
    """

    text: str
    host: str
    address: str
    port: int
    weight: int
    state: Literal["active", "disabled", "draining"]
    priority: int
    source_ip: str


def addresses_of(host: str, addresses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The IP addresses of a host: itself if it is one, else what it resolves to; empty when it does not resolve."""
    if is_address(host):
        return (host,)
    return tuple(address for address in addresses.get(host, ()) if is_address(address))


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 address or an IPv6 address without scope."""
    if is_ipv4(text):
        return True
    try:
        return "%" not in str(ipaddress.ip_address(text))
    except ValueError:
        return False


def nodes_of(
    name: str, pool: Pool, addresses: Mapping[str, tuple[str, ...]], remarks: Remarks
) -> tuple[Node, ...]:
    """The pool's nodes that have an address, in the order of their texts (the table is a set)."""
    found: list[Node] = []
    for row in sorted(pool.basic.nodes_table, key=attrgetter("node")):
        usual = split_ipv4_node(row.node)
        host, port = usual or split_node(row.node)
        resolved = (host,) if usual else addresses_of(host, addresses)
        if not resolved:
            remarks.warn(
                ObjectId("pools", name),
                "node_unresolved",
                f'the host name of node "{row.node}" does not resolve; the node is left out. '
                "Correct the name, or make the name service know it",
                *("basic", "nodes_table", row.node, "node"),
            )
            continue
        found.append(
            Node(row.node, host, resolved[0], port, row.weight, row.state, row.priority, row.source_ip)
        )
    return tuple(found)
