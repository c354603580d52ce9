"""What a REST handler needs of a request, and the refusals that hold for every request.

Invariant: no body is read before the caller is known and the request is known not to come from a foreign web
page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from pointsman.store import Author
from pointsman.web.answer import JSON, Answer, Receive, Scope, error_answer

SAFE = frozenset({"GET", "HEAD"})
JSON_LIMIT = 8 * 1024 * 1024
"""Longest JSON body: its values stay in memory several times over."""

# Browsers send these without asking the server first, so they cannot come from a program that means this API.
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_QUERY_FIELDS = 100


class BodyGone(OSError):
    """The client went away, or the server refused the body, before its end."""


@dataclass(frozen=True)
class Request:
    """One request whose caller is known. `segments` is the decoded path; `headers` have lower-case names; `audit` says
    whether the caller may see who did what.
    """

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    caller: Author
    receive: Receive
    audit: bool = True

    @property
    def content_type(self) -> str:
        """The body's media type without parameters, "" when not named."""
        return media_type(self.headers)

    async def body(self) -> bytes:
        """The whole body; the listener bounds it. Raises `BodyGone`."""
        parts: list[bytes] = []
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise BodyGone("the body ended early")
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)


def header_map(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined as RFC 9110 (5.3) says."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def media_type(headers: Mapping[str, str]) -> str:
    """The body's media type without parameters, "" when not named."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def read_query(scope: Scope) -> dict[str, list[str]]:
    """The query's arguments. Raises `ValueError` when there are too many."""
    text = scope["query_string"].decode("latin-1")
    return parse_qs(text, keep_blank_values=True, max_num_fields=_QUERY_FIELDS)


def refuse_foreign(method: str, headers: Mapping[str, str]) -> Answer | None:
    """Refuses a change that a web page of another origin asks for; browsers add their stored password to it."""
    if method in SAFE:
        return None
    site = headers.get("sec-fetch-site", "none")
    origin = headers.get("origin")
    # What the page was loaded from must be this very host and port.
    foreign = origin is not None and urlsplit_netloc(origin) != headers.get("host", "").lower()
    if site not in ("none", "same-origin") or foreign:
        return error_answer(403, "auth.cross_origin", "changes from other web sites are refused", {})
    if media_type(headers) in _FORM_TYPES:
        return error_answer(415, "http.unsupported_media_type", f"forms are not accepted; send {JSON}", {})
    return None


def urlsplit_netloc(origin: str) -> str:
    """Host and port of an `Origin` header; "" when it names none ("null")."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
