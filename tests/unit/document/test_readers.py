"""YAML and JSON give the same trees, with positions, within limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.document.fault import Faulty
from pointsman.document.json_reader import read_json
from pointsman.document.tree import DEPTH_LIMIT, Mapping, Node, Scalar, Sequence
from pointsman.document.yaml_reader import read_yaml

Reader = Callable[[str, str], Node | None]


def plain(node: Node | None) -> Any:
    match node:
        case Mapping(entries=entries):
            return {entry.key: plain(entry.value) for entry in entries}
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Scalar(value=value):
            return value
    return None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.sampled_from([None, 1, "\t"]))
def test_json_means_what_the_standard_library_says(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    assert plain(read_json(text, "f")) == value


@given(st.text(alphabet='{}[]",:\\u0123456789.eE+-truefalsn \n\t', max_size=40))
def test_json_accepts_exactly_what_the_standard_library_accepts(text: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        expected = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except ValueError:
        expected = Ellipsis
    try:
        found = plain(read_json(text, "f"))
    except Faulty as error:
        assert expected is Ellipsis or "large" in str(error) or "deeper" in str(error)
    else:
        assert found == expected


@given(st.text(max_size=60))
def test_yaml_never_fails_in_another_way(text: str) -> None:
    try:
        read_yaml(text, "f")
    except Faulty as error:
        fault = error.faults[0]
        assert 1 <= fault.line <= len(text.splitlines()) + 2
        assert fault.problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("12", 12), ("-3", -3),
        ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), ("1e3", 1000.0), ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"), (".inf", ".inf"), ("1e999", "1e999"), ("'12'", "12"), ("!!str 12", "12"),
        ("!!binary aGk=", b"hi"), ("10.0.0.1:80", "10.0.0.1:80"), ("1:30", "1:30"), ("! 12", "12"),
    ],
)  # fmt: skip
def test_plain_words_follow_the_core_schema(text: str, value: Any) -> None:
    tree = read_yaml(f"a: {text}\n", "f")
    assert plain(tree) == {"a": value}


def test_the_written_text_of_a_number_is_kept() -> None:
    for tree in (read_yaml("version: 6.10", "f"), read_json('{"version": 6.10}', "f")):
        assert isinstance(tree, Mapping)
        version = tree.get("version")
        assert isinstance(version, Scalar)
        assert version.text == "6.10"


@pytest.mark.parametrize("reader", [read_yaml, read_json])
def test_places_count_from_one(reader: Reader) -> None:
    tree = reader('{"a": 1,\n  "b": [2,\n 3]}', "f")
    assert isinstance(tree, Mapping)
    assert [(e.place.line, e.place.column) for e in tree.entries] == [(1, 2), (2, 3)]
    inner = tree.get("b")
    assert isinstance(inner, Sequence)
    assert [(i.place.line, i.place.column) for i in inner.items] == [(2, 9), (3, 2)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" is already there in line 1'),
        ("a: [1\nb: 2\n", 2, "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "second YAML document"),
        ("a: &x 1\nb:\n  <<: *x\n", 3, "merge keys"),
        ("a: !!python/object:os.system x\n", 1, "not allowed here"),
        ("a: !!python/name:os.system []\n", 1, "not allowed here"),
        ("a: !!binary '*'\n", 1, "not base64"),
        ("a: !!int x\n", 1, "not allowed here"),
        ("a: *x\n", 1, "is not complete here"),
        ("a: &x [*x]\n", 1, "is not complete here"),
        ("? [a]\n: 1\n", 1, "a key must be a word"),
        ("a: b\nc: \x00\n", 2, "U+0000 is not allowed"),
    ],
)
def test_faults_of_yaml_name_their_line(text: str, line: int, words: str) -> None:
    with pytest.raises(Faulty) as caught:
        read_yaml(text, "conf.yaml")
    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == ("conf.yaml", line)
    assert words in str(fault)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": 1,\n "a": 2}', (2, 2), "already there in line 1"),
        ('{"a": 1\n "b": 2}', (2, 2), 'a "," or "}" is missing'),
        ('{"a" 1}', (1, 6), 'a ":" is missing'),
        ("{a: 1}", (1, 2), "double quotes"),
        ("[1,]", (1, 4), "a value is missing"),
        ("[NaN]", (1, 2), "not a number that JSON knows"),
        ("[1e999]", (1, 2), "too large"),
        ("{} {}", (1, 4), "more text after"),
        ('["a', (1, 2), "unterminated string"),
        ("", (1, 1), "a value is missing"),
    ],
)
def test_faults_of_json_name_their_place(text: str, place: tuple[int, int], words: str) -> None:
    with pytest.raises(Faulty) as caught:
        read_json(text, "conf.json")
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == place
    assert words in str(fault)


def test_a_small_file_cannot_become_a_huge_tree() -> None:
    lines = ['a0: &a0 ["lol","lol","lol","lol","lol","lol","lol","lol","lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(Faulty, match="aliases stand for more than"):
        read_yaml("\n".join(lines), "bomb")


@pytest.mark.parametrize("reader", [read_yaml, read_json])
def test_depth_is_limited(reader: Reader) -> None:
    assert reader("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT, "f") is not None
    with pytest.raises(Faulty, match="nested deeper"):
        reader("[" * 5000 + "]" * 5000, "f")


def test_an_empty_file_is_no_tree() -> None:
    assert read_yaml("# nothing\n", "f") is None
