"""Fewer privileges than the guide's command gives, and file systems that cannot be written."""

from __future__ import annotations

import pytest
from tests.container.docker import LONG, Containers
from tools.instance import wait_for

pytestmark = pytest.mark.root
NEEDED = ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW")
NONE = ("--cap-drop", "ALL")
READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "--tmpfs", "/var/log")


@pytest.mark.parametrize(
    ("flags", "user"),
    [
        (("--privileged",), "nobody"),
        (NEEDED, "nobody"),
        ((), "nobody"),
        ((*NONE, *NEEDED), "root"),
        (NONE, "root"),
        (("--security-opt", "no-new-privileges", *NONE), "root"),
    ],
    ids=["privileged", "with both", "default", "both alone", "none", "none, no new ones"],
)
def test_it_serves_with_fewer_privileges(
    containers: Containers, origin: int, flags: tuple[str, ...], user: str
) -> None:
    """R13: never more than NET_ADMIN and NET_RAW is needed; without those everything but traffic IPs works.

    No process of the data plane is root. Where the container may not change its user, all stay so, without its power.
    """
    container = containers.run(*flags)
    container.serve([f"{container.host}:{origin}"], port=80)
    assert container.fetch(80) == (200, "hello")
    engine = [one for one in container.processes() if one.words.startswith("/usr/sbin/haproxy")]
    assert len(engine) >= 2
    assert {one.user for one in engine} == {user}
    assert container.stop() == 0


@pytest.mark.parametrize("flags", [("--privileged",), NEEDED], ids=["privileged", "both"])
def test_nothing_is_said_where_nothing_is_missing(containers: Containers, flags: tuple[str, ...]) -> None:
    assert "NET_ADMIN" not in containers.run(*flags).logs()


@pytest.mark.parametrize("flags", [(), NONE], ids=["default", "none"])
def test_what_is_missing_is_said(containers: Containers, flags: tuple[str, ...]) -> None:
    """R13: without NET_ADMIN or NET_RAW the log says that traffic IPs cannot be raised."""
    assert "NET_ADMIN" in containers.run(*flags).logs()


def test_a_root_file_system_that_is_read_only(containers: Containers, origin: int) -> None:
    """R13: with a volume for what is kept and room for what is not, nothing else is written; a new container goes on
    with the volume of the old one.
    """
    volume = containers.name("volume")
    keep = ("-v", f"{volume}:/usr/local/zeus/var", *READ_ONLY)
    try:
        container = containers.run(*keep, "--health-interval=1s")
        container.serve([f"{container.host}:{origin}"])
        wait_for("healthy", lambda: container.inspect("{{.State.Health.Status}}") == "healthy", LONG)
        assert container.exec("touch", "/usr/local/zeus/x", check=False).returncode == 1
        assert container.shell("find $ZEUSHOME/var -perm /007 ! -type l ! -type s | head") == ""
        assert container.stop() == 0
        container.docker("rm", container.name)
        following = containers.run(*keep)
        wait_for("the service of before", lambda: following.fetch() == (200, "hello"), LONG)
    finally:
        containers.remove()
        containers.docker("volume", "rm", "-f", volume, check=False)
