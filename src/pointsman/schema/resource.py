"""The machinery in which every resource type is declared once.

A resource is a frozen pydantic model whose fields are sections; a section is a frozen model whose fields are keys.
Everything else that the product needs to know of a key (default, range, permitted values, reference, unit, help) is
read off the declaration by `keys_of`, so that REST, forms, command line, documents and store cannot drift apart.

Invariant: a `Resource` instance is valid by itself; whether what it refers to exists is not its business.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from pointsman.schema.docstring import attribute_texts
from pointsman.schema.value import Hidden, Reference, Secret, Since, TableKey, Unit, Unordered

Settings = Mapping[str, Mapping[str, Any]]
"""An object as plain data: section -> key -> JSON value, holding only keys that were set."""


class _Declaration(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=False,
        hide_input_in_errors=True,
        serialize_by_alias=True,
    )

    def model_post_init(self, context: Any, /) -> None:
        """Shares the set of the names of what was set with equal ones, which would be most of an object's memory."""
        shared = _shared(frozenset(self.__pydantic_fields_set__))
        object.__setattr__(self, "__pydantic_fields_set__", shared)


@lru_cache(maxsize=4096)
def _shared(names: frozenset[str]) -> set[str]:
    return set(names)


class Section(_Declaration):
    """A group of keys of a resource."""


class Row(_Declaration):
    """One row of a table; columns are fields."""


class Resource(_Declaration):
    """A configuration object with sections; every section but one with required keys has a default."""


class FileResource(_Declaration):
    """A configuration object that is a file: any bytes, no keys."""

    content: bytes = b""


class Kind(enum.Enum):
    """How objects of a type are addressed and what they hold."""

    COLLECTION = "collection"
    SINGLETON = "singleton"
    FILE = "raw"


