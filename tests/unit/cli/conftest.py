"""A running instance behind its control socket, for commands that run in the test's own thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.running import Running, running

from pointsman.cli.command import execute
from pointsman.web.local.app import BODY_LIMIT, make_app
from pointsman.web.server import Server

T = TypeVar("T")


@dataclass
class Instance:
    """An instance that serves in another thread."""

    home: Path
    running: Running
    loop: asyncio.AbstractEventLoop

    def do(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs a coroutine in the instance's thread."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(20)


@contextmanager
def serving(home: Path) -> Iterator[Instance]:
    """The instance of `home`, until the block ends."""
    started: list[Instance] = []
    ready, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    async def serve() -> None:
        async with running(home) as manager:
            server = Server(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            (home / "run").mkdir(exist_ok=True)
            server.listen_unix(
                make_app(manager.control), home / "run" / "control.sock", body_limit=BODY_LIMIT
            )
            started.append(Instance(home, manager, asyncio.get_running_loop()))
            async with asyncio.TaskGroup() as group:
                group.create_task(server.run())
                ready.set()
                await asyncio.to_thread(over.wait)
                await server.close()

    def body() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=body)
    thread.start()
    assert ready.wait(20)
    try:
        if failures:
            raise failures[0]
        yield started[0]
    finally:
        over.set()
        thread.join(20)
    assert not failures, failures


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance with nothing configured."""
    with serving(tmp_path / "home") as opened:
        yield opened


def serve_nothing(options: object) -> int:
    """No control plane: the commands under test do not start one."""
    raise AssertionError("this command must not start the control plane")


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def pointsman(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process."""

    def run(*words: str | Path) -> Answer:
        status = execute(serve_nothing, [str(word) for word in words])
        captured = capfd.readouterr()
        return Answer(status, captured.out, captured.err)

    return run
