"""Containers that join a cluster on the default bridge, which has no name service; and those that cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.container.docker import LONG, Container, Containers, Docker
from tools.instance import wait_for

pytestmark = pytest.mark.root
CAPABLE = ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--init", "-t")


@pytest.fixture(scope="module")
def peer(docker: Docker, image: str) -> Iterator[Container]:
    """The first member of a cluster; containers that join it are removed with it."""
    started = Containers(docker, image)
    try:
        yield started.run(*CAPABLE)
    finally:
        started.remove()


def names(container: Container, kind: str) -> list[str]:
    status, answer = container.rest("GET", f"config/active/{kind}")
    assert status == 200, answer
    return [child["name"] for child in answer["children"]]


def test_two_containers_on_the_default_bridge_are_a_cluster(
    peer: Container, containers: Containers, tmp_path: Path
) -> None:
    """R2, R4, R5, R20, R23, R25: a second container joins by the first one's address and is called by its own, which
    the first one can use; each change is the other's too, documents are ignored, and a restart is no second join."""
    peer.put("pools", "before")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yaml").write_text("pools: [{name: of-a-document}]\n")
    variables = {"ZEUS_CLUSTER_NAME": peer.address(), "ZEUS_BASE_CONFIG": "/import"}
    second = containers.run(*CAPABLE, env=variables, mounts={"/import": str(tmp_path)})
    said = second.logs()
    assert "WARN: ZEUS_BASE_CONFIG: is ignored, because this instance joins a cluster" in said
    sha1 = peer.exec(
        *[
            "/usr/local/zeus/admin/bin/cert",
            "-f",
            "fingerprint",
            "-in",
            "/usr/local/zeus/admin/etc/admin.public",
        ]
    ).stdout.strip()
    assert f"compare its fingerprints: SHA-1 {sha1}, " in said
    assert f"so this traffic manager is called {second.address()}, by its address" in said
    assert second.file("/var/log/provision.log") in said.replace("\r\n", "\n")
    assert "before" in names(second, "pools")
    assert "of-a-document" not in names(second, "pools")
    assert second.address() in names(second, "traffic_managers")
    second.put("pools", "by-the-second")
    wait_for("the first has it", lambda: "by-the-second" in names(peer, "pools"), LONG)
    assert second.stop() == 0
    peer.put("pools", "meanwhile")
    second.start().wait_ready()
    assert second.logs().count("INFO: joining the cluster of") == 1
    wait_for("it catches up", lambda: "meanwhile" in names(second, "pools"), LONG)
    assert names(second, "traffic_managers") == names(peer, "traffic_managers")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ZEUS_PASS": "wrong"}, "password: "),
        ({"ZEUS_CLUSTER_FP": "AA" * 20}, "fingerprint: "),
        ({"ZEUS_PASS": ""}, "give it in ZEUS_PASS or ZEUS_PASS_FILE"),
    ],
)
def test_what_cannot_join_ends_at_once(
    peer: Container, containers: Containers, variables: dict[str, str], said: str
) -> None:
    """R20, R22: the container ends with 15 and the cause, and opens no port."""
    begun = time.monotonic()
    given = {"ZEUS_CLUSTER_NAME": peer.address(), **variables}
    container = containers.run(*CAPABLE, env=given, ready=False)
    assert container.wait_end() == 15
    assert time.monotonic() - begun < 20
    last = container.logs().strip().splitlines()[-1]
    assert last.startswith("FATAL: ")
    assert said in last


def test_a_peer_that_is_not_there_is_tried_for_two_minutes(containers: Containers, peer: Container) -> None:
    """R20: it is tried again and again and served by nobody; a stop ends that at once, and the next start goes on."""
    gone = ".".join([*peer.address().split(".")[:3], "254"])
    container = containers.run(*CAPABLE, env={"ZEUS_CLUSTER_NAME": gone}, ready=False)
    wait_for("a second try", lambda: container.logs().count("cannot be joined yet") >= 2, LONG)
    with pytest.raises(OSError):
        container.healthz()
    assert container.stop() == 0
    assert "stopped before the end; the next start goes on" in container.logs()
