"""The configure script on a running instance: what it changes, what it leaves, and that traffic and container stay."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.test_traffic import in_force
from tests.screen import Screen
from tools.instance import SOURCE, Instance, free_port, wait_for
from tools.traffic import Origin

from pointsman.provision.order import Order, read_order, write_order

PASSWORD = "secret-for-tests"


@pytest.fixture
def zeus(tmp_path: Path) -> Iterator[Instance]:
    """A provisioned instance in an installation of its own."""
    home = tmp_path / "zeus" / "var"
    write_order(home, Order(state="done"))
    with Instance(home) as running:
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One provisioned instance for all tests that leave it as it was: running, with its password."""
    home = tmp_path_factory.mktemp("lasting") / "zeus" / "var"
    write_order(home, Order(state="done"))
    with Instance(home) as running:
        yield running


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "ZEUSHOME": str(home.parent)}


def command(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "pointsman.provision.command", *words]


def container(home: Path, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command of the container with lines on its standard input."""
    return subprocess.run(
        command(*words),
        env=environment(home),
        input=typed,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def replay(home: Path, answers: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Runs configure with a replay file and without anybody at the terminal."""
    file = home.parent / "answers"
    file.touch(mode=0o600)
    file.write_text("".join(f"{key}={value}\n" for key, value in answers.items()))
    return container(home, "configure", "--noninteractive", "--noloop", f"--replay-from={file}", *words)


def login(home: Path, password: str) -> int:
    """The status of a REST request with that password."""
    port = json.loads((home / "run" / "ports.json").read_text())["rest"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    token = base64.b64encode(f"admin:{password}".encode()).decode()
    try:
        connection.request("GET", "/api/tm/8.3/config/active", headers={"Authorization": f"Basic {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def running(instance: Instance) -> bool:
    found = instance.processes()
    return bool(found["control"] or found["haproxy"])


AGAIN = {
    "zxtm!reconfigure_option": "2",
    "accept-license": "accept",
    "zxtm!cluster": "C",
    "zxtm!name_setname": "1",
}


def test_configuring_again(zeus: Instance) -> None:
    """R43, R44: after the last answer the software restarts, and the closing lines show what is served."""
    control = zeus.processes()["control"]
    done = replay(zeus.home, {**AGAIN, "admin!password": "another secret", "start_at_boot": "n"})
    assert done.returncode == 0, done
    assert zeus.processes()["control"] != control
    sha1, sha256 = zeus.ready["sha1"], zeus.ready["sha256"]
    name = json.loads((zeus.home / "identity" / "instance.json").read_text())["name"]
    port = json.loads((zeus.home / "run" / "ports.json").read_text())["ui"]
    assert done.stdout.endswith(
        "**\n"
        "** The SHA-1 fingerprint of the admin server's SSL certificate:\n"
        f"** {sha1}\n"
        f"** SHA-256: {sha256}\n"
        "** Keep a record of this for security verification when connecting to the admin server with a web browser and "
        "when clustering other Pointsman Virtual Traffic Manager installations with this one.\n"
        "**\n"
        "** To configure the Pointsman Virtual Traffic Manager, connect to the admin server at:\n"
        f"**   https://{name}:{port}/\n"
        "** and login as 'admin' with your admin password.\n"
        "**\n"
    )
    assert re.fullmatch(r"[0-9A-F]{2}(:[0-9A-F]{2}){19}", sha1)
    assert (login(zeus.home, "another secret"), login(zeus.home, PASSWORD)) == (200, 401)
    assert read_order(zeus.home) == Order(state="done", start_at_boot=False)
    assert "another secret" not in done.stdout + done.stderr
    for file in zeus.home.rglob("*"):
        assert not file.is_file() or b"another secret" not in file.read_bytes(), file


def test_nothing_changes_before_the_last_answer(lasting: Instance) -> None:
    """R43, R47: quitting, ending the input and declining leave everything as it was, and nothing restarts."""
    processes, order = lasting.processes(), (lasting.home / "provision" / "order.json").read_bytes()
    quits = container(lasting.home, "configure", typed="\n")
    assert (quits.returncode, quits.stderr) == (0, "")
    assert quits.stdout.endswith("Choose option [1]: \n")
    ended = container(lasting.home, "configure", typed="2\naccept\n\ny\n127.0.0.1\n1\ny\nC\n")
    assert ended.returncode == 1
    assert ended.stderr == "configure: the input ended before the last question. Nothing was changed.\n"
    declined = container(lasting.home, "configure", typed="2\nno\n")
    assert declined.returncode == 1
    assert "accept-license" in declined.stderr
    kept = container(lasting.home, "configure", typed="3\n\n")
    assert (kept.returncode, "Nothing was changed." in kept.stdout) == (0, True)
    wrong = replay(lasting.home, {**AGAIN, "zxtm!unique_bind": "y", "zxtm!bindip": "192.0.2.200"})
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("configure: zxtm!bindip: 192.0.2.200 is no address of this machine.")
    join = {**AGAIN, "zxtm!cluster": "S", "zlb!admin_hostname": "127.0.0.1", "zlb!admin_password": "s3cret"}
    join |= {"zlb!admin_port": lasting.ready["ui"].rsplit(":", 1)[1].strip("/"), "zxtm!fingerprints_ok": "y"}
    joined = replay(lasting.home, join)
    assert joined.returncode == 1
    assert lasting.ready["sha1"] in joined.stdout
    assert "this machine was not joined: " in joined.stderr
    assert lasting.processes() == processes
    assert (lasting.home / "provision" / "order.json").read_bytes() == order
    assert login(lasting.home, PASSWORD) == 200


async def test_traffic_goes_on_while_it_is_configured_again(lasting: Instance) -> None:
    """R43: configuring again restarts the control plane only: requests are answered all the while."""
    origin = await Origin("a").start()
    try:
        await check_traffic(lasting, origin.port)
    finally:
        await origin.stop()


async def check_traffic(zeus: Instance, node: int) -> None:
    port = free_port()
    assert zeus.put("pools", "p", {"basic": {"nodes_table": [{"node": f"127.0.0.1:{node}"}]}})[0] == 201
    assert zeus.put("virtual_servers", "v", {"basic": {"enabled": True, "port": port, "pool": "p"}})[0] == 201
    wait_for("the service", lambda: in_force(zeus))
    answers: list[int] = []
    file = zeus.home.parent / "answers"
    file.touch(mode=0o600)
    file.write_text("".join(f"{key}={value}\n" for key, value in AGAIN.items()))
    words = command("configure", "--noninteractive", f"--replay-from={file}")
    child = await asyncio.create_subprocess_exec(
        *words, env=environment(zeus.home), stdout=subprocess.DEVNULL
    )
    while child.returncode is None:
        answers.append(await asyncio.to_thread(status_of, port))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 0.02)
    assert child.returncode == 0
    assert set(answers) == {200}
    assert len(answers) > 10


def status_of(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def test_clearing_and_configuring_anew(zeus: Instance) -> None:
    """R47: 3 stops the software and removes everything; the launcher lives; 2 makes a new instance of it."""
    assert zeus.put("pools", "p", {"basic": {"note": "mine"}})[0] == 201
    launcher, sha1 = zeus.processes()["launcher"], zeus.ready["sha1"]
    cleared = container(zeus.home, "configure", typed="3\ny\n")
    assert cleared.returncode == 0, cleared
    assert zeus.processes() == {"launcher": launcher, "control": [], "haproxy": []}
    assert {path.name for path in zeus.home.iterdir()} == {"hold", "provision", "run"}
    refused = container(zeus.home, "start-zeus")
    assert (refused.returncode, "run configure first" in refused.stderr) == (1, True)
    assert not running(zeus)
    new = {
        "accept-license": "accept",
        "zxtm!cluster": "C",
        "admin!password": "new secret",
        "zxtm!name_useip": "n",
    }
    anew = replay(zeus.home, {"zxtm!reconfigure_option": "2", **new})
    assert anew.returncode == 0, anew
    assert "All configuration has been cleared since" in anew.stdout
    assert sha1 not in anew.stdout
    assert zeus.processes()["launcher"] == launcher
    assert login(zeus.home, "new secret") == 200
    order = read_order(zeus.home)
    assert order is not None
    assert (order.state, order.community, order.user, order.group) == ("done", True, "nobody", "nogroup")


def test_stopping_starting_and_restarting(lasting: Instance) -> None:
    """R43: the software stops and starts while the container's first process stays the same."""
    launcher = lasting.processes()["launcher"]
    assert container(lasting.home, "start-zeus").stdout == "The software is running.\n"
    stopped = container(lasting.home, "stop-zeus")
    assert (stopped.returncode, stopped.stdout) == (0, "The software is stopped.\n")
    assert not running(lasting)
    started = container(lasting.home, "start-zeus")
    assert started.returncode == 0, started
    assert login(lasting.home, PASSWORD) == 200
    before = lasting.processes()
    assert container(lasting.home, "restart-zeus").returncode == 0
    after = lasting.processes()
    assert after["launcher"] == before["launcher"] == launcher
    assert set(after["control"] + after["haproxy"]).isdisjoint(before["control"] + before["haproxy"])
    assert login(lasting.home, PASSWORD) == 200


def test_what_is_stopped_can_be_configured_and_started(zeus: Instance) -> None:
    """R48: --nostart stores the answers, and starts nothing."""
    assert container(zeus.home, "stop-zeus").returncode == 0
    done = replay(zeus.home, {**AGAIN, "admin!password": "while stopped"}, "--nostart")
    assert done.returncode == 0, done
    assert "It takes effect when the software is started the next time." in done.stdout
    assert not running(zeus)
    assert container(zeus.home, "start-zeus").returncode == 0
    assert login(zeus.home, "while stopped") == 200


def test_a_new_installation_is_configured_without_a_launcher(tmp_path: Path) -> None:
    """R48: on a new installation the answers are stored, for the container's start to take."""
    home = tmp_path / "zeus" / "var"
    home.parent.mkdir()
    new = {"accept-license": "accept", "zxtm!cluster": "C", "admin!password": "s3cret"}
    done = replay(home, new)
    assert done.returncode == 0, done
    assert done.stdout.endswith("Start the container to start the software.\n")
    order = read_order(home)
    assert order is not None
    assert (order.state, order.community) == ("done", True)
    assert container(home, "start-zeus").returncode == 1


def test_whose_output_nobody_reads(tmp_path: Path) -> None:
    """R43: a reader that goes away (`configure | head`) is named, and no disk or permission is blamed."""
    root = tmp_path / "zeus"
    root.mkdir()
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("configure"),
        env=environment(root / "var"),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr.startswith("configure: nobody reads its output any more; run it again")
    assert "Traceback" not in done.stderr
    assert read_order(root / "var") is None


def test_who_may_not_and_what_cannot_be_configured(tmp_path: Path) -> None:
    """R43: no installation, one that stands alone and one that is being provisioned are refused clearly."""
    home = tmp_path / "zeus" / "var"
    assert "there is no installation" in container(home, "configure").stderr
    assert not home.exists()
    home.mkdir(parents=True)
    write_order(home, Order(state="begun"))
    assert "still being provisioned" in container(home, "configure").stderr
    (home / "provision" / "order.json").write_text("{")
    assert "is damaged" in container(home, "configure").stderr
    (home / "provision" / "order.json").unlink()
    (home / "identity").mkdir()
    (home / "identity" / "instance.json").write_text('{"name": "pm1", "uuid": "1"}')
    assert "stands alone" in container(home, "configure").stderr
    assert container(home, "configure", "--noninteractive").returncode == 2


def test_one_run_at_a_time(lasting: Instance) -> None:
    with subprocess.Popen(
        command("configure"), env=environment(lasting.home), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        seen = b""
        while b"Choose option" not in seen:
            seen += os.read(first.stdout.fileno(), 1000)
        second = container(lasting.home, "stop-zeus")
        assert (second.returncode, "is at work" in second.stderr) == (1, True)
        first.stdin.write(b"1\n")
        first.stdin.close()
        assert first.wait(20) == 0
    assert running(lasting)


def test_on_a_terminal(zeus: Instance) -> None:
    """R43: on a terminal (docker exec -i -t) the whole dialogue works, and passwords are not shown."""
    screen = Screen(command("configure"), environment(zeus.home))
    for prompt, answer in (
        ("Choose option [1]: ", "2"), ("accept this licence: ", "accept"), ("keep things as they are): ", ""),
        ("one IP? Y/N [N]: ", "maybe"), ("Please answer Y or N.", None), ("one IP? Y/N [N]: ", "n"),
        ("is currently called '", None), ("Choose option [", "1"), ("restarts? Y/N [Y]: ", ""),
        ("Choose option [C]: ", "c"), ("keep the present one): ", "typed secret"), ("Re-enter: ", "typed secret"),
    ):  # fmt: skip
        screen.expect(prompt)
        if answer is not None:
            screen.type(f"{answer}\n")
    screen.expect("** and login as 'admin' with your admin password.")
    assert screen.end() == 0
    assert "typed secret" not in screen.whole
    assert login(zeus.home, "typed secret") == 200


def test_ctrl_c_on_a_terminal(lasting: Instance) -> None:
    """R43: Ctrl-C, also where a password is typed, ends the script with one line and leaves everything as it was."""
    processes = lasting.processes()
    screen = Screen(command("configure"), environment(lasting.home))
    screen.expect("Choose option [1]: ")
    screen.type("\x03")
    screen.expect("configure: interrupted. Nothing was changed.")
    assert screen.end() == 130
    assert "Traceback" not in screen.whole
    assert lasting.processes() == processes
