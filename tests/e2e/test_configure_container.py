"""What the configure script decides, seen from the container: its starts, its addresses, its name."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.container import Container
from tools.instance import SOURCE, wait_for

AGAIN = {
    "zxtm!reconfigure_option": "2",
    "accept-license": "accept",
    "zxtm!cluster": "C",
    "zxtm!name_setname": "1",
}
PASSWORD = "secret-for-tests"
BOUND = "127.0.0.2"


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.kill()


def attempt(container: Container, *words: str, **answers: str) -> subprocess.CompletedProcess[str]:
    """A command in the container; `answers` are a replay's, with `__` for `!`."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "ZEUSHOME": str(container.root)}
    if answers:
        file = container.root / "answers"
        file.touch(mode=0o600)
        given = {key.replace("__", "!"): value for key, value in answers.items()}
        file.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        words = (*words, "--noninteractive", "--noloop", f"--replay-from={file}")
    command = [sys.executable, "-m", "pointsman.provision.command", *words]
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def run(container: Container, *words: str, **answers: str) -> str:
    """What a command in the container says, which must succeed."""
    done = attempt(container, *words, **answers)
    assert done.returncode == 0, done
    return done.stdout


def again(**changes: str) -> dict[str, str]:
    return {**AGAIN, **{key.replace("__", "!"): value for key, value in changes.items()}}


def ports(container: Container) -> dict[str, int]:
    found: dict[str, int] = json.loads((container.home / "run" / "ports.json").read_text())
    return found


def listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def get(container: Container, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", ports(container)["rest"], timeout=20)
    token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    try:
        connection.request("GET", f"/api/tm/8.3/{path}", headers={"Authorization": f"Basic {token}"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def names(container: Container) -> list[str]:
    return [child["name"] for child in get(container, "config/active/traffic_managers")["children"]]


def serving(container: Container) -> bool:
    """Whether anything but the launcher runs."""
    assert container.process is not None
    return set(container.pids()) > {container.process.pid}


def launched(container: Container, said: str) -> bool:
    """Whether the launcher of the present start runs, and the log says something."""
    return said in container.log and (container.home / "run" / "launcher.json").exists()


def test_restricting_and_renaming(container: Container) -> None:
    """R43, R49: management answers at the one IP and on loopback only; the object has the new name, also later."""
    container.start(ZEUS_PASS=PASSWORD)
    (before,) = names(container)
    assert listens("127.0.0.3", ports(container)["ui"])
    said = run(
        container,
        "configure",
        **again(zxtm__unique_bind="y", zxtm__bindip=BOUND, zxtm__name_setname="3"),
    )
    assert f"**   https://{BOUND}:{ports(container)['ui']}/\n" in said
    assert container.ready["sha1"] in said
    for port in ports(container).values():
        assert [listens(f"127.0.0.{last}", port) for last in (1, 2, 3)] == [True, True, False]
    assert names(container) == [BOUND] != [before]
    basic = get(container, f"config/active/traffic_managers/{BOUND}")["properties"]["basic"]
    assert basic["nameip"] == BOUND
    transactions = get(container, "status/local_tm/history")
    assert f"is called {BOUND} now" in json.dumps(transactions)
    assert container.stop() == 0
    container.start()
    assert names(container) == [BOUND]
    said = run(container, "configure", **again(zxtm__unique_bind="n"))
    assert f"currently called '{BOUND}'" in said
    assert listens("127.0.0.3", ports(container)["ui"])
    assert names(container) == [BOUND]


def test_starting_with_the_operating_system(container: Container) -> None:
    """R43: with start_at_boot the software starts with the container, also after stop-zeus; else by start-zeus."""
    container.start(ZEUS_PASS=PASSWORD)
    run(container, "stop-zeus")
    assert not serving(container)
    assert container.stop() == 0
    container.start()
    run(container, "configure", **again(start_at_boot="n"))
    assert container.stop() == 0
    process = container.begin()
    wait_for("the launcher", lambda: launched(container, "does not start by itself"))
    assert not serving(container)
    assert process.poll() is None
    run(container, "start-zeus")
    assert container.login(PASSWORD) == 200


def test_a_cleared_container_is_not_provisioned_again(container: Container) -> None:
    """R47: after clearing, the container stays up and a restart provisions nothing; 2 configures it anew."""
    container.start(ZEUS_PASS=PASSWORD)
    run(container, "configure", **{"zxtm!reconfigure_option": "3", "zxtm!really_clear_config": "y"})
    assert container.process is not None
    assert container.process.poll() is None
    assert container.stop() == 0
    process = container.begin(ZEUS_PASS="another secret")
    wait_for("the launcher", lambda: launched(container, "was cleared"))
    assert not serving(container)
    assert container.order.state == "cleared"
    run(container, "configure", **again(admin__password=PASSWORD, zxtm__name_useip="n"))
    assert process.poll() is None
    assert len(names(container)) == 1
    assert container.stop() == 0
    container.start()
    assert container.login(PASSWORD) == 200
