"""Writes objects as a configuration document, YAML or JSON, in the shape that `load` reads.

Pure. Invariant: loading what `export` wrote with secrets gives the same settings again, whatever characters
they hold.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pointsman.document.difference import Objects
from pointsman.document.interpret import NEWEST_VERSION
from pointsman.schema.resource import Kind, ResourceType, ValueKind

Format = Literal["yaml", "json"]


def export(
    objects: Objects, registry: Mapping[str, ResourceType], form: Format = "yaml", *, secrets: bool = False
) -> str:
    """The document that describes `objects` (sparse settings; objects of unknown types are left out).

    Without `secrets` the keys that hold them are left out; loaded into the same instance they stay as they
    are there.
    """
    tree: dict[str, Any] = {"version": float(".".join(map(str, NEWEST_VERSION)))}
    for identity in sorted(objects):
        kind = registry.get(identity.type)
        if kind is None:
            continue
        *outer, last = identity.type.split("/")
        target = tree
        for word in outer:
            target = target.setdefault(word, {})
        described = _describe(kind, objects[identity], secrets)
        if kind.kind is Kind.SINGLETON:
            target[last] = described
        else:
            target.setdefault(last, []).append({"name": identity.name, **described})
    if form == "json":
        return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
    return "".join(f"{line}\n" for line in _mapping(tree))


def _describe(kind: ResourceType, settings: Mapping[str, Any], secrets: bool) -> dict[str, Any]:
    if kind.kind is Kind.FILE:
        return {"content": _content(settings["content"])}
    sections: dict[str, Any] = {}
    for key in kind.keys:
        section = settings.get(key.section, {})
        if key.name not in section or (key.secret is not None and not secrets):
            continue
        value = section[key.name]
        if key.kind is ValueKind.TABLE and not secrets:
            hidden = {column.name for column in key.columns if column.secret is not None}
            value = [{name: cell for name, cell in row.items() if name not in hidden} for row in value]
        sections.setdefault(key.section, {})[key.name] = value
    return {"properties": sections}


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
_BLOCK = re.compile(r"[^\s](?:[\t -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*\n)+")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


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
        case str() if _BLOCK.fullmatch(value) and not _trailing_space(value):
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
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)
