"""`pointsman-container health`."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from pointsman.provision.command import execute


def test_it_says_that_nothing_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    assert execute(["health"]) == 1
    assert "nothing has started here yet" in capsys.readouterr().out


def test_it_waits_until_the_instance_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port is written while somebody waits; then an answer comes."""
    monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    (tmp_path / "var" / "run").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def begin() -> None:
            ports = tmp_path / "var" / "run" / "ports.json"
            ports.write_text(json.dumps({"rest": listener.getsockname()[1]}))
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nok\n")

        beginning = threading.Timer(0.3, begin)
        beginning.start()
        assert execute(["health", "--wait", "20"]) == 0
        beginning.join()
    assert capsys.readouterr().out == "ok\n"


def test_waiting_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEUSHOME", str(tmp_path))
    assert execute(["health", "--wait", "0.1"]) == 1
