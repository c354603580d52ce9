"""Every fault of an object is reported at once, with its code, its place and a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.extra_file import EXTRA_FILE
from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import ResourceType
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.validate import PROBLEM_LIMIT, Invalid, build, normalise
from pointsman.schema.virtual_server import VIRTUAL_SERVER


def problems(kind: ResourceType, settings: Any, name: str = "one") -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as refusal:
        build(kind, name, settings)
    return refusal.value.problems


def problem(kind: ResourceType, settings: Any) -> Problem:
    (only,) = problems(kind, settings)
    assert only.subject == ObjectId(kind.path, "one")
    return only


NODE = {"node": "10.0.0.1:80"}


@pytest.mark.parametrize(
    ("settings", "path", "code", "message"),
    [
        (
            {"basic": {"passive_monitoring": 1}},
            ("basic", "passive_monitoring"),
            "json.wrong_type",
            "has the wrong type; give true or false, without quotes",
        ),
        (
            {"basic": {"max_connection_attempts": True}},
            ("basic", "max_connection_attempts"),
            "json.wrong_type",
            "has the wrong type; give a whole number, without quotes",
        ),
        (
            {"basic": {"max_connection_attempts": "1"}},
            ("basic", "max_connection_attempts"),
            "json.wrong_type",
            "has the wrong type; give a whole number, without quotes",
        ),
        (
            {"basic": {"max_connection_attempts": 1.0}},
            ("basic", "max_connection_attempts"),
            "json.wrong_type",
            "has the wrong type; give a whole number, without quotes",
        ),
        (
            {"basic": {"note": None}},
            ("basic", "note"),
            "json.wrong_type",
            "has the wrong type; give a string",
        ),
        (
            {"basic": {"monitors": "Ping"}},
            ("basic", "monitors"),
            "json.wrong_type",
            "has the wrong type; give a list",
        ),
        (
            {"basic": {"monitors": ["Ping", 2]}},
            ("basic", "monitors", "1"),
            "json.wrong_type",
            "has the wrong type; give a string",
        ),
        (
            {"basic": []},
            ("basic",),
            "json.wrong_type",
            "has the wrong type; give an object of keys and values",
        ),
        (
            {"load_balancing": {"algorithm": 7}},
            ("load_balancing", "algorithm"),
            "json.wrong_type",
            "has the wrong type; give a string",
        ),
        (
            {"basic": {"node_delete_behavior": "later"}},
            ("basic", "node_delete_behavior"),
            "value.not_permitted",
            "must be one of 'drain' or 'immediate'; choose one of them",
        ),
        (
            {"basic": {"node_connection_attempts": 101}},
            ("basic", "node_connection_attempts"),
            "num.out_of_range",
            "is out of range; give a number from 1 to 100",
        ),
        (
            {"auto_scaling": {"min_nodes": -1}},
            ("auto_scaling", "min_nodes"),
            "num.out_of_range",
            "is out of range; give a number of 0 or more",
        ),
        (
            {"basic": {"failure_pool": "x" * 8193}},
            ("basic", "failure_pool"),
            "string.too_long",
            "is too long; shorten it to 8192 characters at most",
        ),
        (
            {"basic": {"monitors": ["x"] * 10_001}},
            ("basic", "monitors"),
            "list.too_long",
            "is too long; shorten it to 10000 elements at most",
        ),
        (
            {"basic": {"failure_pool": "a\nb"}},
            ("basic", "failure_pool"),
            "string.illegal_character",
            "must be one line without control characters; remove the character U+000A",
        ),
        (
            {"basic": {"failure_pool": "\ud800"}},
            ("basic", "failure_pool"),
            "string.illegal_character",
            "must be valid Unicode; remove the unpaired surrogate",
        ),
        (
            {"basics": {}},
            ("basics",),
            "json.unknown_property",
            'no such section; remove it, or did you mean "basic"?',
        ),
        (
            {"basic": {"passive_monitor": True}},
            ("basic", "passive_monitor"),
            "json.unknown_property",
            'no such key; remove it, or did you mean "passive_monitoring"?',
        ),
        (
            {"basic": {"zzzz": True}},
            ("basic", "zzzz"),
            "json.unknown_property",
            "no such key; remove it",
        ),
        (
            {"basic": {"nodes_table": {}}},
            ("basic", "nodes_table"),
            "json.invalid_table",
            "has the wrong type; give a list",
        ),
        (
            {"basic": {"nodes_table": ["10.0.0.1:80"]}},
            ("basic", "nodes_table", "0"),
            "json.invalid_table",
            "has the wrong type; give an object of keys and values",
        ),
        (
            {"basic": {"nodes_table": [{"weight": 1}]}},
            ("basic", "nodes_table", "0", "node"),
            "property.no_default",
            "a value is needed and there is no default; set it",
        ),
        (
            {"basic": {"nodes_table": [NODE | {"weight": 0}]}},
            ("basic", "nodes_table", "10.0.0.1:80", "weight"),
            "num.out_of_range",
            "is out of range; give a number from 1 to 100",
        ),
        (
            {"basic": {"nodes_table": [NODE | {"stat": "active"}]}},
            ("basic", "nodes_table", "10.0.0.1:80", "stat"),
            "json.unknown_property",
            'no such column; remove it, or did you mean "state"?',
        ),
        (
            {"basic": {"nodes_table": [NODE | {"weight": "1"}]}},
            ("basic", "nodes_table", "10.0.0.1:80", "weight"),
            "json.wrong_type",
            "has the wrong type; give a whole number, without quotes",
        ),
        (
            {"basic": {"nodes_table": [NODE, NODE]}},
            ("basic", "nodes_table", "10.0.0.1:80"),
            "table.duplicate_row",
            'the row "10.0.0.1:80" occurs twice; keep one of them',
        ),
        (
            {"basic": {"nodes_table": [{"node": "web1"}]}},
            ("basic", "nodes_table", "web1", "node"),
            "value.invalid",
            'must be written host:port, as in "10.0.0.1:80"; add what is missing',
        ),
        (
            {"basic": {"nodes_table": [{"node": "a\n:80"}]}},
            ("basic", "nodes_table", "0", "node"),
            "string.illegal_character",
            "must be one line without control characters; remove the character U+000A",
        ),
    ],
)
def test_a_fault_is_reported(settings: Any, path: tuple[str, ...], code: str, message: str) -> None:
    found = problem(POOL, settings)
    assert (found.path, found.code, found.message) == (path, code, message)


def test_all_faults_are_reported_at_once() -> None:
    settings = {"basic": {"port": 0, "wings": 2}, "http": {"mime_detect": "no"}, "tcp": {"mss": []}}
    found = {each.path: each.code for each in problems(VIRTUAL_SERVER, settings)}
    assert found == {
        ("basic", "pool"): "property.no_default",
        ("basic", "port"): "num.out_of_range",
        ("basic", "wings"): "json.unknown_property",
        ("http", "mime_detect"): "json.wrong_type",
        ("tcp", "mss"): "json.wrong_type",
    }


def test_required_keys_are_named_even_when_their_section_is_absent() -> None:
    found = [(each.path, each.code) for each in problems(SERVER_KEY, {})]
    assert found == [
        (("basic", "private"), "property.no_default"),
        (("basic", "public"), "property.no_default"),
    ]


def test_the_refusal_reads_well() -> None:
    with pytest.raises(
        Invalid, match=r"^monitors/one: basic\.delay: is out of range; give a number from 1 to 999990$"
    ):
        build(MONITOR, "one", {"basic": {"delay": 0}})


def test_empty_sections_and_missing_ones_take_defaults() -> None:
    assert build(POOL, "one", {"ssl": {}, "basic": {}}) == build(POOL, "one", {})


def test_a_file_is_its_bytes() -> None:
    content = bytes(range(256))
    assert build(EXTRA_FILE, "one", {"content": content}).model_dump() == {"content": content}
    assert problem(EXTRA_FILE, {"content": 3}).message == "has the wrong type; give the content of a file"


@pytest.mark.parametrize(
    "name", ["a", "Web VIP", "a/b", "..a", "#x", "'\"", "x" * 255, "日本", "%2e%2e", "<b>", "$(id)", "-rf"]
)
def test_any_visible_name_is_accepted(name: str) -> None:
    build(POOL, name, {})


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("", "at least one character"),
        (".", "choose another"),
        ("..", "choose another"),
        ("a\nb", "remove them"),
        ("a\0", "remove them"),
        ("a\u2028b", "remove them"),
        ("\ud800", "remove them"),
        (" a", "remove it"),
        ("a ", "remove it"),
        ("x" * 256, "shorten it"),
        ("é" * 128, "shorten it"),
        ("e\u0301", "normal form C"),
    ],
)
def test_other_names_are_refused(name: str, remedy: str) -> None:
    (only,) = problems(POOL, {}, name)
    assert (only.path, only.code) == ((), "name.invalid")
    assert remedy in only.message


def test_sets_lose_repeated_elements_and_lists_do_not() -> None:
    monitors, rules = POOL.key("basic", "monitors"), VIRTUAL_SERVER.key("basic", "request_rules")
    assert monitors is not None and rules is not None
    assert normalise(monitors, ["b", "a", "b"]) == ["b", "a"]
    assert normalise(rules, ["b", "a", "b"]) == ["b", "a", "b"]


@pytest.mark.parametrize(
    "settings",
    [
        {"basic": {"nodes_table": [{"node": "bad"}] * 1_000_000}},
        {"basic": {f"passive_monitorin{number}": 1 for number in range(100_000)}},
        {f"basi{number}": {} for number in range(100_000)},
        {"basic": {"nodes_table": [{"node": "bad", "x": 1, "weight": "x"}] * 10_000}},
    ],
)
def test_huge_objects_are_refused_with_bounded_faults(settings: Any) -> None:
    assert 1 <= len(problems(POOL, settings)) <= PROBLEM_LIMIT


@pytest.mark.parametrize("name", ["discard", "builtin_dns"])
def test_a_pool_cannot_have_a_name_that_means_something_else(name: str) -> None:
    with pytest.raises(Invalid, match="a meaning of its own"):
        build(POOL, name, {})
    assert build(MONITOR, name, {})
