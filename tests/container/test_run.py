"""From `docker run` to `docker stop`: what the guide's command gives, and how it ends."""

from __future__ import annotations

import concurrent.futures
import os
import pty
import re
import subprocess
import time

import pytest
from tests.container.docker import CONTROL_PLANE, LONG, Container, Containers
from tools.instance import wait_for

pytestmark = pytest.mark.root
PORT = 8080


def test_the_guides_command_gives_a_working_instance(plain: Container) -> None:
    """R13: `docker run --name=N -e ZEUS_EULA=accept -e ZEUS_PASS=admin --privileged --init -t -d IMAGE`."""
    status, types = plain.rest("GET", "config/active")
    assert status == 200
    assert "virtual_servers" in {child["name"] for child in types["children"]}
    assert plain.request("GET", "/", port=9090)[0] in (200, 302, 303)


def test_a_stop_lets_a_request_finish(containers: Containers, origin: int) -> None:
    """R13: `docker stop` ends the container with exit 0 within 10 s, and a request in flight gets its answer."""
    container = containers.run("--privileged", "--init", "-t")
    container.serve([f"{container.host}:{origin}"])
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(container.fetch, PORT, "/slow")
        time.sleep(0.5)  # the request is at the node, which takes two seconds
        begun = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - begun < 10
        assert slow.result() == (200, "hello")


@pytest.mark.parametrize("flags", [("--init",), ()], ids=["with init", "without"])
def test_the_dead_are_buried(containers: Containers, flags: tuple[str, ...]) -> None:
    """R13: with `--init` and without, as Kubernetes starts it: a process that lost its parent leaves no zombie."""
    container = containers.run(*flags)
    container.shell("(sleep 0.1 &) ; true")
    killed = container.control_plane()
    container.exec("kill", "-9", str(killed))
    wait_for("the control plane is back", lambda: container.control_plane() not in (0, killed), LONG)
    wait_for("no zombies", lambda: "Z" not in container.shell("ps -eo stat --no-headers | cut -c1"), LONG)
    container.wait_ready()
    assert container.stop() == 0


def test_only_the_workers_meet_the_network_and_they_are_not_root(plain: Container) -> None:
    """R13: processes of the data plane are not root; nothing runs that nobody asked for."""
    kinds = {
        r"(/sbin/docker-init|/dev/init|/usr/bin/tini) ": "init",
        r".*-m pointsman\.launcher .*": "launcher",
        CONTROL_PLANE.pattern: "control plane",
        r"/usr/sbin/haproxy ": "haproxy",
    }
    seen: dict[str, list[str]] = {}
    for process in plain.processes():
        kind = next(
            (kind for pattern, kind in kinds.items() if re.match(pattern, process.words)), process.words
        )
        seen.setdefault(kind, []).append(process.user)
    assert set(seen) == set(kinds.values())
    assert seen["haproxy"][-1] == "nobody"
    assert seen["launcher"] == seen["control plane"] == ["root"]


def test_a_shell_with_a_terminal(plain: Container) -> None:
    """R42: `docker exec -i -t <container ID> /bin/bash` gives a shell in which ZEUSHOME is set."""
    ours, theirs = pty.openpty()
    identifier = plain.inspect("{{.Id}}")
    words = ["docker", "exec", "-i", "-t", identifier, "/bin/bash"]
    shell = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=plain.docker.environment, close_fds=True
    )
    os.close(theirs)
    try:
        os.write(ours, b'echo "home: <$ZEUSHOME>"; tty; exit 7\r')
        wrote = b""
        deadline = time.monotonic() + 20
        while b"/dev/pts/" not in wrote and time.monotonic() < deadline:
            wrote += os.read(ours, 65536)
        assert shell.wait(20) == 7
    finally:
        shell.kill()
        os.close(ours)
    assert b"home: </usr/local/zeus>" in wrote


@pytest.mark.parametrize("words", [("bash", "-c"), ("bash", "-lc"), ("env", "-i", "bash", "-lc")])
def test_every_shell_knows_zeushome(plain: Container, words: tuple[str, ...]) -> None:
    """R42: ZEUSHOME is set in every shell of the container, and the commands are on its path."""
    script = "echo $ZEUSHOME; command -v pointsman pointsman-container"
    wrote = plain.exec(*words, script).stdout.splitlines()
    assert wrote == ["/usr/local/zeus", "/usr/local/bin/pointsman", "/usr/local/bin/pointsman-container"]


def test_commands_find_the_instance(plain: Container) -> None:
    """R42: in the container `pointsman` needs no flag to find its instance."""
    assert plain.exec("pointsman", "status").returncode == 0


def test_the_log_and_the_certificate_are_where_people_look(plain: Container) -> None:
    """R42: $ZEUSHOME/zxtm/log and $ZEUSHOME/admin/etc/admin.public lead to what the instance writes."""
    assert "events.log" in plain.shell("ls $ZEUSHOME/zxtm/log/")
    assert "BEGIN CERTIFICATE" in plain.shell("cat $ZEUSHOME/admin/etc/admin.public")


SCRIPTS = (
    "zxtm/configure",
    "zxtm/bin/config-import",
    "zxtm/bin/config-snapshot",
    "zxtm/bin/watch-directory",
    "zxtm/bin/self-register",
    "admin/bin/cert",
    "start-zeus",
    "stop-zeus",
    "restart-zeus",
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_work_without_an_environment(plain: Container, script: str) -> None:
    """R42: what people know below $ZEUSHOME is there and works, also for a caller without any variable."""
    wrote = plain.exec("env", "-i", "sh", f"/usr/local/zeus/{script}", "--help").stdout
    assert wrote.startswith("Usage: ")


def test_health_is_what_traffic_sees(containers: Containers) -> None:
    """R7: the image's HEALTHCHECK says healthy, and unhealthy soon after the instance serves no more."""
    container = containers.run("--health-interval=1s", "--health-retries=1")

    def state() -> str:
        return container.inspect("{{.State.Health.Status}}")

    wait_for("healthy", lambda: state() == "healthy", LONG)
    container.shell("touch $ZEUSHOME/var/hold")
    wait_for("unhealthy", lambda: state() == "unhealthy", LONG)
    container.shell("rm $ZEUSHOME/var/hold")
    wait_for("healthy again", lambda: state() == "healthy", LONG)
