"""A container that joins a cluster when it starts, from its variables to a member; and what keeps it out."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.container import Container
from tests.e2e.test_configure_container import again, attempt, run
from tests.e2e.test_import import pointsman
from tools.instance import wait_for

PASSWORD = "secret-for-tests"
ADDRESS = "127.0.0.2"
"""Where the peer listens."""
GROUP = "config/active/traffic_ip_groups/front"
DOCUMENT = '{"pools": [{"name": "of-a-document"}]}'


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Container]]:
    """Three containers; nothing runs in them yet."""
    # Not below the test's own directory, whose path may be too long for sockets.
    containers = [Container(tmp_path_factory.mktemp(letter)) for letter in "abc"]
    yield containers
    for container in containers:
        container.kill()


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The first member of a cluster that the tests' containers join; it is called by this machine's name."""
    container = Container(tmp_path_factory.mktemp("peer"))
    try:
        container.start("--listen", ADDRESS, ZEUS_PASS=PASSWORD)
        # Else it would hold the next attempt back for seconds after each wrong password.
        prompt = {"properties": {"security": {"login_delay": 0}}}
        rest(container, "PUT", "config/active/global_settings", prompt)
        yield container
    finally:
        container.kill()


def flags(number: int) -> tuple[str, ...]:
    """A name and an address of its own for a container of this machine."""
    return ("--name", f"pm{number}", "--listen", f"127.0.0.{number}")


def joining(peer: Container, address: str = ADDRESS, **more: str) -> dict[str, str]:
    """The variables that have a container join the cluster of another one."""
    port = peer.ready["ui"].rstrip("/").rpartition(":")[2]
    return {"ZEUS_CLUSTER_NAME": address, "ZEUS_CLUSTER_PORT": port, "ZEUS_PASS": PASSWORD, **more}


def rest(container: Container, method: str, path: str, body: Any = None) -> Any:
    """The answer of a member's REST API, which must be a good one."""
    port = int(container.ready["rest"].rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, f"/api/tm/8.3/{path}", data, headers)
        response = connection.getresponse()
        content = json.loads(response.read())
        assert response.status in (200, 201), content
        return content
    finally:
        connection.close()


def names(container: Container, kind: str) -> list[str]:
    return [child["name"] for child in rest(container, "GET", f"config/active/{kind}")["children"]]


def holds_pool(container: Container, name: str) -> bool:
    """Whether a member has a pool."""
    return name in names(container, "pools")


def known(container: Container, members: list[str]) -> None:
    """Waits until a member knows exactly these traffic managers."""
    wait_for(f"it knows {members}", lambda: names(container, "traffic_managers") == members)


def make_pool(container: Container, name: str) -> None:
    rest(container, "PUT", f"config/active/pools/{name}", {"properties": {"basic": {"note": name}}})


def test_a_container_joins_and_stays_a_member(made: list[Container], tmp_path: Path) -> None:
    """R20, R23, R25, R31: the cluster's configuration is its own and every later change of both; it is a passive
    machine of traffic IP groups; documents are ignored; a later start asks nobody."""
    first, second, _ = made
    first.start(*flags(2), ZEUS_PASS=PASSWORD)
    make_pool(first, "before")
    basic = {"enabled": False, "ipaddresses": ["192.0.2.77"], "machines": ["pm2"]}
    rest(first, "PUT", GROUP, {"properties": {"basic": basic}})
    (tmp_path / "documents" / "config").mkdir(parents=True)
    (tmp_path / "documents" / "config" / "a").write_text(DOCUMENT)
    variables = joining(
        first,
        ZEUS_CLUSTER_FP=first.ready["sha1"].lower(),
        ZEUS_BASE_CONFIG=str(tmp_path / "documents"),
        ZEUS_WATCHED_CONFIG=str(tmp_path / "documents"),
    )
    second.start(*flags(3), **variables)
    assert "before" in names(second, "pools")
    assert "of-a-document" not in names(second, "pools")
    group = rest(second, "GET", GROUP)["properties"]["basic"]
    assert (sorted(group["machines"]), group["slaves"]) == (["pm2", "pm3"], ["pm3"])
    for variable in ("ZEUS_BASE_CONFIG", "ZEUS_WATCHED_CONFIG"):
        assert f"WARN: {variable}: is ignored, because this instance joins a cluster" in second.log
    assert "trusted as it answers" not in second.log
    *_, sha1, sha256, url = second.log.splitlines()
    assert (second.ready["sha1"] in sha1, second.ready["sha256"] in sha256) == (True, True)
    assert "connect to the admin server at" in url
    assert second.holds(PASSWORD) == []
    assert PASSWORD.encode() not in second.environment()
    make_pool(second, "by-the-second")
    wait_for("the first has it", lambda: "by-the-second" in names(first, "pools"))
    make_pool(first, "by-the-first")
    wait_for("the second has it", lambda: "by-the-first" in names(second, "pools"))
    known(first, ["pm2", "pm3"])
    known(second, ["pm2", "pm3"])
    check_that_imports_wait(first, second, tmp_path / "documents")
    assert first.stop() == 0
    assert second.stop() == 0
    second.start(*flags(3), **variables)
    assert second.log.count("INFO: joining the cluster of") == 1
    assert "of-a-document" in names(second, "pools")
    make_pool(second, "alone")
    first.start(*flags(2), ZEUS_PASS=PASSWORD)
    wait_for("the first catches up", lambda: "alone" in names(first, "pools"))


