"""Clusters of whole instances on loopback: joined by command, changed on any member, killed, removed, robbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.rest import CONFIG, STATUS, Client
from tools.instance import SOURCE, Instance, wait_for

from pointsman.identity.certificate import make_self_signed


def cluster(instance: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    """`pointsman cluster ...` at an instance."""
    command = [sys.executable, "-m", "pointsman", "cluster", *words, "--home", str(instance.home)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def join(instance: Instance, peer: Instance, *words: str, fingerprint: str = "") -> Any:
    where = urlsplit(peer.ready["ui"]).netloc
    shown = fingerprint or peer.ready["sha1"].lower().replace(":", "")
    return cluster(
        instance, "join", "--peer", where, "--fingerprint", shown,
        "--password-file", str(peer.password_file), *words,
    )  # fmt: skip


def members(instance: Instance) -> dict[str, Any]:
    found = json.loads(cluster(instance, "status", "--json").stdout)
    return {member["name"]: member for member in found["members"]}


def has(client: Client, pool: str) -> bool:
    return client.ask("GET", f"{CONFIG}/pools/{pool}").status == 200


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Instance]]:
    """A cluster of pm1 to pm3, each with an address of its own."""
    directory = tmp_path_factory.mktemp("cluster")
    made = [
        Instance(directory / f"i{n}", "--name", f"pm{n}", "--listen", f"127.0.0.{n + 1}") for n in (1, 2, 3)
    ]
    try:
        for instance in made:
            instance.start()
        for instance in made[1:]:
            joined = join(instance, made[0])
            assert joined.returncode == 0, joined
        yield made
    finally:
        for instance in made:
            if instance.process is not None:
                instance.stop()


def test_members_have_one_configuration(three: list[Instance]) -> None:
    """R2, R23, R46: joined after the fingerprint was verified; every later change on any member reaches the others."""
    clients = [Client(instance) for instance in three]
    assert set(members(three[2])) == {"pm1", "pm2", "pm3"}
    for n, client in enumerate(clients):
        client.make(f"pools/by-{n}", basic={"nodes_table": [{"node": "127.0.0.1:9"}]})
    for client in clients:
        for n in range(3):
            wait_for("all pools", partial(has, client, f"by-{n}"))
    assert clients[0].names(f"{CONFIG}/traffic_managers") == ["pm1", "pm2", "pm3"]
    listed = clients[0].names(CONFIG)
    assert "cluster" not in listed and "members" not in listed


def test_status_of_a_member_is_answered_by_any_other(three: list[Instance]) -> None:
    client = Client(three[0])
    assert {"local_tm", "pm1", "pm2", "pm3"} <= set(client.names(STATUS))
    own = client.get(f"{STATUS}/local_tm/information")["information"]["uuid"]
    other = client.get(f"{STATUS}/pm2/information")["information"]["uuid"]
    assert other != own
    assert other == Client(three[1]).get(f"{STATUS}/local_tm/information")["information"]["uuid"]
    assert "statistics" in client.get(f"{STATUS}/pm3/statistics/globals")
    view = client.get(f"{STATUS}/local_tm/cluster")["cluster"]
    assert [member["state"] for member in view["members"]] == ["here", "alive", "alive"]


def test_killed_member_catches_up(three: list[Instance]) -> None:
    """R2: the others go on and stay writable; what it missed reaches it when it is back."""
    one, two, _ = three
    process = two.process
    assert process is not None
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    process.kill()
    for child in listed.split():
        os.kill(int(child), signal.SIGKILL)
    process.wait(5)
    client = Client(one)
    for n in range(20):
        client.make(f"pools/missed-{n}", basic={"note": "meanwhile"})
    wait_for("pm2 is missed", lambda: members(one)["pm2"]["state"] == "unreachable", 10)
    reply = client.ask("GET", f"{STATUS}/pm2/information")
    assert reply.status == 503 and reply.json["error_id"] == "cluster.unreachable"
    assert "pm2" in reply.json["error_text"]
    two.start()
    wait_for("pm2 caught up", lambda: has(Client(two), "missed-19"))


def test_removed_member_finds_out_and_a_thief_is_refused(three: list[Instance], tmp_path: Path) -> None:
    """R59: an old instance that is started again finds itself removed, says so, and does not disturb."""
    one, two, three_ = three
    three_.stop()
    shutil.copytree(three_.home / "identity", tmp_path / "stolen")
    removed = cluster(two, "remove", "pm3")
    assert removed.returncode == 0, removed
    wait_for("pm1 knows", lambda: set(members(one)) == {"pm1", "pm2"})
    assert Client(one).names(f"{CONFIG}/traffic_managers") == ["pm1", "pm2"]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["pointsman-cluster"])
    context.load_cert_chain(tmp_path / "stolen" / "member.pem")
    port = members(one)["pm1"]["control_port"]
    with (
        socket.create_connection(("127.0.0.2", port), 5) as plain,
        context.wrap_socket(plain) as wire,
    ):
        wire.settimeout(5)
        said = b"".join(iter(lambda: wire.recv(65536), b""))
    assert b'"reason":"removed"' in said and len(said) < 300

    three_.start()
    wait_for("it finds out", lambda: "removed from its cluster by" in cluster(three_, "status").stdout, 10)
    client = Client(three_)
    assert has(client, "by-0")
    codes = [c["code"] for c in client.get(f"{STATUS}/local_tm/conditions")["conditions"]]
    assert "cluster.removed" in codes
    client.make("pools/disturbs", basic={"note": ""})
    Client(one).make("pools/later", basic={"note": ""})
    wait_for("pm2 has it", lambda: has(Client(two), "later"))
    assert not has(Client(one), "disturbs") and not has(client, "later")
    assert cluster(three_, "leave").returncode == 0
    again = join(three_, one)
    assert again.returncode == 0, again
    wait_for("pm3 is back", lambda: set(members(two)) == {"pm1", "pm2", "pm3"})
    assert has(client, "later") and not has(client, "disturbs")


def test_password_is_sent_to_nobody_whose_fingerprint_differs(three: list[Instance], tmp_path: Path) -> None:
    """R22: mismatch: no join, no password sent."""
    public, private = make_self_signed("impostor")
    pair = tmp_path / "pair.pem"
    pair.write_bytes(private + public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        accepted, _ = server.accept()
        with context.wrap_socket(accepted, server_side=True) as wire:
            wire.settimeout(5)
            try:
                heard.append(wire.recv(65536))
            except OSError:
                heard.append(b"")

    with (
        Instance(tmp_path / "alone", "--name", "pm9") as alone,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        refused = cluster(
            alone, "join", "--peer", f"127.0.0.1:{server.getsockname()[1]}", "--fingerprint",
            three[0].ready["sha256"], "--password-file", str(three[0].password_file),
        )  # fmt: skip
        thread.join(10)
        assert refused.returncode == 1 and "not the one given" in refused.stderr + refused.stdout
        assert heard == [b""]
        nobody = cluster(
            alone, "join", "--peer", "127.0.0.1:1", "--fingerprint", "00" * 20,
            "--password-file", str(alone.password_file),
        )  # fmt: skip
        assert nobody.returncode == 4
        Client(alone).make("virtual_servers/own", basic={"port": 8181, "pool": "discard"})
        services = join(alone, three[0])
        assert services.returncode == 1 and "--replace-own" in services.stdout + services.stderr
        assert has(Client(alone), "by-0") is False


def test_garbage_at_the_cluster_port_and_at_the_join_harms_nobody(three: list[Instance]) -> None:
    """R9: nothing but health is told to whoever is no member; there is no plain HTTP on 9080."""
    one = three[0]
    found = members(one)["pm1"]
    address = found["address"]
    for data in (b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000)):
        with socket.create_connection((address, found["control_port"]), 5) as wire:
            wire.sendall(data)
            wire.settimeout(5)
            try:
                answer = wire.recv(200)
            except OSError:
                answer = b""
            assert b"200" not in answer
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def say(port: int, request: bytes, alpn: str = "http/1.1") -> bytes:
        context.set_alpn_protocols([alpn])
        with (
            socket.create_connection((address, port), 5) as plain,
            context.wrap_socket(plain) as wire,
        ):
            wire.settimeout(5)
            try:
                wire.sendall(request)
                return b"".join(iter(lambda: wire.recv(65536), b""))
            except OSError:
                return b""

    health = say(found["control_port"], b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b" 200 " in health and health.endswith(b"ok\n")
    other = say(found["control_port"], b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b" 403 " in other
    assert say(found["control_port"], b"\x00\x00\x00\x03\x01\x00x", "pointsman-cluster") == b""
    for body in (b"", b"{}", b"[" * 5000, b'{"user":1}', b"x" * 100_000):
        head = b"POST /cluster/join HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
        answer = say(found["ui_port"], head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert answer.split()[1] in (b"400", b"413"), answer[:100]
    wait_for("all alive", lambda: [m["state"] for m in members(one).values()].count("alive") == 2)


def test_change_of_a_password_counts_at_every_member(three: list[Instance]) -> None:
    users = [json.loads((i.home / "identity" / "users.json").read_text())["users"] for i in three]
    assert users[0] == users[1] == users[2]


def test_edit_is_visible_on_the_others_soon(three: list[Instance]) -> None:
    clients = [Client(instance) for instance in three]
    for n in range(10):
        clients[n % 3].make(f"pools/soon-{n}", basic={"note": ""})
        for client in clients:
            wait_for("both others", partial(has, client, f"soon-{n}"), 5)
