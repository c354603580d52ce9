"""Reading JSON bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.web.api.lenient_json import DEPTH_LIMIT, NotJson, read_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_all_json_is_read_as_it_is(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert read_json(text.encode("utf-8", "surrogatepass" if "\\u" in text else "strict")) == value


@given(st.lists(st.text(), min_size=1, max_size=4), st.sampled_from(["", " ", "\n\t"]))
def test_a_comma_before_a_closing_bracket_is_overlooked(values: list[str], space: str) -> None:
    inside = ",".join(json.dumps(value) for value in values)
    assert read_json(f'{{"a": [{inside}{space},{space}]{space},{space}}}'.encode()) == {"a": values}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "x\ny\r\nz\t"}', {"a": "x\ny\r\nz\t"}),
        ('{"a": ",]", "b": "\\",}",}', {"a": ",]", "b": '",}'}),
        ("\ufeff[1,]", [1]),
        ("[true,]", [True]),
        ("[null,]", [None]),
        ("[[],]", [[]]),
        ("[1.5E1,]", [15.0]),
    ],
)
def test_habits_of_published_clients_are_tolerated(text: str, value: Any) -> None:
    assert read_json(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[,]", "{,}", "[1,,]", "[1 2]", "{'a': 1}", '{"a" 1}', '"open', "[1]]", '{"a":,}', "// x", "NaN",
        "-Infinity", "[1e400]", "01", "1" * 41, '{"a":1,"a":1}', '[{"a":{"b":1,"b":2}}]', "\x00",
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        read_json(text.encode())


def test_the_place_of_a_mistake_is_named_as_the_client_sent_it() -> None:
    with pytest.raises(NotJson, match="line 3, column 3"):
        read_json(b'{"a": 1,\n"b": [1,],\n  c}')


def test_depth_is_limited() -> None:
    assert read_json(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT) is not None
    for depth in (DEPTH_LIMIT + 1, 200, 100_000):
        with pytest.raises(NotJson, match="deeper"):
            read_json(b"[" * depth + b"]" * depth)
        with pytest.raises(NotJson, match="deeper"):
            read_json(b'{"a":' * depth + b"1" + b"}" * depth)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read_json(body)
    except NotJson as error:
        assert str(error)
