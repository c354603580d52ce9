"""Server-Sent Events for pages that draw as it happens.

Invariant: nothing is asked of the engine for a stream: all of them wait for the same reading. A stream ends with its
session, with the right to see it, and with the server; it keeps no session alive; there are at most `MOST` of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from pointsman.console.defence import is_same_site
from pointsman.identity.session import Sessions
from pointsman.telemetry.history import History
from pointsman.web.ui.visit import Visit

MOST = 100
MOST_OF_SESSION = 10
HEARTBEAT_SECONDS = 10.0
"""After so long without news a comment is sent: what stands between sees that the stream lives."""
_LOOK_SECONDS = 1.0
_HEADERS = {"X-Accel-Buffering": "no"}

Frame = Callable[[float], tuple[str, float]]
"""News since a moment as the data of an event, "" for none, and the moment it goes to."""


class Streams:
    """The open streams of all browsers."""

    def __init__(self, history: History, sessions: Sessions) -> None:
        self._sessions = sessions
        self._read = asyncio.Event()
        self._open: Counter[str] = Counter()
        history.listeners.append(self._on_reading)

    def _on_reading(self) -> None:
        read, self._read = self._read, asyncio.Event()
        read.set()

    def answer(self, visit: Visit, permission: str, frame: Frame, since: float) -> Response:
        """A stream of events "points", each with the data of `frame`, from `since` (Unix time) on."""
        request = visit.request
        if not is_same_site(request.headers):
            return PlainTextResponse("The request comes from another site; open the page itself.\n", 403)
        if self._open.total() >= MOST or self._open[visit.session.csrf] >= MOST_OF_SESSION:
            text = "Too many pages draw as it happens. Close some, or reload this one now and then.\n"
            return PlainTextResponse(text, 503, {"Retry-After": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=_HEADERS)
        last = request.headers.get("last-event-id", "")
        with contextlib.suppress(ValueError):
            since = max(since, float(last)) if last and len(last) < 20 else since
        return StreamingResponse(
            self._follow(visit, permission, frame, since), media_type="text/event-stream", headers=_HEADERS
        )

    async def _follow(
        self, visit: Visit, permission: str, frame: Frame, since: float
    ) -> AsyncIterator[bytes]:
        with self._entered(visit.session.csrf):
            ending: Callable[[], bool] = visit.request.scope["extensions"].get(
                "pointsman.ending", lambda: False
            )
            yield b"retry: 3000\n\n"
            told = time.monotonic()
            while True:
                read = self._read
                data, since = frame(since)
                if data:
                    yield f"id: {since:.3f}\nevent: points\ndata: {data}\n\n".encode()
                    told = time.monotonic()
                elif time.monotonic() - told > HEARTBEAT_SECONDS:
                    yield b": still here\n\n"
                    told = time.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await read.wait()
                if ending():
                    return
                if not self._lives(visit) or not visit.may(permission):
                    yield b"event: over\ndata: the session has ended\n\n"
                    return

    def _lives(self, visit: Visit) -> bool:
        return any(
            self._sessions.find(token, touch=False) is visit.session
            for token in visit.request.cookies.values()
        )

    @contextlib.contextmanager
    def _entered(self, session: str) -> Iterator[None]:
        self._open[session] += 1
        try:
            yield
        finally:
            self._open[session] -= 1
            if self._open[session] <= 0:
                del self._open[session]
