"""The start of a container, from its variables to an instance that serves, as plain processes."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.e2e.container import Container
from tools.instance import wait_for

from pointsman.licence.key import Licence, issue
from pointsman.provision.order import write_order
from pointsman.provision.surroundings import outward_address


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.kill()


@pytest.mark.parametrize("given", ["", "ACCEPT", "yes"])
def test_the_licence_is_accepted_or_nothing_happens(container: Container, given: str) -> None:
    """R14: without acceptance the start ends with 10 and one line, and leaves nothing but it."""
    status, said = container.fail(ZEUS_EULA=given)
    assert status == 10
    assert said.count("\n") == 1
    assert "ZEUS_EULA" in said
    assert f"{container.root}/LICENSE" in said
    assert not container.root.exists()


def test_a_given_password_is_the_administrators(container: Container) -> None:
    """R13, R18, R26, R51: the variables of the quick start give an instance; its log ends with fingerprints and URL."""
    container.start(ZEUS_PASS=" ünguessed, with spaces ")
    assert container.login(" ünguessed, with spaces ") == 200
    assert container.login("ünguessed, with spaces") == 401
    assert container.holds("ünguessed") == []
    assert "ünguessed".encode() not in container.environment()
    *_, sha1, sha256, url = container.log.splitlines()
    assert container.ready["sha1"] in sha1
    assert container.ready["sha256"] in sha256
    assert f":{container.ready['ui'].rsplit(':')[-1]}" in url
    assert container.log_file.stat().st_mode & 0o777 == 0o600
    assert all(line.split(": ")[0] in ("INFO", "WARN") for line in container.log.splitlines())
    assert container.log.splitlines() == container.output.read_text().splitlines()
    assert container.order.state == "done"
    assert container.stop() == 0


def test_provisioning_happens_once(container: Container) -> None:
    """R18, R25: a generated password is in one line of the log and nowhere else; it and the certificate stay."""
    container.start()
    (password,) = container.generated()
    assert len(password) == 12
    assert set(container.holds(password)) == {container.log_file, container.output}
    fingerprint = container.ready["sha1"]
    assert container.stop() == 0
    container.start()
    assert container.generated() == [password]
    assert container.login(password) == 200
    assert container.ready["sha1"] == fingerprint
    assert container.ready["sha256"] in container.log.splitlines()[-2]


def test_a_password_from_a_file(container: Container, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"from a file\r\nsecond line\n")
    container.start(ZEUS_PASS_FILE=str(file))
    assert container.login("from a file") == 200
    container.stop()
    file.unlink()
    container.start(ZEUS_PASS_FILE=str(file))
    assert container.login("from a file") == 200


def test_killed_at_any_moment_the_next_start_finishes(container: Container) -> None:
    """R25: after `kill -9` in the middle, the next start finishes the job."""
    for delay in (0.15, 0.25, 0.35, 0.45, 0.6, 0.8, 1.1):
        container.begin(ZEUS_PASS="STRONG")
        time.sleep(delay)  # the moment is arbitrary on purpose; none may matter
        container.kill()
    container.start(ZEUS_PASS="STRONG")
    password = container.generated()[-1]
    assert len(password) == 20
    assert container.login(password) == 200
    assert container.order.state == "done"


def test_stopped_in_the_middle_it_ends_well(container: Container) -> None:
    """R16: a download that hangs can be stopped, or killed, and is tried again by the next start."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://user:hush@127.0.0.1:{silent.getsockname()[1]}/key"
        container.begin(ZEUS_LIC=url)
        wait_for("the download", lambda: "downloading" in _text(container.log_file))
        container.kill()
        process = container.begin(ZEUS_LIC=url)
        wait_for("the download", lambda: _text(container.log_file).count("downloading") == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "stopped before the end" in container.log
    assert container.holds("hush") == []
    assert container.order.steps == ()
    container.start()
    assert container.order.state == "done"


def test_a_licence_is_downloaded_and_in_force(container: Container, tmp_path: Path) -> None:
    """R16, R17, R64: the key of ZEUS_LIC is in force at the first start; without one it is Community Edition."""
    key = issue(
        Licence("A1B2", "Example Ltd", int(time.time()), bandwidth=50_000_000), Ed25519PrivateKey.generate()
    )
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "key").write_text(key)
    handler = functools.partial(_Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        container.start(
            ZEUS_LIC=f"http://user:hush@127.0.0.1:{server.server_port}/key", ZEUS_PASS="correct horse"
        )
        server.shutdown()
        thread.join()
    assert "licence A1B2, issued to Example Ltd, is taken" in container.log
    assert "A1B2" in container.log.splitlines()[-5]
    assert container.holds("hush") == []
    container.stop()
    container.start()
    assert "A1B2" in container.log.splitlines()[-5]


def test_community_edition_is_chosen(container: Container) -> None:
    """R17: without a licence the instance says so, and ZEUS_COMMUNITY_EDITION=yes chooses Community Edition."""
    container.start(ZEUS_COMMUNITY_EDITION="yes")
    assert "Community Edition" in container.log.splitlines()[-5]
    assert container.order.community


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({"ZEUS_PASS": "a\nFATAL: b"}, 11, "ERROR: ZEUS_PASS: holds a line break"),
        ({"ZEUS_PASS": b"\xff\xfe hush"}, 11, "ERROR: ZEUS_PASS: is not UTF-8"),
        ({"ZEUS_PASS": "hush" * 32_000}, 11, "ERROR: ZEUS_PASS: has more than 1024"),
        ({"ZEUS_PASS_FILE": "/dev/zero"}, 11, "ERROR: ZEUS_PASS_FILE: /dev/zero is no regular file"),
        ({"ZEUS_LIC": "ftp://hush@host/"}, 11, "ERROR: ZEUS_LIC: is not an address"),
        ({"ZEUS_PACKAGES": "$(touch x) --hush"}, 11, "ERROR: ZEUS_PACKAGES: "),
        ({"ZEUS_PACKAGES": "openjdk-7-jre-headless"}, 12, "in no Debian any more"),
        ({"ZEUS_BASE_CONFIG": "/nowhere\x1b[2J"}, 11, "ERROR: ZEUS_BASE_CONFIG: holds a line break"),
        ({"ZEUS_BASE_CONFIG": "/nowhere"}, 14, "ZEUS_BASE_CONFIG: the directory /nowhere cannot be read"),
        ({"ZEUS_BASE_CONFIG": "/proc"}, 14, "the directory /proc/config cannot be read"),
        ({"ZEUS_WATCHED_CONFIG": "/nowhere"}, 14, "ZEUS_WATCHED_CONFIG: the directory /nowhere"),
        ({"ZEUS_CLUSTER_NAME": "peer"}, 15, "joining needs the password of the cluster's administrator"),
    ],
)
def test_what_cannot_work_ends_the_start(
    container: Container, variables: dict[str, str | bytes], status: int, said: str
) -> None:
    """R19, R20, R28: each cause has its exit status and a line that names the variable; garbage does no harm."""
    ended, text = container.fail(**variables)
    assert ended == status
    assert said in text
    assert text.splitlines()[-1].startswith("FATAL: ")
    assert "Traceback" not in text
    assert "hush" not in text or "ZEUS_PACKAGES" in variables
    assert all(line.split(": ")[0] in ("INFO", "WARN", "ERROR", "FATAL") for line in text.splitlines())
    assert not (container.home / "store").exists()


