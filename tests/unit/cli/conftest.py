"""A running instance behind its control socket, for commands that run in the test's own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.running import Running, running

from pointsman.cli.command import execute
from pointsman.identity.certificate import InstanceCertificate
from pointsman.identity.user import Users
from pointsman.telemetry.database import Database
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.history import History
from pointsman.web.api.app import make_app as make_api
from pointsman.web.local.app import make_app
from pointsman.web.local.limit import BODY_LIMIT
from pointsman.web.server import Server

T = TypeVar("T")
PASSWORD = "correct horse battery"


@dataclass
class Instance:
    """An instance that serves in another thread."""

    home: Path
    url: str
    fingerprint: str
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
            (home / "run").mkdir(exist_ok=True)
            users, _ = await Users.open(home, on_event=manager.events.append, given=PASSWORD)
            certificate = InstanceCertificate.open(home / "identity", "pm1")
            database = await Database.open(home / "telemetry.db")
            log = EventLog(database, home / "events.log")
            history = History(database)
            api = make_api(
                control=manager.control, users=users, events=log, history=history, health=lambda: "ok"
            )
            server = Server(lambda: certificate.context)
            port = server.listen(api, ("127.0.0.1",), 0)
            url = f"https://127.0.0.1:{port}"
            server.listen_unix(
                make_app(manager.control, users), home / "run" / "control.sock", body_limit=BODY_LIMIT
            )
            started.append(Instance(home, url, certificate.sha256, manager, asyncio.get_running_loop()))
            async with asyncio.TaskGroup() as group:
                group.create_task(server.run())
                ready.set()
                await asyncio.to_thread(over.wait)
                await server.close()
            await database.close()

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