def check_that_imports_wait(first: Container, second: Container, documents: Path) -> None:
    """R31: an import waits until the other members have it in force, and names those that have not in time."""

    def load(*words: str) -> tuple[int, str]:
        words = ("config-import", "--home", str(first.home), "--chdir", str(documents), *words)
        done = pointsman(*words)
        return done.returncode, done.stdout + done.stderr

    assert load("--restart-timeout", "30")[0] == 0
    assert "of-a-document" in names(second, "pools")
    record = json.loads((second.home / "run" / "launcher.json").read_text())
    control = int(record["children"]["control"]["pid"])
    for number in range(5):
        # Something new each time, for what was there before it has said already.
        name = f"of-another-{number}"
        (documents / "config" / "b").write_text(json.dumps({"pools": [{"name": name}]}))
        os.kill(control, signal.SIGSTOP)
        try:
            status, said = load("--restart-timeout", "1")
            other = load("--no-replicate", "--restart-timeout", "30")
            assert other[0] in (0, 2), other
        finally:
            os.kill(control, signal.SIGCONT)
        wait_for("the second has it", partial(holds_pool, second, name), 30)
        if status:
            break
        # On a busy machine the command came when the second had been silent for so long that nobody waits for it.
    assert (status, "traffic manager pm3 does not say" in said.lower()) == (4, True), said


def test_a_peer_is_waited_for_and_trusted_on_first_contact(made: list[Container]) -> None:
    """R20, R22: nobody answers at first; a start that is stopped meanwhile goes on; then the peer is trusted
    with a warning that has its fingerprints."""
    first, second, _ = made
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    given = {"ZEUS_CLUSTER_NAME": "localhost", "ZEUS_CLUSTER_PORT": port, "ZEUS_PASS": PASSWORD}
    process = second.begin(*flags(3), **given)
    wait_for("a try", lambda: second.log_file.exists() and "the next try follows in" in second.log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "stopped before the end; the next start goes on" in second.log
    assert not (second.home / "run" / "ports.json").exists()
    second.begin(*flags(3), **given)
    wait_for("another try", lambda: second.log.count("the next try follows in 1 s") == 2)
    first.start("--name", "pm1", "--ui-port", port, ZEUS_PASS=PASSWORD)
    wait_for("the second is a member", second._is_ready, 60)
    assert (
        f"compare its fingerprints: SHA-1 {first.ready['sha1']}, SHA-256 {first.ready['sha256']}"
        in second.log
    )
    assert names(second, "traffic_managers") == ["pm1", "pm3"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ZEUS_PASS": "wrong"}, "password: user name or password are not those"),
        ({"ZEUS_CLUSTER_FP": "AA" * 20}, "fingerprint: "),
        ({}, "name: "),
    ],
)
def test_what_keeps_it_out(
    peer: Container, made: list[Container], changed: dict[str, str], said: str
) -> None:
    """R20, R22: a wrong password or fingerprint, or a name that a member has, ends the start at once, with its own
    text; nothing runs or is kept."""
    status, text = made[0].fail("--name", socket.gethostname(), **{**joining(peer), **changed})
    assert status == 15
    last = text.splitlines()[-1]
    assert last.startswith(f"FATAL: ZEUS_CLUSTER_NAME: cannot join the cluster of {ADDRESS}:")
    assert said in last
    assert "Traceback" not in text
    assert not (made[0].home / "store").exists()
    assert not (made[0].home / "run" / "ports.json").exists()
    assert made[0].order.state == "begun"


@pytest.mark.parametrize("given", ["", "RANDOM", "STRONG"])
def test_the_password_of_the_cluster_must_be_given(made: list[Container], given: str) -> None:
    """R20: one that would be generated cannot be the cluster's."""
    status, text = made[0].fail(ZEUS_CLUSTER_NAME="127.0.0.1", ZEUS_PASS=given)
    assert status == 15
    assert "give it in ZEUS_PASS or ZEUS_PASS_FILE" in text
    assert not (made[0].home / "store").exists()