def test_a_home_that_cannot_be_written_is_named(container: Container) -> None:
    container.root.mkdir()
    container.home.write_text("")
    status, text = container.fail()
    assert status == 16
    assert str(container.home) in text


def test_a_damaged_order_is_named(container: Container) -> None:
    (container.home / "provision").mkdir(parents=True)
    (container.home / "provision" / "order.json").write_text("{")
    status, text = container.fail()
    assert status == 1
    assert "order.json" in text


def test_a_home_in_use_is_left_alone(container: Container, tmp_path: Path) -> None:
    container.start(ZEUS_PASS="correct horse")
    other = Container(tmp_path)
    other.output = tmp_path / "other"
    status, text = other.fail()
    assert status == 4
    assert "is used by a running instance" in text
    assert container.login("correct horse") == 200


def test_without_a_place_for_the_log_it_is_kept_in_the_home(container: Container) -> None:
    container.log_file = container.root.parent / "file" / "provision.log"
    container.log_file.parent.write_text("")
    container.start()
    kept = container.home / "log" / "provision.log"
    assert "WARN: " in kept.read_text()
    assert container.ready["sha256"] in kept.read_text().splitlines()[-2]


def test_the_log_says_why_the_instance_cannot_run(container: Container) -> None:
    """R26: what the control plane cannot go on with ends the start and stands in the log; the next start goes on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, said = container.fail("--listen", "127.0.0.1", "--ui-port", port, ZEUS_PASS="correct horse")
    assert status == 1
    assert container.log.splitlines()[-1].startswith(f"FATAL: cannot listen on 127.0.0.1, port {port}")
    assert said.count("FATAL") == 1
    assert container.order.state == "begun"
    container.start()
    assert container.login("correct horse") == 200
    assert "which was interrupted" in container.log


def test_a_cleared_instance_waits(container: Container) -> None:
    """R47: after the configuration was cleared a restart does not provision again: it says so and waits."""
    container.start()
    container.stop()
    write_order(container.home, replace(container.order, state="cleared"))
    process = container.begin(ZEUS_PASS="another one")
    wait_for(
        "the launcher", lambda: (container.home / "run" / "launcher.json").exists() and process.poll() is None
    )
    wait_for("the word", lambda: "nothing is provisioned" in container.log)
    assert (container.home / "hold").exists()
    assert process.poll() is None
    assert container.stop() == 0
    assert container.order.state == "cleared"


def test_management_traffic_is_restricted_to_one_address(container: Container) -> None:
    """R43: management listens on the one address that was chosen, and on loopback."""
    container.start()
    container.stop()
    write_order(container.home, replace(container.order, bind="127.0.0.2"))
    container.start()
    for port in (int(container.ready[kind].rstrip("/").rpartition(":")[2]) for kind in ("rest", "ui")):
        assert _connects("127.0.0.2", port)
        assert _connects("127.0.0.1", port)
        assert not _connects("127.0.0.3", port)
        assert not outward_address() or not _connects(outward_address(), port)
    container.stop()
    write_order(container.home, replace(container.order, bind="192.0.2.77"))
    container.start()
    assert "192.0.2.77, which this machine does not have" in container.output.read_text()
    assert _connects("127.0.0.1", int(container.ready["rest"].rpartition(":")[2]))


def _connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 2).close()
    except OSError:
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_own_flags_are_refused(container: Container) -> None:
    """The container decides where the home is: nothing is begun, and nothing is said but that."""
    status, text = container.fail("--home", os.devnull)
    assert status == 2
    assert "No such option '--home'" in text
    assert not container.log_file.exists()