class ValueKind(enum.Enum):
    """The JSON shape of a key."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "string[]"
    TABLE = "table"


@dataclass(frozen=True)
class Key:
    """What is known of one key (or one column of a table); see the markers in `schema.value` for the meanings."""

    section: str
    name: str
    kind: ValueKind
    required: bool
    default: Any
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    reference: Reference | None = None
    unordered: bool = False
    hidden: bool = False
    secret: Secret | None = None
    since: str = "3.3"
    unit: str = ""
    columns: tuple[Key, ...] = ()
    row_key: str = ""
    attribute: str = ""
    """The model's field: the name, but where that is a word of Python's ("if_" for "if")."""
    declaration: type[Section] | type[Row] | None = field(default=None, repr=False)
    """The model that has the field."""

    @property
    def help(self) -> str:
        """What the key is for, on one line."""
        return "" if self.declaration is None else attribute_texts(self.declaration).get(self.attribute, "")

    def read(self, resource: Resource | FileResource) -> Any:
        """The key's value in an object, as the model holds it (lists and tables as tuples)."""
        return getattr(getattr(resource, self.section), self.attribute)

    @property
    def path(self) -> str:
        """Section and key as written in messages: "basic.port"."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class RenamedKey:
    """A key that is called otherwise since a level of the schema: section and key `before` and `after`."""

    level: int
    before: tuple[str, str]
    after: tuple[str, str]


@dataclass(frozen=True)
class ResourceType:
    """One entry of the registry.

    `path` is the REST path below `config/active`; `factory` are the objects that exist without being made, name ->
    settings; `together` are sections that change as a whole (a certificate and its key); `creatable` is false where
    objects come into being by other means (a traffic manager joins the cluster); `reserved` are names that no
    object may have, because they mean something else where an object is named; `kept_by_import` says that documents
    which are the whole configuration delete no objects of this type: those came another way and belong to the instance;
    `renamed` are keys that lower levels of the schema knew by other names; `claims` are the keys ("basic.port") by
    which an object claims what only one can have: the older claim is good.
    """

    path: str
    title: str
    plural: str
    kind: Kind
    model: type[Resource] | type[FileResource]
    factory: Mapping[str, Settings] = field(default_factory=dict)
    together: frozenset[str] = frozenset()
    creatable: bool = True
    reserved: frozenset[str] = frozenset()
    kept_by_import: bool = False
    renamed: tuple[RenamedKey, ...] = ()
    claims: frozenset[str] = frozenset()

    def renaming(self, section: str, name: str) -> RenamedKey | None:
        """The renaming of a key that a lower level knew by this section and name; its `after` is today's name."""
        found: RenamedKey | None = None
        for key in sorted(self.renamed, key=lambda key: key.level):
            if key.before == (found.after if found is not None else (section, name)):
                found = key
        return found

    @property
    def help(self) -> str:
        """What objects of this type are for."""
        return (self.model.__doc__ or "").strip()

    @property
    def sections(self) -> tuple[str, ...]:
        """Section names as REST shows them: "basic" first, the rest alphabetical."""
        if self.kind is Kind.FILE:
            return ()
        return tuple(sorted(self.model.model_fields, key=lambda name: (name != "basic", name)))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key, in the order of REST answers."""
        return () if self.kind is Kind.FILE else keys_of(self.model)

    def key(self, section: str, name: str) -> Key | None:
        """The key of that section and name, or None."""
        return self.key_index.get((section, name))

    @property
    def key_index(self) -> Mapping[tuple[str, str], Key]:
        """Keys by (section, name)."""
        return {} if self.kind is Kind.FILE else _key_index(self.model)


@cache
def keys_of(model: type[_Declaration]) -> tuple[Key, ...]:
    """The keys of a resource model: sections with "basic" first, then alphabetical; keys alphabetical inside."""
    found: list[Key] = []
    for section in sorted(model.model_fields, key=lambda name: (name != "basic", name)):
        section_model = model.model_fields[section].annotation
        assert isinstance(section_model, type) and issubclass(section_model, Section)
        fields = section_model.model_fields.items()
        keys = [_describe(section, section_model, name, info) for name, info in fields]
        found.extend(sorted(keys, key=lambda key: key.name))
    return tuple(found)


@cache
def _key_index(model: type[_Declaration]) -> Mapping[tuple[str, str], Key]:
    return types.MappingProxyType({(key.section, key.name): key for key in keys_of(model)})


def _describe(section: str, declaration: type[Section] | type[Row], name: str, info: FieldInfo) -> Key:
    annotation, markers = _unwrap(info.annotation, list(info.metadata))
    facts: dict[str, Any] = {}
    for marker in markers:
        match marker:
            case Reference():
                facts["reference"] = marker
            case Unordered():
                facts["unordered"] = True
            case Hidden():
                facts["hidden"] = True
            case Secret():
                facts["secret"] = marker
            case Since(version):
                facts["since"] = version
            case Unit(unit):
                facts["unit"] = unit
            case TableKey(column):
                facts["row_key"] = column
            case _:
                if (low := getattr(marker, "ge", None)) is not None:
                    facts["minimum"] = low
                if (high := getattr(marker, "le", None)) is not None:
                    facts["maximum"] = high
    kind, extra = _shape(section, annotation)
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    if kind in (ValueKind.LIST, ValueKind.TABLE) and not info.is_required():
        default = [row.model_dump(mode="json") if isinstance(row, Row) else row for row in (default or ())]
    return Key(
        section=section,
        name=info.alias or name,
        attribute=name,
        kind=kind,
        required=info.is_required(),
        default=default,
        declaration=declaration,
        **facts,
        **extra,
    )


def _unwrap(annotation: Any, markers: list[Any]) -> tuple[Any, list[Any]]:
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        markers = [*inner, *markers]
    # FieldInfo inside Annotated keeps its constraints in .metadata
    flat: list[Any] = []
    for marker in markers:
        flat.extend(marker.metadata if isinstance(marker, FieldInfo) else [marker])
    return annotation, flat


def _shape(section: str, annotation: Any) -> tuple[ValueKind, dict[str, Any]]:
    scalars = {
        str: ValueKind.STRING,
        int: ValueKind.INTEGER,
        bool: ValueKind.BOOLEAN,
        float: ValueKind.NUMBER,
    }
    if annotation in scalars:
        return scalars[annotation], {}
    origin = get_origin(annotation)
    if origin is Literal:
        return ValueKind.STRING, {"choices": tuple(get_args(annotation))}
    if origin is tuple:
        element, _ = _unwrap(get_args(annotation)[0], [])
        if isinstance(element, type) and issubclass(element, Row):
            fields = element.model_fields.items()
            columns = tuple(_describe(section, element, name, info) for name, info in fields)
            return ValueKind.TABLE, {"columns": columns}
        return ValueKind.LIST, {}
    if origin in (Union, types.UnionType):
        raise TypeError(f"a key has one type, not {annotation}")
    raise TypeError(f"no shape for {annotation}")
