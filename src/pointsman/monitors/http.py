"""The `http` check: one GET by HTTP/1.1, judged by its status code and, if asked, by its body.

Invariant: reads at most `INPUT_LIMIT` bytes of header and as many of body; follows no redirect; sends nothing
but the one request.
"""

from __future__ import annotations

import asyncio
import base64
import re
import urllib.parse

from pointsman.compiler.plan import Check
from pointsman.monitors.connection import host, opened
from pointsman.monitors.finding import Budget, Failed, Finding, excerpt
from pointsman.monitors.pattern import INPUT_LIMIT, Matcher

_STATUS_LINE = re.compile(rb"HTTP/\d\.\d (\d{3})(?: [^\r\n]*)?\r?\n")
_PATH_SAFE = "/?&=%:@!$'()*+,;~-._[]|#"
_SWITCHING = 101
_NO_BODY = frozenset({204, 304})


async def check_http(check: Check, matcher: Matcher) -> Finding:
    """Runs the check; raises `Failed` or `Undecided`."""
    budget = Budget(check.timeout)
    async with opened(check, budget) as (reader, writer):
        async with budget.spend("waiting for the response"):
            writer.write(request(check))
            await writer.drain()
            code, headers = await _read_head(reader)
        if check.status_regex and not await matcher.search(check.status_regex, str(code).encode()):
            raise Failed(f"status {code} does not match {check.status_regex}")
        if check.body_regex:
            async with budget.spend("reading the body"):
                body = await _read_body(reader, code, headers)
            if not await matcher.search(check.body_regex, body):
                raise Failed(f"the body does not match {check.body_regex}; it begins {excerpt(body)}")
    return Finding(True, f"status {code}")


def request(check: Check) -> bytes:
    """The request's bytes. What could break a line (space, control, beyond ASCII) is percent-encoded in the
    path.
    """
    path = check.path if check.path.startswith("/") else f"/{check.path}"
    lines = [
        f"GET {urllib.parse.quote(path, safe=_PATH_SAFE)} HTTP/1.1",
        f"Host: {_header(host(check))}",
        "User-Agent: Pointsman-Monitor/1.0",
        "Accept: */*",
        "Connection: close",
    ]
    if check.authentication:
        token = base64.b64encode(check.authentication.encode()).decode("ascii")
        lines.append(f"Authorization: Basic {token}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


def _header(value: str) -> str:
    try:
        name = value if value.isascii() else value.encode("idna").decode("ascii")
    except UnicodeError:
        name = value
    return "".join(character for character in name if " " < character < "\x7f")


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes]]:
    """Status code and headers of the final response; interim ones (1xx) are passed over."""
    left = INPUT_LIMIT
    while True:
        line = await _read_line(reader)
        if not line:
            raise Failed("the node closed the connection without an answer")
        status = _STATUS_LINE.fullmatch(line)
        if not status:
            raise Failed(f"the answer is not HTTP: {excerpt(line)}")
        headers: dict[bytes, bytes] = {}
        while (line := await _read_line(reader)) not in (b"\r\n", b"\n", b""):
            left -= len(line)
            if left < 0:
                raise Failed(f"the response header is larger than {INPUT_LIMIT} bytes")
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        code = int(status[1])
        if code >= 200 or code == _SWITCHING:
            return code, headers


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:
        raise Failed(f"a line of the response is longer than {INPUT_LIMIT} bytes") from None


async def _read_body(reader: asyncio.StreamReader, code: int, headers: dict[bytes, bytes]) -> bytes:
    """The body, up to `INPUT_LIMIT` bytes; one that is cut short is taken as far as it came."""
    if code in _NO_BODY:
        return b""
    if headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        return await _read_chunks(reader)
    length = headers.get(b"content-length", b"")
    wanted = min(int(length), INPUT_LIMIT) if length.isdigit() and len(length) < 19 else INPUT_LIMIT
    return await _read_up_to(reader, wanted)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < INPUT_LIMIT:
        size = (await _read_line(reader)).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", size) or int(size, 16) == 0:
            break
        wanted = min(int(size, 16), INPUT_LIMIT - len(body))
        piece = await _read_up_to(reader, wanted)
        body += piece
        if len(piece) < wanted:
            break
        await _read_line(reader)
    return bytes(body)


async def _read_up_to(reader: asyncio.StreamReader, wanted: int) -> bytes:
    try:
        return await reader.readexactly(wanted)
    except asyncio.IncompleteReadError as error:
        return error.partial
