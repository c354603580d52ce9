"""Settings to registers and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.opening import rounds
from tests.unit.store.resources import REGISTRY, SITE

from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import ResourceType
from pointsman.store.error import UnknownField
from pointsman.store.json_text import canonical, equal, parsed
from pointsman.store.shape import Shape, digest_of

SHAPE = Shape(SITE)
ME = ObjectId("sites", "me")


class Known:
    """Names of a few objects; the uid of "x" is "ux"."""

    def __init__(self, *identities: ObjectId) -> None:
        self.uids = {identity: f"u{identity.name}" for identity in identities}

    def find(self, identity: ObjectId) -> str | None:
        return self.uids.get(identity)

    def name_of(self, type_path: str, uid: str) -> str | None:
        return next((i.name for i, known in self.uids.items() if (i.type, known) == (type_path, uid)), None)


NAMES = Known(
    *(ObjectId("sites", n) for n in ("a", "b")),
    *(ObjectId("rules", n) for n in ("a", "b")),
    ObjectId("ssl/server_keys", "c"),
)

text = st.sampled_from(["", "a", "b", "c", "discard", "/a", "/zz", "=a", "@ua", "x/y", "0/a", "é", "#"])
words = st.lists(text, max_size=5)
unique = st.lists(text, max_size=5, unique=True)


def rows(key: str, **columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({key: text}, optional=columns)
    return st.lists(row, max_size=4, unique_by=lambda row: row[key])


basic = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "port": st.integers(),
        "ratio": st.floats(allow_nan=False, allow_infinity=False),
        "note": text,
        "pool": text,
        "rules": words,
        "words": words,
        "monitors": unique,
        "tags": unique,
        "nodes": rows("node", weight=st.integers(1, 3), state=st.sampled_from(["active", "disabled"])),
        "pairs": st.lists(st.fixed_dictionaries({"name": text, "value": text}), max_size=3),
    },
)
safe = st.fixed_dictionaries(
    {},
    optional={
        "password": text,
        "codes": words,
        "nodes": rows("node", token=text),
        "certificates": rows("host", certificate=text, others=words),
    },
)
sites = st.fixed_dictionaries({}, optional={"basic": basic, "safe": safe})


def _filled(given_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty sections, which the store does not know."""
    return {section: keys for section, keys in given_settings.items() if keys}


def _write(values: dict[str, Any], wanted: Mapping[str, Any], names: Known = NAMES) -> dict[str, Any]:
    writes = SHAPE.write(ME, values, wanted, names)
    merged = {**values, **json.loads(json.dumps(writes))}
    return {name: value for name, value in merged.items() if value is not None}


def _read(values: Mapping[str, Any], names: Known = NAMES) -> dict[str, Any]:
    return SHAPE.read(values, names, lambda _: b"")


@settings(max_examples=rounds(100), deadline=None)
@given(st.lists(sites, min_size=1, max_size=4))
def test_what_is_written_is_read_whatever_was_there(versions: list[dict[str, Any]]) -> None:
    values: dict[str, Any] = {}
    for version in versions:
        values = _write(values, version)
        assert canonical(_read(values)) == canonical(_filled(version))
        assert SHAPE.write(ME, values, version, NAMES) == {}


def test_an_empty_list_is_not_an_unset_one() -> None:
    emptied = _write({}, {"basic": {"tags": [], "words": [], "nodes": []}})
    assert _read(emptied) == {"basic": {"tags": [], "words": [], "nodes": []}}
    assert _read(_write(emptied, {})) == {}


def test_two_members_that_remove_the_last_elements_leave_an_empty_list() -> None:
    both = _write({}, {"basic": {"tags": ["x", "y"]}})
    without_x = SHAPE.write(ME, both, {"basic": {"tags": ["y"]}}, NAMES)
    without_y = SHAPE.write(ME, both, {"basic": {"tags": ["x"]}}, NAMES)
    merged = {name: value for name, value in {**both, **without_x, **without_y}.items() if value is not None}
    assert _read(merged) == {"basic": {"tags": []}}