def engines_of(container: Container) -> set[int]:
    """The processes of the container's engine."""
    found = set()
    for pid in container.pids():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text() == "haproxy\n":
                found.add(pid)
    return found


def answers(peer: Container, **more: str) -> dict[str, str]:
    """Those that have the configure script join the cluster of another container."""
    given = joining(peer)
    join = {
        "accept-license": "accept",
        "zxtm!cluster": "S",
        "zlb!admin_hostname": given["ZEUS_CLUSTER_NAME"],
        "zlb!admin_port": given["ZEUS_CLUSTER_PORT"],
        "zlb!admin_password": PASSWORD,
        "zxtm!fingerprints_ok": "y",
    }
    return join | {key.replace("__", "!"): value for key, value in more.items()}


def test_the_script_joins_what_runs_and_clearing_leaves(peer: Container, made: list[Container]) -> None:
    """R43, R47: a wrong password leaves everything as it was; then it is a member, and clearing leaves the cluster."""
    (host,) = names(peer, "traffic_managers")
    joiner = made[0].start(*flags(4), ZEUS_PASS="another-secret")
    menu = {"zxtm!reconfigure_option": "2", "zxtm!name_setname": "1"}
    pids = set(joiner.pids())
    refused = attempt(joiner, "configure", **(answers(peer) | menu | {"zlb!admin_password": "wrong"}))
    assert (refused.returncode, "user name or password are not those" in refused.stderr) == (1, True), refused
    assert joiner.login("another-secret") == 200
    assert set(joiner.pids()) == pids
    said = run(joiner, "configure", **(answers(peer) | menu))
    assert peer.ready["sha1"] in said
    assert "WARNING: The cluster's configuration replaces that of this traffic manager" in said
    assert PASSWORD not in said
    assert joiner.login(PASSWORD) == 200
    for member in (peer, joiner):
        known(member, sorted((host, "pm4")))
    clear = {"zxtm!reconfigure_option": "3", "zxtm!really_clear_config": "y"}
    cleared = run(joiner, "configure", **clear)
    assert f"leaves the cluster of {', '.join(sorted((host, 'pm4')))} first" in cleared
    assert "could not be told" not in cleared
    known(peer, [host])


def test_members_are_renamed_and_a_new_installation_joins(peer: Container, made: list[Container]) -> None:
    """R43, R48, R49: a member is renamed everywhere, by a restart of its control plane alone, and no name is given
    twice; a replay makes a member of an installation in which nothing has run, and a refusal nothing of it; the table
    has every member."""
    (host,) = names(peer, "traffic_managers")
    second, third, _ = made
    second.start("--name", "127.0.0.3", "--listen", "127.0.0.3", **joining(peer))
    known(peer, sorted(("127.0.0.3", host)))
    engines = engines_of(peer)
    by_address = {"zxtm!unique_bind": "n", "zxtm!name_setname": "3"}
    taken = attempt(peer, "configure", **again(**by_address), **{"zxtm!name_ip": "127.0.0.3"})
    assert taken.returncode == 1
    assert "Another traffic manager of the cluster is called '127.0.0.3'." in taken.stderr
    said = run(peer, "configure", **again(**by_address), **{"zxtm!name_ip": ADDRESS})
    assert (
        f"is a member of the cluster of {', '.join(sorted((host, '127.0.0.3')))}. C leaves it there." in said
    )
    known(second, [ADDRESS, "127.0.0.3"])
    own = rest(second, "GET", f"config/active/traffic_managers/{ADDRESS}")
    assert own["properties"]["basic"]["nameip"] == ADDRESS
    assert engines & engines_of(peer), "the engine itself was started again"
    make_pool(peer, "after")
    wait_for("the second has it", lambda: "after" in names(second, "pools"))

    third.root.mkdir(parents=True)
    bound = {"zxtm!unique_bind": "y", "zxtm!bindip": "127.0.0.4"}
    refused = attempt(third, "configure", **(answers(peer) | bound | {"zlb!admin_password": "wrong"}))
    assert refused.returncode == 1
    assert "user name or password are not those" in refused.stderr
    assert not (third.home / "identity").exists()
    assert not (third.home / "store").exists()
    said = run(third, "configure", **(answers(peer) | bound))
    assert said.endswith("Start the container to start the software.\n")
    table = said.partition("Joining the cluster containing the following admin servers:")[2]
    for member in (peer, second):
        assert member.ready["sha1"] in table
        assert f"SHA-256 {member.ready['sha256']}" in table
    third.start()
    assert "after" in names(third, "pools")
    # It is called by the address that management is restricted to, or by the machine's name where that resolves.
    third_name = next(iter({*names(third, "traffic_managers")} - {ADDRESS, "127.0.0.3"}))
    assert third_name in ("127.0.0.4", host)
    known(peer, sorted((ADDRESS, "127.0.0.3", third_name)))
