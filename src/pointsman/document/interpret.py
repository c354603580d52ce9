"""Reads one document's tree against the resource registry: which objects it gives which keys, and where.

Invariant: every value that is kept has a place; whatever the format does not know is a fault or, where that is
asked for, a remark: never skipped in silence.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field
from typing import Any

from pointsman.document import secret_hash
from pointsman.document.family import FAMILY
from pointsman.document.fault import Enough, Fault, Faulty, Findings, Place
from pointsman.document.tree import Entry, Mapping, Node, Scalar, Sequence
from pointsman.document.value_from import Referrer
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.schema.validate import NAME_LIMIT, nearest, unknown_name

NEWEST_VERSION = (8, 3)
"""The newest REST API version whose documents are accepted."""

OBJECT_LIMIT = 30_000
"""Objects of all documents together."""

Path = tuple[str, ...]


@dataclass
class Draft:
    """What documents say of one object so far; `places` leads from section, key, row and column to the
    text.
    """

    identity: ObjectId
    settings: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    faulty: set[Path] = field(default_factory=set)
    """Where a fault was found already, so that validation need not repeat it."""

    def absorb(self, later: Draft) -> None:
        """Merges a later document by field: its keys win, lists and tables are replaced, not extended."""
        for section, keys in later.settings.items():
            if isinstance(keys, dict):
                self.settings.setdefault(section, {}).update(keys)
            else:
                self.settings[section] = keys
        for path in [path for path in self.places if len(path) >= 2 and path[:2] in later.places]:
            del self.places[path]
        self.faulty |= later.faulty
        first = self.places[()]
        self.places.update(later.places)
        self.places[()] = first


class Interpreter:
    """Interprets one document. `referrer` follows its references; `tolerant` leaves out sections, keys and columns
    that are unknown, with a remark on each.
    """

    def __init__(
        self,
        registry: ReadOnly[str, ResourceType],
        referrer: Referrer,
        findings: Findings,
        *,
        tolerant: bool = False,
    ) -> None:
        self._registry = registry
        self._findings = findings
        self._referrer = referrer
        self._tolerant = tolerant
        self.drafts: dict[ObjectId, Draft] = {}

    def document(self, tree: Node) -> None:
        """Collects the objects of a whole document in `drafts`, and what is wrong or left out in the findings. Raises
        `Enough`.
        """
        if not isinstance(tree, Mapping):
            self._fault(
                tree.place, "a document is a mapping of resource types; begin with a key such as pools:"
            )
            return
        for entry in tree.entries:
            if entry.key == "version":
                self._version(entry.value)
            else:
                self._type(entry, entry.key)

    def _version(self, node: Node) -> None:
        if not isinstance(node, Scalar):
            self._fault(node.place, "version must be an API version such as 8.3; correct it")
            return
        words = node.text.split(".")
        if len(words) not in (1, 2) or not all(w.isascii() and w.isdigit() and len(w) < 4 for w in words):
            self._fault(node.place, "version must be an API version such as 8.3; correct it")
        elif (int(words[0]), int(words[1]) if len(words) == 2 else 0) > NEWEST_VERSION:
            newest = ".".join(map(str, NEWEST_VERSION))
            message = f"version {node.text} is newer than {newest}, the newest known here"
            self._fault(node.place, f"{message}; export the document for {newest} or upgrade Pointsman")

    def _type(self, entry: Entry, path: str) -> None:
        kind = self._registry.get(path)
        if kind is not None:
            if kind.kind is Kind.SINGLETON:
                self._object(kind, "", entry.value, entry.place)
            else:
                self._objects(kind, entry.value)
        elif any(known.startswith(f"{path}/") for known in (*self._registry, *FAMILY)):
            for inner in self._entries(entry.value, f"{path} holds resource types; write one below it"):
                self._type(inner, f"{path}/{inner.key}")
        else:
            if path in FAMILY:
                message = f'objects of the type "{path}" are not built into this version yet; remove them'
            else:
                message = f'there is no resource type "{path}"; remove it{nearest(path, self._registry)}'
            self._fault(entry.place, message, "document.unknown_type")

    def _entries(
        self, node: Node, otherwise: str, subject: ObjectId | None = None, path: Path = ()
    ) -> tuple[Entry, ...]:
        if isinstance(node, Scalar) and node.value is None:
            return ()
        if not isinstance(node, Mapping):
            self._fault(node.place, otherwise, subject=subject, path=path)
            return ()
        return node.entries

    def _objects(self, kind: ResourceType, node: Node) -> None:
        if isinstance(node, Scalar) and node.value is None:
            return
        if not isinstance(node, Sequence):
            self._fault(node.place, f'{kind.path} is a list of objects; begin each with "- name:"')
            return
        for item in node.items:
            if not isinstance(item, Mapping):
                self._fault(
                    item.place,
                    f"an object of {kind.path} is a mapping with a name; write name and properties",
                )
                continue
            name = item.get("name")
            if not isinstance(name, Scalar) or name.value is None or isinstance(name.value, bool | bytes):
                place = name.place if name else item.place
                self._fault(place, f"an object of {kind.path} needs a name; give it one")
                continue
            if len(name.text) > NAME_LIMIT:
                self._fault(name.place, f"a name may have {NAME_LIMIT} bytes at most; shorten it")
                continue
            self._object(kind, name.text, item, name.place)

    def _object(self, kind: ResourceType, name: str, node: Node, place: Place) -> None:
        identity = ObjectId(kind.path, name)
        if (twin := self.drafts.get(identity)) is not None:
            line = twin.places[()].line
            self._fault(place, f"the object is already there in line {line}; join the two", subject=identity)
            return
        if len(self.drafts) >= OBJECT_LIMIT:
            self._fault(place, f"there are more than {OBJECT_LIMIT} objects up to here; describe less")
            raise Enough
        draft = self.drafts[identity] = Draft(identity, {}, {(): place})
        body = "content" if kind.kind is Kind.FILE else "properties"
        for entry in self._entries(node, f"an object is a mapping with {body}; write it so", identity):
            if entry.key == body and kind.kind is Kind.FILE:
                self._content(draft, entry)
            elif entry.key == body:
                shape = "properties is a mapping of sections; begin with basic:"
                for section in self._entries(entry.value, shape, identity):
                    self._section(draft, kind, section)
            elif entry.key != "name" or kind.kind is Kind.SINGLETON:
                message = f'an object has no "{entry.key}"; write its keys below {body}:'
                self._fault(entry.place, message, "json.field_unknown", identity)

    def _content(self, draft: Draft, entry: Entry) -> None:
        node = entry.value
        draft.places["content",] = node.place
        content: bytes | None = None
        match node:
            case Scalar(value=bytes() as value):
                content = value
            case Scalar(value=str() | int() | float(), text=text) if not isinstance(node.value, bool):
                content = text.encode("utf-8", "surrogatepass")
            case Mapping(entries=(Entry(key="valueFrom", value=value_from),)):
                try:
                    content = self._referrer.content(value_from)
                except Faulty as error:
                    self._faulty(draft.identity, ("content",), error)
                    return
            case Mapping(entries=(Entry(key="base64", value=Scalar(value=str() as text)),)):
                try:
                    content = base64.b64decode("".join(text.split()), validate=True)
                except binascii.Error:
                    self._fault(
                        node.place,
                        "is not base64; encode it again",
                        subject=draft.identity,
                        path=("content",),
                    )
                    return
        if content is None:
            message = "must be text, {base64: ...} or {valueFrom: {fileRef: {name: ...}}}; write one of these"
            self._fault(node.place, message, subject=draft.identity, path=("content",))
        else:
            draft.settings["content"] = content

    def _section(self, draft: Draft, kind: ResourceType, entry: Entry) -> None:
        if entry.key not in kind.sections and self._left_out(draft, kind, (entry.key,), entry):
            return
        draft.places[entry.key,] = entry.place
        keys: dict[str, Any] = {}
        moved: list[tuple[tuple[str, str], Any]] = []
        shape = "a section is a mapping of keys; write key: value"
        for inner in self._entries(entry.value, shape, draft.identity, (entry.key,)):
            path = (entry.key, inner.key)
            known = kind.key(entry.key, inner.key)
            if known is None and (renamed := kind.renaming(*path)) is not None:
                message = (
                    f"is read as {'.'.join(renamed.after)}, as it is called since level {renamed.level} of the schema; "
                    "use that name"
                )
                self._remark(draft, path, inner, message)
                value = self._value(draft, renamed.after, inner.value, kind.key(*renamed.after))
                draft.places.setdefault(renamed.after, inner.value.place)
                moved.append((renamed.after, value))
                continue
            if known is None and self._left_out(draft, kind, path, inner):
                continue
            draft.places[path] = inner.value.place
            keys[inner.key] = self._value(draft, path, inner.value, known)
        if keys or not moved:
            draft.settings[entry.key] = {**draft.settings.get(entry.key, {}), **keys}
        for (section, name), value in moved:
            draft.settings.setdefault(section, {}).setdefault(name, value)

    def _value(self, draft: Draft, path: Path, node: Node, key: Key | None) -> Any:
        """The plain value of `node`; `key` (or a table's column) says which shape is wanted."""
        wanted = key.kind if key else None
        match node:
            case Mapping(entries=(Entry(key="valueFrom", value=value_from),)):
                followed = self._followed(draft, path, value_from, key)
                return None if followed is None else self._value(draft, path, followed, key)
            case Mapping(entries=(Entry(key=secret_hash.HASHED, value=Scalar(value=str() as text)),)) if (
                key is not None and key.secret is not None
            ):
                return {secret_hash.HASHED: text}
            case Scalar(value=None):
                self._fault(
                    node.place, "has no value; write one or remove the key", subject=draft.identity, path=path
                )
                return None
            case Scalar(value=bytes()):
                self._fault(node.place, "must not be binary; write text", subject=draft.identity, path=path)
                return None
            case Scalar(value=value, text=text):
                # Published documents write numbers where the schema says string (`size: 0`).
                return text if wanted is ValueKind.STRING and type(value) in (int, float) else value
            case Sequence(items=items):
                return [self._item(draft, (*path, str(index)), item, key) for index, item in enumerate(items)]
            case Mapping(entries=entries):
                return {
                    e.key: self._value(draft, (*path, e.key), e.value, column)
                    for e in entries
                    if (column := _column(key, e.key)) or not self._stray_column(draft, path, node, e, key)
                }

    def _stray_column(self, draft: Draft, row: Path, node: Mapping, entry: Entry, key: Key | None) -> bool:
        """Whether `entry` is a column that its table does not have, and was left out for that."""
        if key is None or not key.columns:
            return False
        label = node.get(key.row_key)
        if isinstance(label, Scalar) and isinstance(label.value, str) and label.value.isprintable():
            row = (*row[:-1], label.value)
        return self._left_out(draft, self._registry[draft.identity.type], (*row, entry.key), entry)

    def _left_out(self, draft: Draft, kind: ResourceType, path: Path, entry: Entry) -> bool:
        """Remarks on a name that `kind` does not have, where it may be left out; else validation will refuse it."""
        if self._tolerant:
            self._remark(draft, path, entry, f"is left out: {unknown_name(kind, path)}")
        return self._tolerant

    def _remark(self, draft: Draft, path: Path, entry: Entry, message: str) -> None:
        """Says what became of a name that `kind` does not have."""
        if self._findings.has_room:
            place = entry.place
            problem = Problem(draft.identity, path, "json.unknown_property", message)
            self._findings.remark(Fault(place.file, place.line, place.column, problem))

    def _item(self, draft: Draft, path: Path, node: Node, key: Key | None) -> Any:
        draft.places[path] = node.place
        if key is not None and key.kind is ValueKind.LIST:
            if isinstance(node, Scalar) and type(node.value) in (int, float):
                return node.text
            return self._value(draft, path, node, None)
        value = self._value(draft, path, node, key)
        if isinstance(node, Mapping) and isinstance(value, dict):
            label = value.get(key.row_key) if key is not None and key.row_key else None
            for entry in node.entries:
                draft.places[(*path, entry.key)] = entry.value.place
                if isinstance(label, str):  # problems of a table name the row by its key
                    draft.places[(*path[:-1], label, entry.key)] = entry.value.place
            if isinstance(label, str):
                draft.places[(*path[:-1], label)] = node.place
        return value

    def _followed(self, draft: Draft, path: Path, value_from: Node, key: Key | None) -> Node | None:
        """What stands in the place of a `valueFrom`, or None after a fault."""
        try:
            return self._referrer.node(value_from, key)
        except Faulty as error:
            self._faulty(draft.identity, path, error)
        return None

    def _faulty(self, subject: ObjectId, path: Path, error: Faulty) -> None:
        for fault in error.faults:
            place = Place(fault.file, fault.line, fault.column)
            self._fault(place, fault.problem.message, fault.problem.code, subject, path)

    def _fault(
        self,
        place: Place,
        message: str,
        code: str = "document.structure",
        subject: ObjectId | None = None,
        path: Path = (),
    ) -> None:
        if subject is not None and path:
            self.drafts[subject].faulty.add(path)
        problem = Problem(subject, path, code, message)
        self._findings.fault(Fault(place.file, place.line, place.column, problem))


def _column(key: Key | None, name: str) -> Key | None:
    return next((column for column in key.columns if column.name == name), None) if key else None
