"""Settings of lower levels of the schema, read by this one."""

from __future__ import annotations

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, RenamedKey, Resource, ResourceType, Section
from pointsman.schema.upgrade import upgrade, upgraded_path
from pointsman.schema.value import Line


class Basic(Section):
    """Keys of two levels."""

    colour: Line = ""
    """It was `color` below level 3, and `paint.color` below level 2."""

    note: Line = ""
    """The same at every level."""


class Thing(Resource):
    """An object whose keys were renamed twice."""

    basic: Basic = Basic()


KIND = ResourceType(
    path="things",
    title="Thing",
    plural="Things",
    kind=Kind.COLLECTION,
    model=Thing,
    renamed=(
        RenamedKey(3, ("basic", "color"), ("basic", "colour")),
        RenamedKey(2, ("paint", "color"), ("basic", "color")),
    ),
)
REGISTRY = {"things": KIND}
THING, OTHER = ObjectId("things", "a"), ObjectId("unknown", "b")


def test_a_key_follows_every_renaming_since_its_level() -> None:
    """R54: what an older version wrote is upgraded on the way."""
    expected = {THING: {"basic": {"colour": "red", "note": "n"}}}
    assert upgrade({THING: {"paint": {"color": "red"}, "basic": {"note": "n"}}}, 1, REGISTRY) == expected
    assert upgrade({THING: {"basic": {"color": "red", "note": "n"}}}, 2, REGISTRY) == expected
    assert upgrade(expected, 3, REGISTRY) == expected


def test_what_no_renaming_touches_stays_the_same() -> None:
    objects = {THING: {"basic": {"note": "n"}}, OTHER: {"paint": {"color": "red"}}}
    upgraded = upgrade(objects, 1, REGISTRY)
    assert upgraded == objects
    assert upgraded[OTHER] is objects[OTHER]


def test_the_new_name_wins_over_the_old_one() -> None:
    both = {THING: {"basic": {"color": "old", "colour": "new"}}}
    assert upgrade(both, 2, REGISTRY) == {THING: {"basic": {"colour": "new"}}}


def test_paths_follow_too() -> None:
    assert upgraded_path(KIND, ("paint", "color", "row", "column"), 1) == ("basic", "colour", "row", "column")
    assert upgraded_path(KIND, ("basic", "note"), 1) == ("basic", "note")
    assert upgraded_path(None, ("paint", "color"), 1) == ("paint", "color")
