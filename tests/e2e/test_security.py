"""What an attacker tries: forged headers on the way to nodes, secrets in the wrong place, the local socket."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.e2e.test_traffic import in_force
from tools.instance import SOURCE, Instance, free_port, wait_for

from pointsman.engine.haproxy.account import NOBODY
from pointsman.identity.machine import can_become


@pytest.fixture
def instance(emptied: Instance) -> Instance:
    """The traffic manager that all tests here share, with nothing configured."""
    return emptied


@contextmanager
def recording_node() -> Iterator[tuple[int, list[bytes]]]:
    """A node that keeps the bytes of each request; gives its port and them."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with accepted:
                    seen.append(accepted.recv(65_536))
                    accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], seen
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def ask(port: int, headers: bytes) -> bytes:
    """The answer to one GET with these header lines."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n" + headers + b"\r\n")
        return client.recv(65_536)


FORGED = b"""X-Cluster-Client-Ip: 192.0.2.66\r
x-CLUSTER-client-ip: 192.0.2.66\r
X_Cluster_Client_Ip: 192.0.2.66\r
X-Cluster_Client-Ip: 192.0.2.66\r
X_Forwarded_For: 192.0.2.66\r
X_Forwarded-Proto: forged\r
X-Forwarded-Proto: forged\r
"""


def test_what_a_node_learns_of_its_client_cannot_be_forged(instance: Instance) -> None:
    port = free_port()
    with recording_node() as (node, seen):
        assert (
            instance.put("pools", "p", {"basic": {"nodes_table": [{"node": f"127.0.0.1:{node}"}]}})[0] == 201
        )
        http = {"add_x_forwarded_for": True, "add_x_forwarded_proto": True}
        basic = {"enabled": True, "port": port, "pool": "p"}
        assert instance.put("virtual_servers", "v", {"basic": basic, "http": http})[0] == 201
        wait_for("in force", lambda: in_force(instance))
        for headers in (FORGED, b"Connection: close, X-Cluster-Client-Ip\r\nConnection: x-forwarded-for\r\n"):
            seen.clear()
            assert ask(port, headers).startswith(b"HTTP/1.1 200")
            (request,) = seen
            lines = request.lower().split(b"\r\n")
            assert b"192.0.2.66" not in request
            assert b"forged" not in request
            assert lines.count(b"x-cluster-client-ip: 127.0.0.1") == 1
            assert lines.count(b"x-forwarded-for: 127.0.0.1") == 1
            assert lines.count(b"x-forwarded-proto: http") == 1
            assert not any(b"connection" in line and b"x-" in line for line in lines), lines
        seen.clear()
        ask(port, b"X-Forwarded-For: 192.0.2.1\r\n")
        assert b"x-forwarded-for: 192.0.2.1\r\n" in seen[0].lower(), "earlier proxies are kept"


def test_secrets_are_nowhere_in_clear(instance: Instance) -> None:
    public, private = self_signed("a.example")
    secrets = {"authentication": "probe:monitor-secret-1", "token": "token-secret-2"}
    keyed = {"basic": {"public": public, "private": private}}
    assert instance.put("ssl/server_keys", "k", keyed)[0] == 201
    monitor = {"basic": {"type": "http"}, "http": {"authentication": secrets["authentication"]}}
    assert instance.put("monitors", "m", monitor)[0] == 201
    shared = {"properties": {"log_export": {"auth_hec_token": secrets["token"]}}}
    assert instance.rest("PUT", "config/active/global_settings", shared)[0] == 200
    node = {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "monitors": ["m"]}}
    assert instance.put("pools", "p", node)[0] == 201
    basic = {"enabled": True, "port": free_port(), "pool": "p", "ssl_decrypt": True}
    assert (
        instance.put("virtual_servers", "v", {"basic": basic, "ssl": {"server_cert_default": "k"}})[0] == 201
    )
    wait_for("in force", lambda: in_force(instance))
    key_line = private.splitlines()[2].encode()
    needles = (key_line, b"monitor-secret-1", b"token-secret-2", b"secret-for-tests")

    def holds(data: bytes) -> list[bytes]:
        return [needle for needle in needles if needle in data]

    places = {path: path.lstat() for path in instance.home.rglob("*")}
    for path, status in places.items():
        # Where root may be given up, the group of what the engine reads is the engine's.
        closed = 0o007 if path.is_relative_to(instance.home / "engine") else 0o077
        assert stat.S_ISLNK(status.st_mode) or not status.st_mode & closed, (path, oct(status.st_mode))
        if stat.S_ISREG(status.st_mode):
            # The engine reads keys from its generation only.
            allowed = [key_line] if path.match("engine/gen-*/certs/*.pem") else []
            assert holds(path.read_bytes()) in ([], allowed), path
    assert not holds(instance.output.read_bytes())
    for pid in (pid for pids in instance.processes().values() for pid in pids):
        for part in ("cmdline", "environ"):
            # A former worker may just end; another user's environment is not for root without SYS_PTRACE.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                assert not holds(Path(f"/proc/{pid}/{part}").read_bytes()), (pid, part)
    for branch in ("history", "events", "applies", "conditions", "state", "information"):
        target = f"/api/tm/8.3/status/local_tm/{branch}?limit=1000"
        assert not holds(str(instance.rest("GET", target)).encode()), branch
    for place in ("ssl/server_keys/k", "global_settings"):
        assert not holds(str(instance.get(f"config/active/{place}")).encode()), place


def test_a_document_shows_no_secret_on_the_screen(instance: Instance, tmp_path: Path) -> None:
    document = tmp_path / "document.yaml"
    text = "monitors:\n- name: m\n  properties:\n    basic: {type: http}\n    http: {authentication: 'a:SECRET'}\n"
    for secret in ("monitor-secret-1", "monitor-secret-2"):
        document.write_text(text.replace("SECRET", secret))
        for command in ("diff", "apply"):
            words = [
                sys.executable,
                "-P",
                "-m",
                "pointsman",
                command,
                str(document),
                "--home",
                str(instance.home),
            ]
            environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
            for flags in ([], ["--json"]):
                done = subprocess.run(
                    [*words, *flags], capture_output=True, env=environment, timeout=60, check=False
                )
                assert done.returncode in (0, 2), done
                assert b"monitor-secret" not in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_use_the_local_socket() -> None:
    attempt = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); os.setuid(int(sys.argv[2]));"
        "s.connect(sys.argv[1]); s.sendall(b'GET /status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); sys.exit(len(s.recv(9)))"
    )

    def try_it(path: Path, user: int) -> int:
        # It becomes somebody else after it has started: the interpreter may lie where only root can read.
        words = [sys.executable, "-I", "-S", "-c", attempt, str(path), str(user)]
        return subprocess.run(words, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode

    # A directory that others may be let into: pytest's own lies in one that they may not.
    with (
        tempfile.TemporaryDirectory(prefix="pointsman-") as above,
        Instance(Path(above) / "home") as instance,
    ):
        path = instance.home / "run" / "control.sock"
        assert try_it(path, 0) == 9
        assert try_it(path, 65_534) != 9, "the directory keeps others out"
        # And if somebody opened the way: the server asks the kernel who is there.
        for place in (Path(above), instance.home, path.parent):
            place.chmod(0o755)
        path.chmod(0o666)
        assert try_it(path, 65_534) != 9
        assert "refused the Unix user 65534" in instance.output.read_text()


def test_a_column_named_like_a_word_of_python_stops_nothing(instance: Instance) -> None:
    (name,) = [child["name"] for child in instance.get("config/active/traffic_managers")["children"]]
    rows = [{"name": "eth0", "bond": "b"}]
    assert instance.put("traffic_managers", name, {"appliance": {"if": rows}})[0] == 200
    wait_for("in force", lambda: in_force(instance))
    found = instance.get(f"status/local_tm/conditions/traffic_managers/{name}")["conditions"]
    assert any("appliance.if" in condition["message"] for condition in found), found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_worker_is_not_root_and_cannot_read_the_home(instance: Instance) -> None:
    if not can_become(NOBODY):
        pytest.skip("this machine does not permit to give up root")
    port = free_port()
    assert instance.put("pools", "p", {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}})[0] == 201
    assert (
        instance.put("virtual_servers", "v", {"basic": {"enabled": True, "port": port, "pool": "p"}})[0]
        == 201
    )
    wait_for("in force", lambda: in_force(instance))

    def users() -> list[set[str]]:
        found = []
        for pid in instance.processes()["haproxy"]:
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except FileNotFoundError:  # the former worker, at this very moment
                continue
            found.append(
                {word for line in lines if line.startswith(("Uid:", "Gid:")) for word in line.split()[1:]}
            )
        return found

    # pytest's directories are closed to others, so the master stays root (tests/engine/test_account.py has the rule).
    wait_for("the former worker has ended", lambda: len(users()) == 2)
    assert sorted(users(), key=sorted) == [{"0"}, {str(NOBODY)}]
    assert b"503" in ask(port, b"")
