"""Writes objects as a configuration document, YAML or JSON, in the shape that `load` reads: all of them, or how they
differ from others.

Invariant: loading what was exported with secrets, over what it is a difference from, gives the same settings again,
whatever characters they hold; and the text has no control characters but line breaks and tabs, nor any that reorder it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pointsman.document.difference import Objects, value_in
from pointsman.document.fault import UNSHOWN, one_line
from pointsman.document.interpret import NEWEST_VERSION
from pointsman.document.secret_hash import HASHED, Hasher, labelled, salt_of
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind

Format = Literal["yaml", "json"]
Secrets = Literal["include", "exclude", "hash"]


@dataclass(frozen=True)
class Exported:
    """A document, and what it does not say: how many secrets were `left_out`, and which objects of the base are not
    there any more (`deleted`).
    """

    text: str
    left_out: int
    deleted: tuple[ObjectId, ...]


def export(
    objects: Objects,
    registry: Mapping[str, ResourceType],
    form: Format = "yaml",
    *,
    secrets: Secrets = "exclude",
    base: Objects | None = None,
    seed: str = "",
) -> Exported:
    """The document that describes `objects` (sparse settings; objects of unknown types are left out), or with `base`
    what must be laid over the base, key by key, to get them.

    Secrets are written, left out (loaded into the same instance they stay as they are there), or written as hashes
    that stand for what is stored; `seed` tells an instance from others. Hashing takes 20 ms for each password.
    """
    writer = _Writer(secrets, seed)
    tree: dict[str, Any] = {"version": float(".".join(map(str, NEWEST_VERSION)))}
    for identity in sorted(objects):
        kind = registry.get(identity.type)
        if kind is None:
            continue
        origin = None if base is None else base.get(identity, {} if kind.kind is Kind.SINGLETON else None)
        described = writer.describe(kind, identity, objects[identity], origin)
        if described is None:
            continue
        *outer, last = identity.type.split("/")
        target = tree
        for word in outer:
            target = target.setdefault(word, {})
        if kind.kind is Kind.SINGLETON:
            target[last] = described
        else:
            target.setdefault(last, []).append({"name": identity.name, **described})
    deleted = _deleted(objects, base or {}, registry)
    if form == "json":
        text = _ESCAPED.sub(_escape, json.dumps(tree, indent=2, ensure_ascii=False)) + "\n"
    else:
        text = "".join(f"{line}\n" for line in (*_remarks(writer.left_out, deleted), *_mapping(tree)))
    return Exported(text, writer.left_out, deleted)


def _deleted(objects: Objects, base: Objects, registry: Mapping[str, ResourceType]) -> tuple[ObjectId, ...]:
    gone = (identity for identity in base if identity not in objects and identity.type in registry)
    return tuple(sorted(identity for identity in gone if registry[identity.type].kind is not Kind.SINGLETON))


def _remarks(left_out: int, deleted: tuple[ObjectId, ...]) -> Iterator[str]:
    if left_out:
        yield f"# Secrets that are left out here: {left_out}. They stay as they are where this is applied."
    if deleted:
        yield "# A document cannot say that an object is deleted. These were, since the base:"
        yield from (f"# - {one_line(str(identity))}" for identity in deleted)


class _Writer:
    def __init__(self, secrets: Secrets, seed: str) -> None:
        self._secrets = secrets
        self._salt = salt_of(seed)
        self._hasher = Hasher()
        self.left_out = 0

    def describe(
        self,
        kind: ResourceType,
        identity: ObjectId,
        settings: Mapping[str, Any],
        origin: Mapping[str, Any] | None,
    ) -> dict[str, Any] | None:
        """The body of an object, without what `origin` says as well; None when that is all."""
        if kind.kind is Kind.FILE:
            same = origin is not None and origin.get("content") == settings["content"]
            return None if same else {"content": _content(settings["content"])}
        sections: dict[str, Any] = {}
        for key in kind.keys:
            if origin is None:
                if key.name not in settings.get(key.section, {}):
                    continue
                value = settings[key.section][key.name]
            elif (value := value_in(key, settings)) == value_in(key, origin):
                continue
            value = self._shown(key, identity, value)
            if value is not None:
                sections.setdefault(key.section, {})[key.name] = value
        return None if origin is not None and not sections else {"properties": sections}

    def _shown(self, key: Key, identity: ObjectId, value: Any) -> Any:
        path = (key.section, key.name)
        if key.secret is not None:
            return self._secret(identity, path, value)
        if key.kind is not ValueKind.TABLE or not any(column.secret for column in key.columns):
            return value
        hidden = {column.name for column in key.columns if column.secret is not None}
        rows = []
        for label, row in labelled(key, value):
            cells = {
                name: self._secret(identity, (*path, label, name), cell) if name in hidden else cell
                for name, cell in row.items()
            }
            rows.append({name: cell for name, cell in cells.items() if cell is not None})
        return rows

    def _secret(self, identity: ObjectId, path: tuple[str, ...], value: Any) -> Any:
        """What is written for a secret; None for nothing. That there is none is no secret."""
        match self._secrets:
            case "include":
                return value
            case _ if value == "":
                return value
            case "hash":
                return {HASHED: self._hasher.hash(str(value), self._salt, identity, path)}
            case "exclude":
                self.left_out += 1
        return None


def _content(content: bytes) -> str | dict[str, str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}
    return text


# The emitter is our own: its output is a small, fixed subset of YAML (block collections, plain words,
# double-quoted strings, literal blocks) whose reading cannot depend on a library's idea of when to quote.

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_/.-]*")
_SPECIAL_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_BLOCK = re.compile(r"[^\s](?:[\t -~\u00a0-\ud7ff\ue000-\ufffd]*\n)+")
# Line breaks of the layout itself are not among those that are escaped; inside a string they are escaped already.
_ESCAPED = re.compile(f"(?!\n)[{UNSHOWN}]")


def _mapping(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(f"{_word(key)}:", value)


def _entry(head: str, value: Any) -> Iterator[str]:
    match value:
        case dict() if value:
            yield head
            yield from _indented(_mapping(value))
        case list() if value:
            yield head
            for item in value:
                yield from _item(item)
        case str() if _BLOCK.fullmatch(value) and not _trailing_space(value) and not _unshown(value):
            yield f"{head} |"
            yield from (f"  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        case _:
            yield f"{head} {_scalar(value)}"


def _item(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        first, *rest = _mapping(value)
        yield f"- {first}"
        yield from _indented(iter(rest))
    else:
        yield f"- {_scalar(value)}"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)


def _trailing_space(text: str) -> bool:
    return text.endswith("\n\n") or any(line != line.rstrip() for line in text.split("\n"))


def _scalar(value: Any) -> str:
    match value:
        case str():
            return _word(value)
        case _:
            return json.dumps(value)


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _SPECIAL_WORDS:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(_escape, quoted)


def _unshown(text: str) -> bool:
    return _ESCAPED.search(text.replace("\t", "")) is not None


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
