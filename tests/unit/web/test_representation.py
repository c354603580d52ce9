"""Objects as REST shows and takes them, and problems as `error_info`."""

import base64
import hashlib
from typing import Any

from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Resource
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.validate import build
from pointsman.web.api.representation import error_info, invalid_answer, read_expert_keys, show, take

POOL_P = ObjectId("pools", "p")


def test_expert_keys_are_section_and_key_or_a_key_of_basic() -> None:
    keys = read_expert_keys(["ssl/verify, http/x", "editable_keys"])
    assert keys == {("ssl", "verify"), ("http", "x"), ("basic", "editable_keys")}
    assert read_expert_keys([]) == frozenset()
    assert ("basic", "") in read_expert_keys([","])


def test_an_object_shows_every_section_and_key_in_order() -> None:
    pool = build(POOL, "p", {"basic": {"nodes_table": [{"node": "a:1"}]}})
    assert isinstance(pool, Resource)
    shown = show(POOL, pool, frozenset())["properties"]
    assert tuple(shown) == POOL.sections
    visible = [(key.section, key.name) for key in POOL.keys if not key.hidden]
    assert [(section, name) for section, keys in shown.items() for name in keys] == visible
    hidden = [key for key in POOL.keys if key.hidden]
    named = frozenset((key.section, key.name) for key in hidden)
    everything = show(POOL, pool, named)["properties"]
    assert all(key.name in everything[key.section] for key in hidden)


def test_a_secret_is_never_shown() -> None:
    key = build(SERVER_KEY, "k", {"basic": {"public": "P", "private": "S"}})
    assert isinstance(key, Resource)
    shown = show(SERVER_KEY, key, frozenset())["properties"]["basic"]
    assert shown["private"] == base64.b64encode(hashlib.sha256(b"S").digest()).decode()
    assert shown["public"] == "P"


def test_the_frame_of_a_body_is_checked() -> None:
    assert take(POOL, POOL_P, {"properties": {"basic": {"x": 1}}}, frozenset()) == ({"basic": {"x": 1}}, ())
    bodies: tuple[Any, ...] = (None, [], 5, "x", {}, {"properties": 1}, {"properties": {}, "more": 1})
    for body in bodies:
        _, problems = take(POOL, POOL_P, body, frozenset())
        assert problems and all(problem.subject == POOL_P for problem in problems)


def test_problems_nest_by_section_key_row_and_column() -> None:
    problems = (
        Problem(POOL_P, ("basic", "nodes_table", "h:1", "weight"), "num.out_of_range", "too much; use less"),
        Problem(POOL_P, ("basic", "nodes_table", "h:1", "color"), "json.unknown_property", "unknown"),
        Problem(POOL_P, ("basic", "nodes_table", "2"), "json.invalid_table", "no row"),
        Problem(POOL_P, ("basic", "monitors", "0"), "json.wrong_type", "has the wrong type"),
        Problem(POOL_P, ("basic", "monitors", "3"), "json.wrong_type", "has the wrong type"),
        Problem(POOL_P, ("nonsense",), "json.unknown_property", "no such section"),
        Problem(POOL_P, (), "name.invalid", "the whole"),
    )
    assert error_info(POOL, problems) == {
        "basic": {
            "nodes_table": {
                "h:1": {
                    "weight": {"error_id": "num.out_of_range", "error_text": "too much; use less"},
                    "color": {"error_id": "json.unknown_property", "error_text": "unknown"},
                },
                "2": {"error_id": "json.invalid_table", "error_text": "no row"},
            },
            "monitors": {
                "error_id": "json.wrong_type",
                "error_text": "element 1 has the wrong type; element 4 has the wrong type",
            },
        },
        "nonsense": {"error_id": "json.unknown_property", "error_text": "no such section"},
    }


def test_the_text_says_what_is_wrong_and_where() -> None:
    problems = [Problem(POOL_P, ("basic", f"k{n}"), "x", "is bad; make it good") for n in range(7)]
    body = invalid_answer(POOL, POOL_P, problems).body
    assert b"pools/p was not stored: basic.k0: is bad" in body and b"; and 2 more" in body
    assert (
        b"was not stored: the name is bad"
        in invalid_answer(POOL, POOL_P, [Problem(POOL_P, (), "name.invalid", "the name is bad")]).body
    )
