"""The container suite's engine, image and containers.

Invariant: the image is built once, and again only when something that goes into it has changed; where there is no
Docker Engine and none can be had, every test is skipped with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.container.docker import Container, Containers, Docker, node
from tools.docker_engine import NoEngine, engine

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = (
    "container/Dockerfile",
    "container/build.lock",
    "container/requirements.lock",
    "container/zeus",
    "src",
    ".dockerignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
)
"""What goes into an image, or decides what does."""
BUILD_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for engine and image; each may take longer than a test elsewhere."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS + 300))


def digest_of_context() -> str:
    """A word that changes with each file that goes into the image."""
    files = [
        path
        for name in CONTEXT
        for path in ([ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*")))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(ROOT)} {path.stat().st_mode & 0o111}\0".encode() + path.read_bytes())
    return total.hexdigest()[:12]


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """The engine: the machine's own, else a private one."""
    try:
        with engine() as host:
            yield Docker(host)
    except NoEngine as error:
        pytest.skip(f"no container can be run: {error}")


@pytest.fixture(scope="session")
def image(docker: Docker) -> str:
    """The image of this tree."""
    name = f"pointsman-test:{digest_of_context()}"
    if docker("image", "inspect", name, check=False).returncode:
        docker(
            "build",
            "-f",
            str(ROOT / "container" / "Dockerfile"),
            "-t",
            name,
            str(ROOT),
            seconds=BUILD_SECONDS,
        )
    return name


@pytest.fixture
def containers(docker: Docker, image: str) -> Iterator[Containers]:
    """Starts containers; they are gone at the end of the test."""
    started = Containers(docker, image)
    try:
        yield started
    finally:
        started.remove()


@pytest.fixture(scope="session")
def plain(docker: Docker, image: str) -> Iterator[Container]:
    """One container, started as the guide says, for all tests that only look."""
    started = Containers(docker, image)
    name = started.name("plain")
    try:
        docker(
            *f"run --name={name} -e ZEUS_EULA=accept -e ZEUS_PASS=admin --privileged --init -t -d {image}".split()
        )
        yield Container(docker, name).wait_ready()
    finally:
        started.remove()


@pytest.fixture
def origin() -> Iterator[int]:
    """The port of a node on every address of this machine."""
    with node() as port:
        yield port
