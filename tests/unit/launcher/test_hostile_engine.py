"""An engine that somebody took over talks nonsense: the launcher, which outlives it, is neither held up nor filled."""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.launcher import engines
from pointsman.launcher.quiesce import keep_waiting


@contextlib.contextmanager
def engine(path: Path, act: Callable[[socket.socket], None]) -> Iterator[str]:
    """Who connects to the socket at `path` meets `act`."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted, contextlib.suppress(OSError):
                accepted.recv(100)
                act(accepted)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield str(path)
        thread.join(10)


def test_what_is_handed_over_is_closed_again_whatever_it_is(tmp_path: Path) -> None:
    def act(talk: socket.socket) -> None:
        talk.sendall(struct.pack("i", 1 << 30))
        ours = os.open("/dev/null", os.O_RDONLY)
        for _ in range(5):
            socket.send_fds(talk, [b"x"], [ours, talk.fileno()])
            talk.recv(4)
        os.close(ours)

    before = len(list(Path("/proc/self/fd").iterdir()))
    with engine(tmp_path / "worker.sock", act) as runtime:
        assert keep_waiting(runtime, {"127.0.0.1"}) == ()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_answer_without_end_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_WHOLE_ANSWER_SECONDS", 0.3)

    def drip(talk: socket.socket) -> None:
        while True:
            talk.sendall(b"x")
            time.sleep(0.02)

    with engine(tmp_path / "master.sock", drip) as master:
        begun = time.monotonic()
        assert engines.ask(master, "show proc") == ("", 0)
        assert time.monotonic() - begun < 10

    def flood(talk: socket.socket) -> None:
        while True:
            talk.sendall(array.array("b", bytes(1 << 16)))

    monkeypatch.setattr(engines, "_LONGEST_ANSWER", 1 << 20)
    with engine(tmp_path / "other.sock", flood) as master:
        assert engines.ask(master, "show proc") == ("", 0)
