"""How the sparse settings of an object become registers, and registers settings again.

Pure. Invariant: `read` of what `write` gave is the settings that were written (without empty sections), and
writing what is there already gives nothing.

The registers of an object, by property:

- "" holds the stamp at which the object was made, deleted with the object; "name" its name;
- "content" of a file: the SHA-256 of its bytes, which lie in the blob table;
- "basic" of a section that changes as a whole (`ResourceType.together`): its keys and values;
- "basic.port": the value of a key; a list that is secret, or a table whose rows have no key column, is one
  value too;
- "basic.nodes_table": `[]`, which says that the list or table is set, be it empty;
  "basic.nodes_table/10.0.0.1:80": `[rank, row]`; of a set "basic.monitors/Ping": `[rank, element]`; of a list
  in which order matters and elements repeat "basic.rules/0/Rule": `[rank, element]`, the number telling equal
  elements apart.

A key that was renamed may lie under either name; of two registers the one with the newer stamp counts. Which name is
written depends on the level of the schema that all members know.

A reference is stored as "@" and the uid of the object it names, or "=" and the text where there is no such
object; an off mark stands before the "@".
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.schema.value import Reference
from pointsman.store.error import UnknownField
from pointsman.store.json_text import canonical, equal
from pointsman.store.rank import arrange, order_of
from pointsman.store.renamings import Renamings

EXISTENCE = ""
NAME = "name"
CONTENT = "content"

Values = Mapping[str, Any]
"""The live registers of one object, decoded: property -> JSON value."""


class Names(Protocol):
    """The names of objects at one moment."""

    def find(self, identity: ObjectId) -> str | None:
        """The uid of the object of that name, or None."""

    def name_of(self, type_path: str, uid: str) -> str | None:
        """The name of an object, deleted or not, or None where it was never heard of."""


class Form(enum.Enum):
    """How a field is spread over registers."""

    WHOLE = enum.auto()
    SET = enum.auto()
    SEQUENCE = enum.auto()
    TABLE = enum.auto()
    SECTION = enum.auto()
    FILE = enum.auto()


@dataclass(frozen=True)
class Field:
    """What is read and written as one: a key, a section that changes as a whole, or a file."""

    name: str
    section: str
    form: Form
    keys: Mapping[str, Key]
    secret: bool

    @cached_property
    def key(self) -> Key:
        """The key of a field that is one."""
        return next(iter(self.keys.values()))

    @cached_property
    def refers(self) -> bool:
        """Whether any value of it may name an object."""
        return any(map(_refers, self.keys.values()))


class _Element(NamedTuple):
    """A register of a list or table; `value` as it reads."""

    order: Decimal
    property: str
    rank: str
    value: Any
    label: str


_place = attrgetter("order", "property")
_DIGEST_DIGITS = 64
_ABSENT: Any = object()
_MALFORMED = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What reading a register raises whose value is not of the form that its field has."""


