"""What holds for every key of the large declarations, whatever it means."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.each import each

from pointsman.schema.global_settings import GLOBAL_SETTINGS
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER
from pointsman.schema.validate import Invalid, build

TYPES = (GLOBAL_SETTINGS, TRAFFIC_MANAGER)
LINES = re.compile(r"^[A-Z`].*[.]$", re.DOTALL)


KeyTest = Callable[[ResourceType, Key], None]


def each_key(wanted: Callable[[Key], object] = lambda key: True) -> Callable[[KeyTest], Callable[[], None]]:
    """Runs a test with type and key of every key that is `wanted`."""
    keys = [(kind, key) for kind in TYPES for key in kind.keys if wanted(key)]
    return each(keys, lambda kind, key: f"{kind.path}.{key.path}")


def is_bounded(key: Key) -> bool:
    return (key.minimum, key.maximum) != (None, None)


def name_of(kind: ResourceType) -> str:
    return "" if kind.kind is Kind.SINGLETON else "tm1"


def refusal(kind: ResourceType, key: Key, value: Any) -> tuple[str, tuple[str, ...]]:
    """The code and the place of the only fault of an object with one key set."""
    with pytest.raises(Invalid) as caught:
        build(kind, name_of(kind), {key.section: {key.name: value}})
    (problem,) = caught.value.problems
    return problem.code, problem.path


def everything(kind: ResourceType) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {section: {} for section in kind.sections}
    for key in kind.keys:
        settings[key.section][key.name] = key.default
    return settings


@each_key()
def test_a_key_is_explained_in_sentences(kind: ResourceType, key: Key) -> None:
    for explained in (key, *key.columns):
        assert LINES.match(explained.help), f"{kind.path}.{key.path}.{explained.name}: {explained.help!r}"


@each_key(is_bounded)
def test_a_number_outside_the_range_is_refused(kind: ResourceType, key: Key) -> None:
    for edge, outwards in ((key.minimum, -1), (key.maximum, 1)):
        if edge is not None:
            built = build(kind, name_of(kind), {key.section: {key.name: edge}})
            assert key.read(built) == edge
            refused = refusal(kind, key, edge + outwards)
            assert refused == ("num.out_of_range", (key.section, key.name))


@each_key(lambda key: key.choices)
def test_only_permitted_words_are_accepted(kind: ResourceType, key: Key) -> None:
    assert refusal(kind, key, "sometimes") == ("value.not_permitted", (key.section, key.name))
    for word in key.choices:
        assert key.read(build(kind, name_of(kind), {key.section: {key.name: word}})) == word


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
def test_defaults_sent_back_whole_make_the_same_object(kind: ResourceType) -> None:
    assert build(kind, name_of(kind), everything(kind)) == build(kind, name_of(kind), {})


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
def test_hidden_keys_default_to_nothing(kind: ResourceType) -> None:
    assert all(not key.default for key in kind.keys if key.hidden)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
def test_tables_have_a_key_column(kind: ResourceType) -> None:
    for key in kind.keys:
        if key.kind is ValueKind.TABLE:
            assert key.row_key in {column.name for column in key.columns}, key.path


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
def test_what_looks_like_a_secret_is_one(kind: ResourceType) -> None:
    word = re.compile(r"password$|secret|_pin$|_token$|private")
    for key in kind.keys:
        if key.kind is ValueKind.STRING and word.search(key.name):
            assert key.secret is not None, key.path
