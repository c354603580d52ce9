"""Every renaming leads from a name that is free to a key of today, and refusals name the new one."""

from __future__ import annotations

import pytest

from pointsman.schema.level import LEVEL, TYPES_SINCE
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import RenamedKey, ResourceType
from pointsman.schema.validate import Invalid, build

RENAMED = [(kind, key) for kind in RESOURCE_TYPES for key in kind.renamed]


def test_something_was_renamed() -> None:
    assert RENAMED


def test_types_that_came_later_are_types_of_today() -> None:
    assert TYPES_SINCE.keys() <= BY_PATH.keys()
    assert all(1 < level <= LEVEL for level in TYPES_SINCE.values())


@pytest.mark.parametrize(("kind", "key"), RENAMED)
def test_a_renaming_is_sound(kind: ResourceType, key: RenamedKey) -> None:
    assert 1 < key.level <= LEVEL
    assert kind.key(*key.before) is None
    found = kind.renaming(*key.before)
    assert found is not None
    assert kind.key(*found.after) is not None


def test_the_name_of_before_is_refused_with_the_new_one() -> None:
    with pytest.raises(Invalid) as refused:
        build(BY_PATH["traffic_managers"], "tm", {"basic": {"engine_health_port": 9081}})
    (problem,) = refused.value.problems
    assert problem.path == ("basic", "engine_health_port")
    assert "is called engine_health.port since level 2" in problem.message
