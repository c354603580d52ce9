"""The example for docker-compose: a cluster of two, one of which follows documents, nodes, and a client."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.container.docker import LONG, PREFIX, Docker, free_addresses
from tools.instance import wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed"),
]
CONTAINER = Path(__file__).resolve().parents[2] / "container"
VARIABLES = {
    "ZEUS_EULA": "accept",
    "ZEUS_PASS": "admin",
    **dict.fromkeys(("PM1_WEB", "PM1_PAGE", "PM2_WEB", "PM2_PAGE"), "0"),
}


@pytest.fixture
def compose(docker: Docker, image: str, tmp_path: Path) -> Callable[..., str]:
    """Runs docker-compose on a copy of the example, whose documents can be changed."""
    shutil.copy(CONTAINER / "compose.yaml", tmp_path)
    shutil.copytree(CONTAINER / "example", tmp_path / "example")
    # Where another engine runs beside a private one, its rules let nothing pass on networks with other addresses.
    networks = {"default": {"ipam": {"config": [{"subnet": f"{free_addresses()}.0/24"}]}}}
    (tmp_path / "addresses.yaml").write_text(json.dumps({"version": "2.4", "networks": networks}))
    environment = {**docker.environment, **VARIABLES, "IMAGE": image}

    def run(*words: str) -> str:
        files = [word for name in ("compose.yaml", "addresses.yaml") for word in ("-f", str(tmp_path / name))]
        command = ["docker-compose", "-p", f"{PREFIX}-compose", *files, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=180, check=False, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_two_members_follow_the_documents_of_one(compose: Callable[..., str], tmp_path: Path) -> None:
    """R1, R20, R23, R29: the typical set-up, a cluster of two and two nodes: both follow a change of the documents."""
    try:
        compose("up", "-d")

        def answers() -> set[tuple[str, str]]:
            rows = compose("logs", "--no-color", "--tail", "16", "client").splitlines()
            found = [row.partition("http://")[2].partition("/ This is ") for row in rows]
            return {(member, node.rstrip(".")) for member, _, node in found if node}

        everyone = {(member, node) for member in ("pm1", "pm2") for node in ("node1", "node2")}
        wait_for("both nodes answer through both members", lambda: everyone <= answers(), LONG)
        document = tmp_path / "example" / "config" / "web.yaml"
        document.write_text(document.read_text().replace('      - {node: "node1:8000"}\n', ""))
        alone = {("pm1", "node2"), ("pm2", "node2")}
        wait_for("only the other node answers", lambda: answers() == alone, LONG)
    finally:
        compose("down", "-v", "-t", "3")
