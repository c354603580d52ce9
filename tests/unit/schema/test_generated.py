"""Properties that hold for objects of every type, found by generating them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schema.generated import ANY_JSON, settings_of

from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.resource import Resource, ResourceType, ValueKind
from pointsman.schema.validate import Invalid, build
from pointsman.schema.virtual_server import VIRTUAL_SERVER

TYPES = (MONITOR, POOL, VIRTUAL_SERVER)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
@given(data=st.data())
def test_an_object_survives_being_written_and_read(kind: ResourceType, data: st.DataObject) -> None:
    settings = data.draw(settings_of(kind))
    built = build(kind, "one", settings)
    assert isinstance(built, Resource)
    written = json.loads(json.dumps(built.model_dump(mode="json")))
    assert build(kind, "one", written) == built
    for section, keys in settings.items():
        for name, value in keys.items():
            key = kind.key(section, name)
            assert key is not None
            if key.kind is not ValueKind.TABLE:
                assert written[section][name] == value


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.path)
@given(data=st.data())
def test_any_value_in_any_place_is_accepted_or_explained(kind: ResourceType, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(kind.keys))
    settings: dict[str, Any] = data.draw(settings_of(kind))
    value = data.draw(ANY_JSON)
    if key.kind is ValueKind.TABLE and data.draw(st.booleans()):
        column = data.draw(st.sampled_from(key.columns)).name
        value = [{key.row_key: "a:1", column: value}]
    settings.setdefault(key.section, {})[key.name] = value
    try:
        build(kind, "one", settings)
    except Invalid as refusal:
        assert refusal.problems
        for problem in refusal.problems:
            assert problem.path[:2] == (key.section, key.name)
            assert all(isinstance(part, str) for part in problem.path)
            assert problem.message.isprintable()
            assert "; " in problem.message