class Shape:
    """The fields of one resource type."""

    def __init__(self, kind: ResourceType) -> None:
        self.kind = kind
        self._fields = {field.name: field for field in _fields(kind)}
        self.renamings = Renamings(kind)
        self._references = tuple(
            key for field in self._fields.values() for key in field.keys.values() if _refers(key)
        )
        self._referring = frozenset(field.name for field in self._fields.values() if field.refers)

    def secret(self, property: str) -> bool:
        """Whether a register must be encrypted."""
        field = self._fields.get(self.renamings.today(property).partition("/")[0])
        return field is not None and field.secret

    def claims(self, property: str) -> bool:
        """Whether a register belongs to what only one object can have; its existence does, for it brings the rest."""
        return bool(self.kind.claims) and property.partition("/")[0] in {EXISTENCE, *self.kind.claims}

    def targets(self, property: str, value: Any) -> Iterable[str]:
        """The keys of the objects that a register refers to."""
        name = property.partition("/")[0]
        if name not in self._referring:
            return ()
        field = self._fields[name]
        found: list[str] = []

        def note(reference: Reference, stored: str) -> str:
            if not stored.startswith("="):
                found.append(f"{reference.type}/{stored.partition('@')[2]}")
            return stored

        with contextlib.suppress(*_MALFORMED):
            match field.form:
                case Form.SECTION:
                    for name, part in value.items():
                        if name in field.keys:
                            _walk(field.keys[name], part, note)
                case Form.WHOLE:
                    _walk(field.key, value, note)
                case _ if property != field.name:
                    _walk(field.key, [value[1]], note)
        return found

    def uses(self, settings: Mapping[str, Any]) -> frozenset[ObjectId]:
        """The identities that settings refer to."""
        found: set[ObjectId] = set()
        for key in self._references:
            value = settings.get(key.section, {}).get(key.name)
            if value is not None:
                _walk(key, value, lambda reference, text: _note(found, reference, text))
        return frozenset(found)

    def follow(self, settings: Mapping[str, Any], old: ObjectId, new: str) -> Mapping[str, Any]:
        """Settings in which every reference to `old` says `new`."""
        out = {section: dict(keys) for section, keys in settings.items()}
        for key in self._references:
            value = out.get(key.section, {}).get(key.name)
            if value is not None:
                out[key.section][key.name] = _walk(
                    key, value, lambda reference, text: _renamed(reference, text, old, new)
                )
        return out

    def read(self, values: Values, names: Names, blob: Callable[[str], bytes]) -> dict[str, Any]:
        """The sparse settings that registers hold.

        Properties and forms of values that this version does not know are passed over: a later version wrote them.
        """
        if self.kind.kind is Kind.FILE:
            content = values.get(CONTENT)
            return {"content": blob(content) if isinstance(content, str) and is_digest(content) else b""}
        settings: dict[str, Any] = {}
        for field, held in self._grouped(values):
            try:
                section, value = self._read(field, held, names)
            except _MALFORMED:
                continue
            if field.form is Form.SECTION:
                settings[section] = value
            else:
                settings.setdefault(section, {})[field.key.name] = value
        return settings

    @staticmethod
    def _read(field: Field, held: Values, names: Names) -> tuple[str, Any]:
        match field.form:
            case Form.SECTION:
                return field.section, {
                    name: _decoded(field.keys[name], value, names)
                    for name, value in held[field.name].items()
                    if name in field.keys
                }
            case Form.WHOLE:
                value = held[field.name]
                return field.section, _decoded(field.key, value, names) if field.refers else value
            case _:
                elements = _elements(field, held, names)
                if field.form is not Form.SEQUENCE:
                    first = {element.label: element for element in reversed(elements)}
                    if len(first) < len(elements):
                        # Two members may have written one element in two ways; the first stands.
                        elements = [*first.values()][::-1]
                return field.section, [element.value for element in elements]

    def write(
        self, identity: ObjectId, values: Values, settings: Mapping[str, Any], names: Names
    ) -> dict[str, Any]:
        """What has to be written so that `values` read as `settings`: property -> value, None to delete.

        Raises `UnknownField` for what the type does not have.
        """
        present = {field.name: held for field, held in self._grouped(values)}
        wanted = self._wanted(identity, settings)
        writes: dict[str, Any] = {}
        for name in sorted(present.keys() | wanted.keys()):
            field = self._fields[name]
            held, value = present.get(name, {}), wanted.get(name, _ABSENT)
            match field.form:
                case Form.SET | Form.SEQUENCE | Form.TABLE:
                    writes |= _write_elements(identity, field, held, value, names)
                case _ if value is _ABSENT:
                    writes[name] = None
                case _ if name not in held or not _same(field, held[name], value, names):
                    writes[name] = _stored(field, value, names)
        return writes

    def _grouped(self, values: Values) -> Iterable[tuple[Field, dict[str, Any]]]:
        groups: dict[str, dict[str, Any]] = {}
        for name in sorted(values):
            groups.setdefault(name.partition("/")[0], {})[name] = values[name]
        return [(self._fields[name], held) for name, held in groups.items() if name in self._fields]

    def _wanted(self, identity: ObjectId, settings: Mapping[str, Any]) -> dict[str, Any]:
        if self.kind.kind is Kind.FILE:
            content = settings.get("content")
            if settings.keys() != {"content"} or not isinstance(content, bytes):
                raise UnknownField(identity, "content", "a file is its content, as bytes; give just that")
            return {CONTENT: content}
        wanted: dict[str, Any] = {}
        for section, keys in settings.items():
            for name, value in keys.items():
                key = self.kind.key(section, name)
                if key is None:
                    raise UnknownField(identity, f"{section}.{name}")
                if section in self.kind.together:
                    wanted.setdefault(section, {})[name] = value
                else:
                    wanted[key.path] = value
        return wanted


