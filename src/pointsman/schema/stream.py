"""One exchange between a client and a service that goes on now, in the engine's own names; and sessions by node.

Invariant: text is what the engine wrote, not yet judged; figures are never guessed: None is what was not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Stream:
    """A client's connection with a request on it. `listener`, `backend` and `server` are names of the engine's
    configuration, "" where there is none yet; `age` is seconds since it began; bytes are those from and to the client.
    """

    client: str
    listener: str
    backend: str
    server: str
    age: int
    bytes_in: int | None = None
    bytes_out: int | None = None
    method: str = ""


@dataclass(frozen=True)
class Streams:
    """Streams as they were read; `complete` is false when there are more than were read."""

    streams: tuple[Stream, ...]
    complete: bool


@dataclass(frozen=True)
class Sessions:
    """The sessions that the engine remembers for a pool, and how many of them each node has, which is None where there
    were too many to be read.
    """

    total: int
    by_node: Mapping[str, int] | None
