"""Reads what `valueFrom` stands for: a file below the base directory or an environment variable, as text, lines, JSON
or YAML.

Invariant: a reference gives its whole value or raises `Faulty` with the place to change; what was read holds no
further references, and variables that carry the product's own secrets are never given out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pointsman.document.fault import Fault, Faulty, Place
from pointsman.document.json_reader import read_json
from pointsman.document.reference import Unreadable
from pointsman.document.tree import Budget, Node, Scalar, Sequence
from pointsman.document.tree import Mapping as Tree
from pointsman.document.yaml_reader import plain_scalar, read_yaml
from pointsman.schema.problem import Problem
from pointsman.schema.resource import Key, ValueKind

Form = Literal["text", "lines", "json", "yaml"]
FORMS: tuple[Form, ...] = ("text", "lines", "json", "yaml")
RESERVED = ("ZEUS_", "POINTSMAN_")
"""How names of variables begin that tell the product itself something, passwords among it."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHAPE = (
    "valueFrom must be {fileRef: {name: path below the base directory}} or {envRef: {name: VARIABLE}}, with format and "
    "trim where needed; write it so"
)


@dataclass(frozen=True)
class Referred:
    """What a reference leads to. `name` is shown; `trim` None means: a line break at the end of a single line."""

    name: str
    content: bytes
    place: Place
    form: Form | None
    trim: bool | None


class Referrer:
    """Follows references. `read` gives the bytes of a file below the base or raises `Unreadable`; `budget` counts the
    values of what is read as JSON or YAML.
    """

    def __init__(self, read: Callable[[str], bytes], environment: Mapping[str, str], budget: Budget) -> None:
        self._read = read
        self._environment = environment
        self._budget = budget

    def follow(self, node: Node) -> Referred:
        """What `node`, the value of a `valueFrom`, stands for. Raises `Faulty`."""
        if not isinstance(node, Tree) or len(node.entries) != 1:
            raise _faulty(node.place, _SHAPE)
        (entry,) = node.entries
        if entry.key not in ("fileRef", "envRef") or not isinstance(entry.value, Tree):
            raise _faulty(node.place, _SHAPE)
        found = {option.key: option.value for option in entry.value.entries}
        name = found.pop("name", None)
        if (
            not isinstance(name, Scalar)
            or not isinstance(name.value, str)
            or not found.keys() <= {"format", "trim"}
        ):
            raise _faulty(node.place, _SHAPE)
        form, trim = _form(found.get("format")), _trim(found.get("trim"))
        if trim and form in ("json", "yaml"):
            raise _faulty(node.place, f"trim has no meaning for the format {form}; remove it")
        try:
            content = self._read(name.value) if entry.key == "fileRef" else self._variable(name.value)
        except Unreadable as error:
            raise _faulty(name.place, str(error)) from None
        return Referred(name.value, content, name.place, form, trim)

    def node(self, node: Node, key: Key | None) -> Node:
        """The value of a key (or column, or element) as if it stood in the document. Raises `Faulty`."""
        referred = self.follow(node)
        wanted = key.kind if key else None
        form = referred.form or ("lines" if wanted is ValueKind.LIST else "text")
        text = _text(referred)
        match form:
            case "json" | "yaml":
                read = read_json if form == "json" else read_yaml
                tree = read(text, referred.name, self._budget)
                if tree is None:
                    raise _faulty(referred.place, f'"{referred.name}" holds no value; write one into it')
                _refuse_references(tree)
                return tree
            case "lines":
                lines = (line.strip() if referred.trim else line for line in text.splitlines())
                return Sequence(tuple(self._lines(lines, referred.place)), referred.place)
            case "text" if wanted is ValueKind.TABLE:
                message = "a table is not read from plain text; add format: yaml or format: json"
                raise _faulty(referred.place, message)
            case "text":
                text = _trimmed(text, referred.trim)
                if wanted in (ValueKind.INTEGER, ValueKind.NUMBER, ValueKind.BOOLEAN):
                    return Scalar(plain_scalar(text.strip()), text, referred.place)
                return Scalar(text, text, referred.place)

    def _lines(self, lines: Iterable[str], place: Place) -> Iterator[Scalar]:
        for line in lines:
            if line:
                self._budget.spend(place, 1)
                yield Scalar(line, line, place)

    def content(self, node: Node) -> bytes:
        """The content of a file object. Raises `Faulty`."""
        referred = self.follow(node)
        if referred.form not in (None, "text"):
            raise _faulty(referred.place, f"content is taken as it is; remove format: {referred.form}")
        return referred.content.strip() if referred.trim else referred.content

    def _variable(self, name: str) -> bytes:
        if not _VARIABLE.fullmatch(name):
            raise Unreadable(f'"{name}" is no name of an environment variable; write letters, digits and _')
        if name.startswith(RESERVED):
            raise Unreadable(f'the variable "{name}" belongs to the product itself; use one of another name')
        if name not in self._environment:
            raise Unreadable(f'the environment variable "{name}" is not set where the import runs; set it')
        return self._environment[name].encode("utf-8", "surrogateescape")


def _text(referred: Referred) -> str:
    try:
        return referred.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = f'what "{referred.name}" refers to is not text in UTF-8; convert it'
        raise _faulty(referred.place, message) from None


def _trimmed(text: str, trim: bool | None) -> str:
    if trim is not None:
        return text.strip() if trim else text
    # Editors end a file with a line break; a password of one line does not mean it.
    if text.count("\n") == 1 and text.endswith("\n"):
        return text.removesuffix("\n").removesuffix("\r")
    return text


def _refuse_references(tree: Node) -> None:
    match tree:
        case Tree(entries=entries):
            for entry in entries:
                if entry.key == "valueFrom":
                    raise _faulty(
                        entry.place, "a file that is referred to cannot refer further; write the value"
                    )
                _refuse_references(entry.value)
        case Sequence(items=items):
            for item in items:
                _refuse_references(item)


def _form(node: Node | None) -> Form | None:
    if node is None:
        return None
    for form in FORMS:
        if isinstance(node, Scalar) and node.value == form:
            return form
    raise _faulty(node.place, f"format must be one of {', '.join(FORMS)}; choose one of them")


def _trim(node: Node | None) -> bool | None:
    if node is None:
        return None
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    raise _faulty(node.place, "trim must be true or false; write one of them")


def _faulty(place: Place, message: str) -> Faulty:
    problem = Problem(None, (), "document.reference", message)
    return Faulty((Fault(place.file, place.line, place.column, problem),))