def is_digest(text: str) -> bool:
    """Whether a text could be the name of a blob."""
    return len(text) == _DIGEST_DIGITS and all(digit in "0123456789abcdef" for digit in text)


def digest_of(content: bytes) -> str:
    """The name of a blob: its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _fields(kind: ResourceType) -> Iterable[Field]:
    if kind.kind is Kind.FILE:
        yield Field(CONTENT, "", Form.FILE, {}, False)
        return
    for section in kind.sections:
        keys = {key.name: key for key in kind.keys if key.section == section}
        if section in kind.together:
            if section in (NAME, CONTENT):
                raise ValueError(
                    f'{kind.path}: a section that changes as a whole cannot be called "{section}"'
                )
            yield Field(section, section, Form.SECTION, keys, any(map(_secret, keys.values())))
            continue
        for key in keys.values():
            yield Field(key.path, section, _form(key), {key.name: key}, _secret(key))


def _form(key: Key) -> Form:
    match key.kind:
        # The property names the element, so an element that is secret cannot have a register of its own.
        case ValueKind.LIST if key.secret is None:
            return Form.SET if key.unordered else Form.SEQUENCE
        case ValueKind.TABLE if key.row_key and key.secret is None:
            column = next(column for column in key.columns if column.name == key.row_key)
            return Form.TABLE if column.secret is None else Form.WHOLE
        case _:
            return Form.WHOLE


def _secret(key: Key) -> bool:
    return key.secret is not None or any(column.secret is not None for column in key.columns)


def _refers(key: Key) -> bool:
    return key.reference is not None or any(column.reference is not None for column in key.columns)


def _same(field: Field, stored: Any, value: Any, names: Names) -> bool:
    match field.form:
        case Form.FILE:
            return bool(stored == digest_of(value))
        case Form.SECTION:
            read = {n: _decoded(field.keys[n], v, names) for n, v in stored.items() if n in field.keys}
            return equal(read, value)
        case _:
            return equal(_decoded(field.key, stored, names), value)


def _stored(field: Field, value: Any, names: Names) -> Any:
    match field.form:
        case Form.FILE:
            return digest_of(value)
        case Form.SECTION:
            return {name: _encoded(field.keys[name], part, names) for name, part in value.items()}
        case _:
            return _encoded(field.key, value, names)


def _elements(field: Field, held: Values, names: Names) -> list[_Element]:
    """The elements of a list or table in their order, but for those of a form that nobody knows."""
    found = []
    for name, value in held.items():
        if name != field.name:
            try:
                decoded = _decoded_element(field, value[1], names)
                label = _label(field, decoded)
                found.append(_Element(order_of(value[0]), name, value[0], decoded, label))
            except _MALFORMED:
                continue
    found.sort(key=_place)
    return found


def _write_elements(
    identity: ObjectId, field: Field, held: Values, wanted: Any, names: Names
) -> dict[str, Any]:
    if wanted is _ABSENT:
        return dict.fromkeys(held)
    elements = _checked(identity, field, wanted)
    free: dict[str, list[_Element]] = {}
    for element in reversed(_elements(field, held, names)):
        free.setdefault(element.label, []).append(element)
    matched: list[_Element | None] = []
    for value in elements:
        candidates = free.get(_label(field, value))
        matched.append(candidates.pop() if candidates else None)
    kept = {element.property for element in matched if element is not None}
    writes: dict[str, Any] = {} if field.name in held else {field.name: []}
    writes |= {name: None for name in held if name != field.name and name not in kept}
    ranks = arrange([None if element is None else element.rank for element in matched])
    for value, old, rank in zip(elements, matched, ranks, strict=True):
        if old is None:
            stored = _encoded_element(field, value, names)
            name = _property(field, stored, kept)
            kept.add(name)
            writes[name] = [rank, stored]
        elif not equal(old.value, value):
            writes[old.property] = [rank, _encoded_element(field, value, names)]
        elif rank != old.rank:
            # A reference to what is deleted becomes bare text: written anew, it would bring the object back.
            writes[old.property] = [rank, _encoded_element(field, value, names)]
    return writes


def _checked(identity: ObjectId, field: Field, wanted: Any) -> list[Any]:
    """The elements to store: a set without repetitions; a table whose rows all have a key of their own."""
    if not isinstance(wanted, (list, tuple)):
        raise UnknownField(identity, field.name, "takes a list; give one")
    if field.form is Form.SEQUENCE:
        return list(wanted)
    found: dict[str, Any] = {}
    for value in wanted:
        if field.form is Form.TABLE and (not isinstance(value, Mapping) or field.key.row_key not in value):
            raise UnknownField(
                identity, field.name, f'each row needs the column "{field.key.row_key}"; add it'
            )
        label = _label(field, value)
        if field.form is Form.TABLE and label in found:
            raise UnknownField(identity, field.name, f'the row "{label}" occurs twice; keep one of them')
        found.setdefault(label, value)
    return list(found.values())


def _label(field: Field, value: Any) -> str:
    """What tells one element from another: the row's key, or the element itself."""
    value = value[field.key.row_key] if field.form is Form.TABLE else value
    return value if isinstance(value, str) else canonical(value)


