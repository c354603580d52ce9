"""What stands for a node: the same everywhere, whatever else is configured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.compiling import FACTS, complaints, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import Facts
from pointsman.compiler.plan import Plan

NODES = [f"10.0.{number // 200}.{number % 200}:80" for number in range(1, 131)]


def compiled(kind: str, nodes: list[str], facts: Facts = FACTS, **pool: Any) -> Plan:
    rows = [{"node": node, "priority": 1 + number % 2} for number, node in enumerate(nodes)]
    objects = {
        "pools/app": {"basic": {"nodes_table": rows, "persistence_class": "stick"}, **pool},
        "persistence/stick": {"basic": {"type": kind}},
        "virtual_servers/web": {"basic": {"enabled": True, "port": 80, "pool": "app"}},
    }
    return compile_plan(snapshot(objects), facts)


def marks(plan: Plan, word: str) -> dict[str, set[str]]:
    """What stands for each node after `word`, in all backends together."""
    found: dict[str, set[str]] = {}
    for section in plan.sections:
        for server in section.servers:
            found.setdefault(server.node, set()).add(server.options[server.options.index(word) + 1])
    return found


def test_a_node_is_the_same_in_every_backend_and_pool_of_nodes() -> None:
    for kind, word in (("ip", "id"), ("transparent", "cookie")):
        many, few = marks(compiled(kind, NODES), word), marks(compiled(kind, NODES[40:45]), word)
        assert all(len(each) == 1 for each in many.values())
        assert len({*map(str, many.values())}) == len(NODES)
        assert all(many[node] == few[node] for node in few)


def test_cookies_tell_no_address_and_depend_on_the_secret() -> None:
    one = marks(compiled("transparent", NODES[:3], replace(FACTS, session_secret=b"1")), "cookie")
    other = marks(compiled("transparent", NODES[:3], replace(FACTS, session_secret=b"2")), "cookie")
    assert all(re.fullmatch("[0-9a-f]{16}", value) for values in one.values() for value in values)
    assert all(one[node] != other[node] for node in one)


def test_many_nodes_of_many_priorities_are_accepted(tmp_path: Path) -> None:
    for kind in ("ip", "transparent"):
        plan = compiled(kind, NODES, load_balancing={"priority_enabled": True})
        assert plan.text().count("acl session_elsewhere_0 ") == 2
        assert complaints(plan, tmp_path / kind) == ""
