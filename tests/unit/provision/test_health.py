"""The question that the image's HEALTHCHECK asks."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointsman.provision import health


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server on loopback that gives one client `answer` and says no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def home_with(directory: Path, ports: object) -> Path:
    (directory / "run").mkdir()
    (directory / "run" / "ports.json").write_text(json.dumps(ports))
    return directory


@pytest.mark.parametrize(
    ("answer", "serves", "line"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True, "ok"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 6\r\n\r\nengine", False, "engine"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "503"),
    ],
)
def test_healthy_is_what_answers_200(tmp_path: Path, answer: bytes, serves: bool, line: str) -> None:
    """R7: the container is healthy while /healthz answers 200."""
    with answering(answer) as port:
        assert health.report(home_with(tmp_path, {"rest": port})) == (serves, line)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_something_else_is_not_healthy(tmp_path: Path, answer: bytes) -> None:
    with answering(answer) as port:
        serves, line = health.report(home_with(tmp_path, {"rest": port}))
    assert not serves
    assert (
        line
        == f"port {port} of this container does not answer (something else answers there); see the container's log"
    )


def test_silence_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(TimeoutError):
        health.ask(listener.getsockname()[1], seconds=0.2)


@pytest.mark.parametrize("ports", [{}, [], {"rest": "9070"}, None])
def test_a_home_without_a_port_is_not_healthy(tmp_path: Path, ports: object) -> None:
    serves, line = health.report(home_with(tmp_path, ports))
    assert not serves
    assert line.startswith(f"{tmp_path}: nothing has started here yet")


def test_it_is_told_where_by_zeushome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    assert health.main() == 1
    assert capsys.readouterr().out.startswith(f"{tmp_path}/var: nothing has started here yet")


def test_it_imports_little() -> None:
    """It runs every ten seconds on every machine: nothing but a few modules of the standard library."""
    words = [
        sys.executable,
        "-P",
        "-c",
        "import pointsman.provision.health, sys; print(*sorted(sys.modules))",
    ]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert not {"click", "ssl", "urllib.request", "http.client", "asyncio", "pydantic"} & set(loaded)
