"""What is read off the declaration of a resource."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from pointsman.schema.resource import (
    FileResource,
    Key,
    Kind,
    Resource,
    ResourceType,
    Row,
    Section,
    ValueKind,
    keys_of,
)
from pointsman.schema.value import (
    Count,
    Hidden,
    Line,
    Lines,
    LineSet,
    Reference,
    Secret,
    Since,
    Table,
    TableKey,
    Unit,
    Unordered,
)


class StopRow(Row):
    """A stop of the line."""

    name: Line
    """Name of the stop."""

    minutes: Annotated[int, Field(ge=1, le=60), Unit("min")] = 2
    """Time spent there."""


class Zone(Section):
    """A section that sorts last."""

    password: Annotated[Line, Secret("hash"), Hidden(), Since("5.0")] = ""
    """What lets one
    in."""


class Basic(Section):
    """The main section."""

    towards: Annotated[Line, Reference("stops", ("depot",))]
    """Where it goes."""

    colour: Literal["red", "green"] = "red"
    """Its colour."""

    stops: Annotated[Table[StopRow], TableKey("name"), Unordered()] = (StopRow(name="Depot"),)
    """Where it halts."""

    cars: Annotated[Count, Field(le=9)] = 1
    """How many cars it has."""

    names: Lines = ("a", "b")
    """Its names, in order."""

    tags: LineSet = ()
    """Words about it."""

    share: float = 0.5
    """How full it is."""

    heated: bool = True
    """Whether it is heated."""


class Also(Section):
    """A section that sorts first, but for the main one."""

    on: bool = False
    """Whether it is on."""


class Tram(Resource):
    """A line of trams."""

    zone: Zone = Zone()
    basic: Basic
    also: Also = Also()


class Plan(FileResource):
    """A drawing."""


TRAM = ResourceType(path="trams", title="Tram", plural="Trams", kind=Kind.COLLECTION, model=Tram)
PLAN = ResourceType(path="plans", title="Plan", plural="Plans", kind=Kind.FILE, model=Plan)


def key(section: str, name: str) -> Key:
    found = TRAM.key(section, name)
    assert found is not None
    return found


def test_keys_come_in_the_order_of_rest_answers() -> None:
    assert TRAM.sections == ("basic", "also", "zone")
    assert [found.path for found in TRAM.keys] == [
        "basic.cars",
        "basic.colour",
        "basic.heated",
        "basic.names",
        "basic.share",
        "basic.stops",
        "basic.tags",
        "basic.towards",
        "also.on",
        "zone.password",
    ]
    assert keys_of(Tram) is keys_of(Tram)


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("cars", ValueKind.INTEGER, 1),
        ("colour", ValueKind.STRING, "red"),
        ("heated", ValueKind.BOOLEAN, True),
        ("names", ValueKind.LIST, ["a", "b"]),
        ("share", ValueKind.NUMBER, 0.5),
        ("stops", ValueKind.TABLE, [{"name": "Depot", "minutes": 2}]),
        ("tags", ValueKind.LIST, []),
        ("towards", ValueKind.STRING, None),
    ],
)
def test_a_key_has_kind_and_default(name: str, kind: ValueKind, default: object) -> None:
    found = key("basic", name)
    assert (found.kind, found.default) == (kind, default)
    assert found.required == (name == "towards")


def test_a_key_knows_its_bounds_choices_and_marks() -> None:
    assert (key("basic", "cars").minimum, key("basic", "cars").maximum) == (0, 9)
    assert key("basic", "colour").choices == ("red", "green")
    assert key("basic", "towards").reference == Reference("stops", ("depot",))
    assert key("basic", "tags").unordered and not key("basic", "names").unordered
    password = key("zone", "password")
    assert (password.hidden, password.secret, password.since) == (True, Secret("hash"), "5.0")
    assert key("basic", "cars").since == "3.3"


def test_help_is_the_docstring_on_one_line() -> None:
    assert key("zone", "password").help == "What lets one in."
    assert TRAM.help == "A line of trams."


def test_a_table_knows_its_rows() -> None:
    stops = key("basic", "stops")
    assert (stops.row_key, stops.unordered) == ("name", True)
    name, minutes = stops.columns
    assert (name.name, name.required, name.kind) == ("name", True, ValueKind.STRING)
    assert (minutes.minimum, minutes.maximum, minutes.unit, minutes.default) == (1, 60, "min", 2)
    assert minutes.help == "Time spent there."


def test_a_key_that_does_not_exist() -> None:
    assert TRAM.key("basic", "wings") is None
    assert TRAM.key("wings", "cars") is None


def test_a_file_has_neither_sections_nor_keys() -> None:
    assert (PLAN.sections, PLAN.keys, PLAN.key("basic", "note")) == ((), (), None)


def test_objects_do_not_change() -> None:
    tram = Tram.model_validate({"basic": {"towards": "depot"}})
    with pytest.raises(ValidationError, match="frozen"):
        tram.basic.cars = 3  # type: ignore[misc]  # what is tested is that it fails


def test_objects_share_what_they_know_of_what_was_set() -> None:
    one, other, third = (
        Tram.model_validate({"basic": settings})
        for settings in ({"towards": "depot"}, {"towards": "port"}, {"towards": "port", "cars": 2})
    )
    assert one.basic.model_fields_set == {"towards"}
    assert one.basic.model_fields_set is other.basic.model_fields_set
    assert third.basic.model_fields_set == {"towards", "cars"}


class Undecided(Section):
    """A section with a key of two types."""

    value: int | str = 0
    """Either."""


class Odd(Resource):
    """A resource that cannot be described."""

    basic: Undecided = Undecided()


def test_a_key_of_two_types_is_a_mistake_of_the_declaration() -> None:
    with pytest.raises(TypeError, match="one type"):
        keys_of(Odd)