def _property(field: Field, stored: Any, taken: set[str]) -> str:
    label = _label(field, stored)
    if field.form is not Form.SEQUENCE:
        return f"{field.name}/{label}"
    number = 0
    while (name := f"{field.name}/{number}/{label}") in taken:
        number += 1
    return name


def _encoded(key: Key, value: Any, names: Names) -> Any:
    return _walk(key, value, lambda reference, text: _reference(reference, text, names))


def _decoded(key: Key, value: Any, names: Names) -> Any:
    return _walk(key, value, lambda reference, text: _reading(reference, text, names))


def _encoded_element(field: Field, value: Any, names: Names) -> Any:
    return _encoded(field.key, [value], names)[0] if field.refers else value


def _decoded_element(field: Field, stored: Any, names: Names) -> Any:
    return _decoded(field.key, [stored], names)[0] if field.refers else stored


def _walk(key: Key, value: Any, change: Callable[[Reference, str], str]) -> Any:
    """The value of a key with every reference in it changed."""
    if key.kind is ValueKind.TABLE:
        columns = {column.name: column for column in key.columns if column.reference is not None}
        if not columns:
            return value
        return [
            {
                name: _walk(columns[name], part, change) if name in columns else part
                for name, part in row.items()
            }
            for row in value
        ]
    if key.reference is None:
        return value
    if isinstance(value, (list, tuple)):
        return [change(key.reference, text) for text in value]
    return change(key.reference, value)


def _reference(reference: Reference, text: str, names: Names) -> str:
    name = reference.target(text)
    uid = None if name is None else names.find(ObjectId(reference.type, name))
    if name is None or uid is None:
        return f"={text}"
    return f"{text.removesuffix(name)}@{uid}"


def _reading(reference: Reference, stored: str, names: Names) -> str:
    if stored.startswith("="):
        return stored[1:]
    mark, _, uid = stored.partition("@")
    name = names.name_of(reference.type, uid)
    return f"{mark}{uid if name is None else name}"


def _renamed(reference: Reference, text: str, old: ObjectId, new: str) -> str:
    name = reference.target(text)
    if name is None or ObjectId(reference.type, name) != old:
        return text
    return text.removesuffix(name) + new


def _note(found: set[ObjectId], reference: Reference, text: str) -> str:
    name = reference.target(text)
    if name is not None:
        found.add(ObjectId(reference.type, name))
    return text
