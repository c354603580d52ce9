"""What a person at a terminal reads when the traffic manager starts, or cannot."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.test_cli import pointsman
from tools.instance import Instance, wait_for

DEMO_PORT = 8080


@pytest.fixture
def demo_port_taken() -> Iterator[None]:
    """Port 8080 of every address is somebody's while the test runs: ours, or whoever has it already."""
    with socket.socket() as listener:
        try:
            listener.bind(("", DEMO_PORT))
        except OSError:
            yield
            return
        listener.listen()
        yield


@pytest.mark.usefixtures("demo_port_taken")
def test_a_demo_that_was_left_out_is_not_praised(tmp_path: Path) -> None:
    with Instance(tmp_path / "home", "--demo") as instance:
        wait_for("the whole text", lambda: "Stop it" in instance.output.read_text())
        said = instance.output.read_text()
    assert "curl" not in said
    assert "The demo does not serve: port 8080 is in use by another program." in said
    assert f"pointsman status --home {tmp_path / 'home'}" in said


def test_a_deleted_demo_is_not_praised(tmp_path: Path) -> None:
    instance = Instance(tmp_path / "home", "--demo")
    with instance:
        assert instance.rest("DELETE", "config/active/virtual_servers/demo")[0] == 204
    with instance:
        wait_for("the whole text", lambda: instance.output.read_text().count("Stop it") == 2)
    second = instance.output.read_text().rpartition("is running.")[2]
    assert "curl" not in second
    assert "The demo was deleted" in second


@pytest.mark.parametrize("flag", ["--rest-port", "--ui-port", "--control-port"])
def test_a_management_port_in_use_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    others = [word for other in ("--rest-port", "--ui-port", "--control-port") for word in (other, "0")]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = pointsman("run", "--home", str(tmp_path / "home"), *others, flag, port)
    assert found.returncode == 1
    assert f"port {port}: Address already in use; another program has it" in found.stderr
    assert flag in found.stderr
    assert "Traceback" not in found.stderr


def test_an_address_of_another_machine_is_told(tmp_path: Path) -> None:
    found = pointsman("run", "--home", str(tmp_path / "home"), "--listen", "192.0.2.1")
    assert found.returncode == 1
    assert "this machine has no such address" in found.stderr


def test_no_instance_is_told_without_numbers(tmp_path: Path) -> None:
    found = pointsman("status", "--home", str(tmp_path))
    assert found.returncode == 4
    assert "(No such file or directory)" in found.stderr
