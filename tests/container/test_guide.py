"""The commands of the container's guide, and of README's part on it, do what the pages say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.container import page
from tests.container.docker import PREFIX, Containers, Docker, free_addresses
from tests.container.page import IMAGE, Places, Shown
from tools.instance import free_port

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not shutil.which("curl") or not shutil.which("docker-compose"),
        reason="curl or docker-compose is not installed",
    ),
]
ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide" / "docker.md"
README = ROOT / "README.md"
TYPED = {"/bin/bash": ("# ", "exit"), "/usr/local/zeus/zxtm/configure": ("Choose option", "1")}
COMPOSE_PORTS = {"PM1_WEB": 8081, "PM1_PAGE": 9091, "PM2_WEB": 8082, "PM2_PAGE": 9092}


@pytest.fixture
def places(docker: Docker, image: str) -> Iterator[Places]:
    """Names that nobody else has; whatever has one is gone at the end."""
    prefix = f"{PREFIX}-g-"
    written = GUIDE.read_text() + README.read_text()
    wanted = {*map(int, page.LOOPBACK_PORT.findall(written)), *COMPOSE_PORTS.values()}
    free: set[int] = set()
    while len(free) < len(wanted):  # the same one may be free twice
        free.add(free_port())
    ports = dict(zip(sorted(wanted), free, strict=True))
    try:
        yield Places(prefix, image, free_addresses(), ports)
    finally:
        for kind, words in (
            ("container", ("rm", "-f", "-v")),
            ("volume", ("rm", "-f")),
            ("network", ("rm",)),
        ):
            for name in ours(docker, kind, prefix):
                docker(kind, *words, name, check=False)


def ours(docker: Docker, kind: str, prefix: str) -> list[str]:
    """Names of the containers, volumes or networks that a page has begun."""
    every = ("-a",) if kind == "container" else ()
    field = "{{.Names}}" if kind == "container" else "{{.Name}}"
    names = docker.out(kind, "ls", *every, "--format", field).split()
    return [name for name in names if name.startswith(prefix)]


def run(
    name: Path, directory: Path, places: Places, docker: Docker, image: str, part: str = ""
) -> list[Shown]:
    shutil.copytree(ROOT / "container", directory / "container")
    with (directory / "container" / "compose.yaml").open("a") as composed:
        # Where another engine runs beside a private one, its rules let nothing pass on networks with other addresses.
        composed.write(
            f"networks: {{default: {{ipam: {{config: [{{subnet: {free_addresses()}.0/24}}]}}}}}}\n"
        )
    environment = {
        **docker.environment,
        "IMAGE": image,
        "COMPOSE_PROJECT_NAME": f"{places.prefix}compose",
        **{variable: str(places.ports[port]) for variable, port in COMPOSE_PORTS.items()},
    }
    shown = page.run(name, directory, places, environment, TYPED, part=part)
    for one in shown:
        assert one.missing() == [], f"{one.commands}\nwrote:\n{one.wrote}"
    return shown


def test_the_guide(docker: Docker, image: str, places: Places, tmp_path: Path) -> None:
    """R13: the guide from the first start to the clean-up; on its way R3, R4, R16, R18, R25, R29, R42, R45 and R48."""
    shown = run(GUIDE, tmp_path, places, docker, image)
    log = next(one.wrote for one in shown if "docker logs" in one.commands)
    said = next(one.wrote for one in shown if "admin/bin/cert" in one.commands)
    assert f"SHA-1 fingerprint of the admin server's certificate: {said.strip()}" in log
    stopped = next(one.wrote for one in shown if "ExitCode" in one.commands)
    assert stopped.splitlines()[1] == "0"
    left = [name for kind in ("container", "volume", "network") for name in ours(docker, kind, places.prefix)]
    assert left == []


def test_the_readmes_container(docker: Docker, image: str, places: Places, tmp_path: Path) -> None:
    """R13: README's short way."""
    run(README, tmp_path, places, docker, image, part="In a container")


def test_the_pages_name_the_image_that_make_makes() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"pointsman:{version[1]}" == IMAGE


def test_every_command_of_the_tables_works(containers: Containers, tmp_path: Path) -> None:
    """R42: everyday commands, as the guide's table has them, in the order in which they stand there."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "shop.yaml").write_text("pools: [{name: shop}]\n")
    container = containers.run(mounts={"/import": str(tmp_path)})
    table = GUIDE.read_text().partition("## Everyday work")[2].partition("In the container")[0]
    commands = [one for one in re.findall(r"`docker (?:exec|logs) ([^`]*)`", table) if "-i -t" not in one]
    assert len(commands) > 8
    for command in commands:
        words = command.replace("vtm1", container.name).split()
        verb = "exec" if len(words) > 1 else "logs"
        assert containers.docker(verb, *words).stdout, command
