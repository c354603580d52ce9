"""An application is loaded by the first request, once, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from pointsman.daemon import deferred
from pointsman.daemon.deferred import Deferred
from pointsman.web.answer import App, Message, Receive, Scope, Send


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ask(application: Deferred, path: str) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await application({"path": path}, _nothing, send)
    return sent


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "echo", "path": scope["path"]})


async def test_all_who_ask_at_first_wait_for_one_application() -> None:
    loaded = threading.Event()
    made: list[int] = []

    def load() -> Callable[[], App]:
        assert loaded.wait(30)

        def make() -> App:
            made.append(threading.get_ident())
            return _echo

        return make

    application = Deferred(load)
    first = [asyncio.create_task(_ask(application, path)) for path in "ab"]
    await asyncio.sleep(0)  # the loop is free while it is loaded
    assert made == []
    loaded.set()
    answers = await asyncio.gather(*first)
    assert answers == [[{"type": "echo", "path": "a"}], [{"type": "echo", "path": "b"}]]
    assert await _ask(application, "c") == [{"type": "echo", "path": "c"}]
    assert made == [threading.get_ident()]


async def test_a_visitor_who_leaves_or_a_load_that_fails_spoils_nothing() -> None:
    loaded = threading.Event()
    tries: list[str] = []

    def load() -> Callable[[], App]:
        tries.append("")
        if len(tries) == 1:
            raise OSError("no room")
        assert loaded.wait(30)
        return lambda: _echo

    application = Deferred(load)
    with pytest.raises(OSError, match="no room"):
        await _ask(application, "a")
    leaving = asyncio.create_task(_ask(application, "b"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    loaded.set()
    assert await _ask(application, "c") == [{"type": "echo", "path": "c"}]


async def test_they_are_loaded_soon_and_one_that_cannot_be_spoils_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deferred, "LOAD_SECONDS", 0.01)
    made: list[str] = []

    def fails() -> Callable[[], App]:
        raise OSError("no room")

    def loads() -> Callable[[], App]:
        made.append("made")
        return lambda: _echo

    await deferred.load_soon((Deferred(fails), Deferred(loads)))
    assert made == ["made"]
    assert "no room" in caplog.text
