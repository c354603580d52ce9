"""Custom configuration sets: lists of strings that scripts and other tools keep here.

Invariant: nothing of the product acts on them; they are stored, replicated and shown like any other object.
"""

from __future__ import annotations

from typing import Annotated

from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.value import Line, Lines, Table, TableKey, Unordered


class StringList(Row):
    """One named list."""

    name: Line
    """Name of the list."""

    value: Lines
    """The strings, in their order."""


class Basic(Section):
    """The lists."""

    string_lists: Annotated[Table[StringList], Unordered(), TableKey("name")] = ()
    """Named lists of strings."""


class Custom(Resource):
    """Lists of strings for scripts and other tools; nothing of the product acts on them."""

    basic: Basic = Basic()


CUSTOM = ResourceType(
    path="custom",
    title="Custom Configuration Set",
    plural="Custom Configuration Sets",
    kind=Kind.COLLECTION,
    model=Custom,
)