def test_two_members_that_change_two_rows_both_win() -> None:
    start = _write({}, {"basic": {"nodes": [{"node": "a", "weight": 1}, {"node": "b", "weight": 1}]}})
    first = SHAPE.write(
        ME, start, {"basic": {"nodes": [{"node": "a", "weight": 5}, {"node": "b", "weight": 1}]}}, NAMES
    )
    second = SHAPE.write(
        ME, start, {"basic": {"nodes": [{"node": "a", "weight": 1}, {"node": "b", "weight": 7}]}}, NAMES
    )
    assert first.keys() == {"basic.nodes/a"}
    assert second.keys() == {"basic.nodes/b"}
    assert [row["weight"] for row in _read({**start, **first, **second})["basic"]["nodes"]] == [5, 7]


def test_inserting_an_element_writes_that_element_only() -> None:
    start = _write({}, {"basic": {"words": ["a", "b", "c"]}})
    writes = SHAPE.write(ME, start, {"basic": {"words": ["a", "new", "b", "c"]}}, NAMES)
    assert writes.keys() == {"basic.words/0/new"}


def test_repeated_elements_have_registers_of_their_own() -> None:
    start = _write({}, {"basic": {"words": ["a", "b", "a"]}})
    assert {"basic.words/0/a", "basic.words/1/a"} <= start.keys()
    shorter = _write(start, {"basic": {"words": ["b", "a"]}})
    assert _read(shorter) == {"basic": {"words": ["b", "a"]}}


def test_references_hold_the_uid_and_read_as_the_present_name() -> None:
    wanted = {
        "basic": {"pool": "a", "rules": ["a", "/b", "missing", "a"], "monitors": ["b"]},
        "safe": {"certificates": [{"host": "h", "certificate": "c", "others": ["c", "none"]}]},
    }
    values = _write({}, wanted)
    assert values["basic.pool"] == "@ua"
    assert [values[f"basic.rules/{label}"][1] for label in ("0/@ua", "0//@ub", "0/=missing")] == [
        "@ua",
        "/@ub",
        "=missing",
    ]
    later = Known()
    later.uids = {
        ObjectId("sites", "A"): "ua",
        ObjectId("rules", "R"): "ua",
        ObjectId("rules", "S"): "ub",
        ObjectId("sites", "B"): "ub",
        ObjectId("ssl/server_keys", "C"): "uc",
    }
    assert _read(values, later) == {
        "basic": {"pool": "A", "rules": ["R", "/S", "missing", "R"], "monitors": ["B"]},
        "safe": {"certificates": [{"host": "h", "certificate": "C", "others": ["C", "none"]}]},
    }


def test_a_special_name_is_no_reference() -> None:
    names = Known(ObjectId("sites", "discard"))
    assert _write({}, {"basic": {"pool": "discard"}}, names) == {"basic.pool": "=discard"}


def test_settings_tell_whom_they_use_and_can_follow_a_new_name() -> None:
    wanted = {
        "basic": {"pool": "a", "rules": ["/a", "b"], "monitors": ["a"]},
        "safe": {"certificates": [{"host": "a", "certificate": "a", "others": ["a"]}]},
    }
    assert SHAPE.uses(wanted) == {
        ObjectId("sites", "a"),
        ObjectId("rules", "a"),
        ObjectId("rules", "b"),
        ObjectId("ssl/server_keys", "a"),
    }
    assert SHAPE.follow(wanted, ObjectId("rules", "a"), "z")["basic"] == {
        "pool": "a",
        "rules": ["/z", "b"],
        "monitors": ["a"],
    }


def test_a_certificate_and_its_key_are_one_register() -> None:
    shape = Shape(REGISTRY["ssl/server_keys"])
    writes = shape.write(ME, {}, {"basic": {"public": "P", "private": "K"}}, NAMES)
    assert writes == {"basic": {"public": "P", "private": "K"}}
    assert shape.secret("basic")


