"""A whole HTTP answer as a value, and the error shape that every JSON answer of ours shares.

Invariant: an error has `error_id` and `error_text`; nothing that a client sent can break out of the JSON
text, which is pure ASCII.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application (version 3)."""

JSON = "application/json"
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Answer:
    """Status, body and headers; `content-length` is added when it is sent."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer of JSON data."""
    return Answer(status, json.dumps(value, separators=(",", ":")).encode("ascii"), JSON, headers)


def error_answer(
    status: int,
    error_id: str,
    error_text: str,
    error_info: Mapping[str, Any] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """An error; `error_info` (section -> key -> error) is left out when None."""
    body: dict[str, Any] = {"error_id": error_id, "error_text": error_text}
    if error_info is not None:
        body["error_info"] = error_info
    return json_answer(status, body, headers)


def text_answer(status: int, text: str) -> Answer:
    """A line of plain text."""
    return Answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")


def header_pairs(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The answer's headers as ASGI and h11 take them."""
    pairs = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.content_type:
        pairs.append((b"content-type", answer.content_type.encode("ascii")))
    # An answer without content has no length either (RFC 9110, 8.6).
    if answer.status != 204:
        pairs.append((b"content-length", str(len(answer.body)).encode("ascii")))
    return pairs


async def send_answer(send: Send, answer: Answer) -> None:
    """Sends an answer over ASGI."""
    await send({"type": "http.response.start", "status": answer.status, "headers": header_pairs(answer)})
    await send({"type": "http.response.body", "body": answer.body})
