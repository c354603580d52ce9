"""Addresses of pages about objects, whose names may hold any character.

Pure. Invariant: `segment` of a name is one segment of a path, and the name again once a route has matched it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH = "\x1f"
"""What stands for a slash inside a name while routes are matched; no name holds a control character."""


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


class _Name(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return value.replace(_SLASH, "/")

    def to_string(self, value: str) -> str:
        return segment(value)


register_url_convertor("object", _Name())


def by_segments(app: ASGIApp) -> ASGIApp:
    """`app`, whose routes see a slash that belongs to a name as a part of it: "{name:object}" in a route."""

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (raw := scope.get("raw_path")):
            parts = raw.decode("latin-1").partition("?")[0].split("/")
            path = "/".join(unquote(part).replace("/", _SLASH) for part in parts)
            scope = {**scope, "path": path}
        await app(scope, receive, send)

    return routed


def listed(values: dict[str, Any]) -> str:
    """A query string of what is set, "" for nothing."""
    found = [
        f"{quote(str(key))}={quote(str(value))}" for key, value in values.items() if value not in ("", None)
    ]
    return f"?{'&'.join(found)}" if found else ""