def test_what_is_secret_is_known_by_its_property() -> None:
    assert SHAPE.secret("safe.password")
    assert SHAPE.secret("safe.codes")
    assert SHAPE.secret("safe.nodes/10.0.0.1:80")
    assert not SHAPE.secret("basic.nodes/10.0.0.1:80")
    assert not SHAPE.secret("")
    assert not SHAPE.secret("name")


def test_a_secret_list_does_not_name_its_elements() -> None:
    assert _write({}, {"safe": {"codes": ["hush"]}}) == {"safe.codes": ["hush"]}


def test_a_file_is_named_by_its_digest() -> None:
    shape = Shape(REGISTRY["rules"])
    writes = shape.write(ME, {}, {"content": b"\x00\xff"}, NAMES)
    assert writes == {"content": digest_of(b"\x00\xff")}
    assert shape.read(writes, NAMES, {digest_of(b"\x00\xff"): b"\x00\xff"}.__getitem__) == {
        "content": b"\x00\xff"
    }


def test_registers_of_a_later_version_are_passed_over_and_kept() -> None:
    values = {"basic.invented": 1, "new.thing/x": ["1", "x"], "basic.port": 8080}
    assert _read(values) == {"basic": {"port": 8080}}
    assert SHAPE.write(ME, values, {}, NAMES) == {"basic.port": None}


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"basic": {"prot": 1}}, "sites/me: basic.prot"),
        ({"basic": {"nodes": [{"weight": 1}]}}, 'basic.nodes: each row needs the column "node"'),
        ({"basic": {"nodes": [{"node": "a"}, {"node": "a"}]}}, 'basic.nodes: the row "a" occurs twice'),
        ({"basic": {"tags": "a"}}, "basic.tags: takes a list"),
    ],
)
def test_what_has_no_place_is_refused_by_name(wrong: dict[str, Any], names: str) -> None:
    with pytest.raises(UnknownField) as refused:
        SHAPE.write(ME, {}, wrong, NAMES)
    assert names in str(refused.value)


@pytest.mark.parametrize("kind", RESOURCE_TYPES, ids=lambda kind: kind.path)
def test_every_resource_type_has_a_shape(kind: ResourceType) -> None:
    shape = Shape(kind)
    for name, built_in in kind.factory.items():
        values = shape.write(ObjectId(kind.path, name), {}, built_in, NAMES)
        assert canonical(shape.read(values, NAMES, lambda _: b"")) == canonical(_filled(built_in))
    secret = {key.path for key in kind.keys if key.secret is not None and key.section not in kind.together}
    assert all(shape.secret(path) for path in secret)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=8,
)


@settings(max_examples=rounds(200))
@given(json_values)
def test_the_short_ways_through_json_lead_to_the_same(value: Any) -> None:
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    assert canonical(value) == encoder.encode(value)
    assert canonical(parsed(canonical(value))) == canonical(value)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\ud800"', "[" * 300 + "]" * 300, "1" * 4000])
def test_what_the_quick_parser_refuses_is_read_all_the_same(text: str) -> None:
    assert parsed(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[1", "1,2", "nonsense", "'a'"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parsed(text)


def test_values_are_equal_that_read_the_same() -> None:
    assert equal({"a": [1, "x"], "b": None}, {"b": None, "a": [1, "x"]})
    assert equal(None, None)
    for one, other in ((1, True), (1, 1.0), ("1", 1), (None, []), ("", None), ([1, 2], [2, 1])):
        assert not equal(one, other)


def test_of_one_element_written_twice_the_first_stands_at_the_place_of_the_last() -> None:
    row = {"node": "n", "weight": 1}
    values = {
        "basic.nodes": [],
        "basic.nodes/n": ["1", row],
        "basic.nodes/m": ["2", {"node": "m"}],
        "basic.nodes/n again": ["3", {**row, "weight": 2}],
        "basic.nodes/odd": [1, {"node": "odd"}],
        "basic.nodes/odder": {"node": "odder"},
    }
    read = SHAPE.read(values, NAMES, lambda _: b"")
    assert read == {"basic": {"nodes": [{"node": "m"}, row]}}
