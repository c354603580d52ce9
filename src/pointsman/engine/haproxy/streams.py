"""HAProxy's `show sess`: who is connected now.

Invariant: hardly more streams are read than were asked for, on a connection of its own that is ended then, so that
neither the engine nor anybody who asks it something waits for the rest. HAProxy (2.8.25) stops its threads for each
buffer of 16 kB that it fills, some tens of microseconds, and serves in between.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from pointsman.engine.haproxy.socket import EngineUnreachable
from pointsman.schema.stream import Stream, Streams

_BEGIN = b"\n0x"
_ANSWER_SECONDS = 5.0
_BRIEF = re.compile(r"proto=\S+ src=(\S+) fe=(\S+) be=(\S+) srv=(\S+) .*?\bage=(\w+)")
_FIELDS = {
    "client": re.compile(r" source=(\S+)"),
    "listener": re.compile(r"^  frontend=(\S+)", re.M),
    "backend": re.compile(r"^  backend=(\S+)", re.M),
    "server": re.compile(r"^  server=(\S+)", re.M),
    "age": re.compile(r" age=(\w+)\)"),
    "in": re.compile(r"^  req=.* total=(\d+)\)", re.M),
    "out": re.compile(r"^  res=.* total=(\d+)\)", re.M),
    "method": re.compile(r"^      \.meth=([A-Z]{1,20})\b", re.M),
}
_UNIT_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_AGE = re.compile(r"(\d+)([dhms])")
_OWN_MOST = 20
"""Streams of HAProxy's own sockets that are read beside those asked for."""
_OWN = "GLOBAL"
"""The frontend of HAProxy's own sockets: our questions, not traffic."""


async def read_streams(socket: Path, most: int, *, detailed: bool) -> Streams:
    """The streams of the worker that answers on a runtime socket, `most` at most. Raises EngineUnreachable.

    `detailed` reads bytes and methods too, which is some 2 kB for each stream instead of 0.4 kB.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket, limit=1 << 20)
            try:
                writer.write(b"show sess all\n" if detailed else b"show sess\n")
                text, complete = await _read(reader, most + _OWN_MOST)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise EngineUnreachable(f"{socket.name}: {error or 'no answer'}") from error
    streams = await asyncio.to_thread(parse_streams, text, detailed=detailed)
    return Streams(streams[:most], complete and len(streams) <= most)


async def _read(reader: asyncio.StreamReader, most: int) -> tuple[str, bool]:
    received = bytearray(b"\n")
    begun = 0
    while part := await reader.read(1 << 18):
        searched = max(0, len(received) - len(_BEGIN) + 1)
        received += part
        begun += received.count(_BEGIN, searched)
        if begun > most:
            # The last one may be torn.
            return bytes(received[: received.rindex(_BEGIN)]).decode(errors="replace"), False
    return bytes(received).decode(errors="replace"), True


def parse_streams(text: str, *, detailed: bool) -> tuple[Stream, ...]:
    """The streams in an answer to `show sess` or, `detailed`, to `show sess all`; the engine's own are left out."""
    found = []
    for block in text.split("\n0x"):
        stream = _detailed(block) if detailed else _brief(block)
        if stream is not None and stream.listener not in ("", _OWN):
            found.append(stream)
    return tuple(found)


def _brief(line: str) -> Stream | None:
    match = _BRIEF.search(line)
    if match is None:
        return None
    client, listener, backend, server, age = match.groups()
    return Stream(client, _name(listener), _name(backend), _name(server), _seconds(age))


def _detailed(block: str) -> Stream | None:
    said = {name: match[1] for name, pattern in _FIELDS.items() if (match := pattern.search(block))}
    if "client" not in said or "listener" not in said:
        return None
    return Stream(
        said["client"],
        _name(said["listener"]),
        _name(said.get("backend", "")),
        _name(said.get("server", "")),
        _seconds(said.get("age", "")),
        int(said["in"]) if "in" in said else None,
        int(said["out"]) if "out" in said else None,
        said.get("method", ""),
    )


def _name(text: str) -> str:
    return "" if text.startswith("<") or text == "?" else text


def _seconds(text: str) -> int:
    return sum(int(number) * _UNIT_SECONDS[unit] for number, unit in _AGE.findall(text))
