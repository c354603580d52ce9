"""The start of a real container: what only Docker, root and a network of Debian's packages can show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.container.docker import Container, Containers
from tools.instance import wait_for

pytestmark = pytest.mark.root
INSTALL_SECONDS = 300.0
LOG = "/var/log/provision.log"
INSTALLED = "INFO: installed packages: hello"


@pytest.mark.parametrize("given", ["", "ACCEPT", "yes"])
def test_the_licence_must_be_accepted(containers: Containers, given: str) -> None:
    """R14: the container ends with 10 and one line that names the variable and the licence's text."""
    refused = containers.run(env={"ZEUS_EULA": given}, ready=False)
    assert refused.wait_end() == 10
    assert refused.logs().count("\n") == 1
    assert "ZEUS_EULA" in refused.logs()
    assert "/usr/local/zeus/LICENSE" in refused.logs()


def test_the_log_tells_a_generated_password(containers: Containers) -> None:
    """R18, R26: the log is 0600, the same as the container's output, and its one line is the password."""
    container = containers.run(env={"ZEUS_PASS": "STRONG"})
    wait_for("the end of the log", lambda: "connect to the admin server" in container.logs())
    log = container.file(LOG)
    assert log.replace("\n", "\r\n") == container.logs() or log == container.logs()
    assert container.shell(f"stat -c %a {LOG}").strip() == "600"
    found = re.findall(r"generated the password of 'admin' .*: (\S{20})$", log, re.MULTILINE)
    assert len(found) == 1
    container.password = found[0]
    assert container.rest("GET", "config/active")[0] == 200
    held = container.shell(f"grep -rlF -- '{found[0]}' /usr/local/zeus /etc /run /tmp /var", check=False)
    assert held.split() == [LOG]


def test_packages_are_installed_once_for_a_container(containers: Containers, tmp_path: Path) -> None:
    """R19, R25: killed while it installs, the next start finishes; a new container with an old home installs again."""
    home = ("-v", f"{tmp_path}:/usr/local/zeus/var")
    env = {"ZEUS_PACKAGES": "hello"}
    first = containers.run(*home, env=env, ready=False)
    wait_for("the installation", lambda: "setting up hello" in first.logs(), INSTALL_SECONDS)
    first.kill()
    first.start().wait_ready(INSTALL_SECONDS)
    assert INSTALLED in first.logs()
    assert "Hello" in first.exec("hello").stdout
    assert first.rest("GET", "config/active")[0] == 200
    assert first.stop() == 0
    before = first.logs().count("installing packages")
    first.start().wait_ready()
    assert first.logs().count("installing packages") == before
    assert first.stop() == 0
    second = containers.run(*home, env={**env, "ZEUS_PASS": "another"}, ready=False)
    second.wait_ready(INSTALL_SECONDS)
    assert INSTALLED in second.logs()
    assert "this instance is provisioned" in second.logs()
    second.password = "admin"
    assert second.rest("GET", "config/active")[0] == 200


@pytest.mark.parametrize(
    ("flags", "packages", "status", "said"),
    [
        ((), "no-such-package-anywhere", 12, "Unable to locate package no-such-package-anywhere"),
        ((), "openjdk-7-jre-headless", 12, "openjdk-7-jre-headless: this Java is in no Debian"),
        ((), "-y", 11, 'ZEUS_PACKAGES: "-y" is no name of a Debian package'),
        (
            ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/var/log"),
            "hello",
            16,
            "read-only",
        ),
        (("--user", "1000"), "hello", 12, "only root can install packages"),
    ],
    ids=["unknown", "old Java", "option", "read-only", "not root"],
)
def test_packages_that_cannot_be_installed(
    containers: Containers, flags: tuple[str, ...], packages: str, status: int, said: str
) -> None:
    """R19: each cause ends the start with its status and is named."""
    home = ("--tmpfs", "/usr/local/zeus/var:uid=1000,mode=700")
    failed = containers.run(*home, *flags, env={"ZEUS_PACKAGES": packages}, ready=False)
    assert failed.wait_end(INSTALL_SECONDS) == status
    assert said in failed.logs()


def test_somebody_else_than_root(containers: Containers) -> None:
    """R13: without root everything works but packages and ports below 1024."""
    container = containers.run("--user", "1000", "--tmpfs", "/usr/local/zeus/var:uid=1000,mode=700")
    assert container.rest("GET", "config/active")[0] == 200
    assert "/usr/local/zeus/var/log/provision.log" in container.logs()
    wait_for("the end of the log", lambda: _ends_with_url(container))
    assert container.stop() == 0


def _ends_with_url(container: Container) -> bool:
    log = container.file("/usr/local/zeus/var/log/provision.log")
    return log.splitlines()[-1].startswith("INFO: connect to the admin server at https://")
