"""What one run of one check found, and how the steps of a check fail.

Invariant: every reason is a sentence for an administrator; it names what went wrong at the node, never a
Python error.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_AT_THE_NODE = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "the node reset the connection",
    errno.ECONNABORTED: "the connection was aborted",
    errno.EPIPE: "the node closed the connection",
    errno.EHOSTUNREACH: "the node's host cannot be reached (no route, or it answers no ARP)",
    errno.EHOSTDOWN: "the node's host is down",
    errno.ENETUNREACH: "the node's network cannot be reached",
    errno.ETIMEDOUT: "timed out connecting",
}
_AT_HOME = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EPERM,
        errno.EACCES,
    }
)
_EXCERPT = 60


@dataclass(frozen=True)
class Finding:
    """One run's result: `up` is None when nothing could be found out, which never counts against a node."""

    up: bool | None
    reason: str


class Failed(Exception):
    """The node failed the check; the argument is the reason."""


class Undecided(Exception):
    """The check could not be made for a cause on this machine; the argument is the reason."""


class Budget:
    """The seconds one check may spend with the node; time spent elsewhere (matching a pattern) does not
    count.
    """

    def __init__(self, seconds: float) -> None:
        self._total = seconds
        self._left = float(seconds)

    @asynccontextmanager
    async def spend(self, doing: str) -> AsyncIterator[None]:
        """Runs a step; raises `Failed` or `Undecided` in place of time-outs and operating-system errors."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(self._left):
                yield
        except TimeoutError:
            raise Failed(f"timed out after {self._total:g} s {doing}") from None
        except OSError as error:
            raise _classified(error, doing) from error
        finally:
            self._left -= loop.time() - start


def _classified(error: OSError, doing: str) -> Failed | Undecided:
    if isinstance(error, ssl.SSLError):
        detail = (error.reason or "").replace("_", " ").lower() or "the node closed the connection"
        return Failed(f"TLS failed: {detail}")
    if error.errno in _AT_HOME:
        return Undecided(f"could not be checked: {error.strerror}; the cause is on this machine")
    known = _AT_THE_NODE.get(error.errno or 0)
    return Failed(known or f"{error.strerror or 'the connection broke'} {doing}")


def excerpt(data: bytes) -> str:
    """The beginning of what a node sent, quoted, on one line."""
    text = data[:_EXCERPT].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f'"{text}"{"..." if len(data) > _EXCERPT else ""}'
