"""Who takes whose place when a backup is restored into another cluster."""

from __future__ import annotations

from typing import Annotated

import pytest

from pointsman.control.member_mapping import as_member, map_members, renamed
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.validate import Invalid
from pointsman.schema.value import Line, LineSet, Reference, Table, TableKey

A_MEMBER = Reference("traffic_managers")


class Pinned(Row):
    """An address and who holds it."""

    ip: Line
    """The address."""

    traffic_manager: Annotated[Line, A_MEMBER]
    """Who holds it."""


class Basic(Section):
    """Every way of naming a traffic manager."""

    first: Annotated[Line, A_MEMBER] = ""
    """One."""

    machines: Annotated[LineSet, A_MEMBER] = ()
    """Some."""

    mapping: Annotated[Table[Pinned], TableKey("ip")] = ()
    """One in each row."""

    note: Line = ""
    """No name."""


class Group(Resource):
    """An object that names traffic managers."""

    basic: Basic = Basic()


REGISTRY = {
    "groups": ResourceType(path="groups", title="Group", plural="Groups", kind=Kind.COLLECTION, model=Group)
}


@pytest.mark.parametrize(
    ("old", "present", "wish", "mapping"),
    [
        (["a", "b", "c"], ["a", "b", "c"], {}, {"a": "a", "b": "b", "c": "c"}),
        (["a", "b"], ["x", "y"], {}, {"a": "x", "b": "y"}),
        (["a", "b", "c"], ["c", "x"], {}, {"c": "c", "a": "x"}),  # 3 -> 2: b finds no place
        (["a", "b"], ["b", "x", "y"], {}, {"b": "b", "a": "x"}),  # 2 -> 3: y stays as it is
        (["a", "b"], ["a", "b"], {"a": "b"}, {"a": "b", "b": "a"}),
        (["a", "b"], ["x"], {"a": ""}, {"b": "x"}),
        (["a", "b", "c"], ["x", "y"], {"c": "x"}, {"c": "x", "a": "y"}),
        ([], ["x"], {}, {}),
    ],
)
def test_the_default_is_sensible(
    old: list[str], present: list[str], wish: dict[str, str], mapping: dict[str, str]
) -> None:
    """R60: equal names first, then in order; what is wished goes before."""
    assert map_members(old, present, wish) == mapping


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"z": "x"}, 'has no traffic manager "z"; it has a, b'),
        ({"a": "z"}, 'no traffic manager "z" here; there are x, y'),
        ({"a": "x", "b": "x"}, '"x" can take the place of one'),
    ],
)
def test_a_wish_that_cannot_be_is_refused(wish: dict[str, str], text: str) -> None:
    with pytest.raises(Invalid, match=text):
        map_members(["a", "b"], ["x", "y"], wish)


def test_whatever_names_a_member_follows() -> None:
    """R60: group members follow the mapping; who finds no place is left out and said."""
    group = ObjectId("groups", "g")
    settings = {
        "basic": {
            "first": "a",
            "machines": ["b", "gone", "a"],
            "mapping": [
                {"ip": "10.0.0.1", "traffic_manager": "b"},
                {"ip": "10.0.0.2", "traffic_manager": "gone"},
            ],
            "note": "a",
        }
    }
    changed, remarks = renamed(group, settings, {"a": "b", "b": "a"}, REGISTRY)
    assert changed["basic"] == {
        "first": "b",
        "machines": ["a", "b"],
        "mapping": [{"ip": "10.0.0.1", "traffic_manager": "a"}],
        "note": "a",
    }
    assert [remark.path for remark in remarks] == [("basic", "machines"), ("basic", "mapping")]
    assert all("gone" in remark.message for remark in remarks)
    alone, remarks = renamed(group, {"basic": {"first": "gone"}}, {}, REGISTRY)
    assert alone["basic"] == {}
    assert len(remarks) == 1


def test_another_machine_stays_who_it_is() -> None:
    """R60: per-instance settings follow; addresses, interfaces and management ports are those of the present one."""
    stored = {"basic": {"nameip": "10.0.0.9", "num_children": 1}, "rest_api": {"port": 19070}}
    described = {
        "basic": {"nameip": "10.0.0.1", "num_children": 4, "location": "here"},
        "rest_api": {"port": 9070},
        "cluster_comms": {"port": 9080},
        "snmp": {"enabled": True, "bind_ip": "10.0.0.1"},
        "appliance": {"hostname": "old"},
    }
    assert as_member(stored, described) == {
        "basic": {"nameip": "10.0.0.9", "num_children": 4, "location": "here"},
        "rest_api": {"port": 19070},
        "snmp": {"enabled": True},
    }
