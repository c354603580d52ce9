"""The two deployments of `examples`: what their pages say is done as it stands there, and nothing is left behind.

Invariant: names, addresses and ports are given by the variables that the pages name, so nobody else's are touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.container import page
from tests.container.docker import LONG, Container, Containers, Docker, free_addresses, node
from tests.container.page import Places, Shown
from tools.instance import free_port, wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in ("curl", "ip", "iptables")),
        reason="curl, iproute2 or iptables is not installed",
    ),
]
ROOT = Path(__file__).resolve().parents[2]
BACK = 5000
"""How many milliseconds nobody may answer after a death; the promise is 1000, and this machine may be busy."""
NOT_SERVED = 5.0
"""Within how many seconds a health URL must have noticed; the promise is 1."""


@dataclass(frozen=True)
class Example:
    """A copy of the examples, and the values of the variables that keep a run apart from others."""

    directory: Path
    prefix: str
    docker: Docker
    image: str
    ports: dict[int, int]
    subnet: str

    def environment(self, stem: str) -> dict[str, str]:
        """The variables for the example whose names begin with `stem`."""
        return {
            **self.docker.environment,
            "NAME": self.prefix + stem,
            "IMAGE": self.image,
            "SUBNET": self.subnet,
            "WEB": f"127.0.0.1:{self.ports[8180]}",
            "REST": f"127.0.0.1:{self.ports[9370]}",
        }

    def run(self, name: str, stem: str) -> list[Shown]:
        """Runs the page of an example; what is shown there must be written."""
        places = _Places(self.prefix, self.image, self.subnet, self.ports)
        readme = self.directory / "examples" / name / "README.md"
        shown = page.run(readme, self.directory, places, self.environment(stem), {})
        for one in shown:
            assert one.missing() == [], f"{one.commands}\nwrote:\n{one.wrote}"
        return shown

    def left(self) -> list[str]:
        """Whatever bears the prefix: containers, networks, rules, namespaces, links."""
        listed = [
            self.docker.out("ps", "-a", "--format", "{{.Names}}"),
            self.docker.out("network", "ls", "--format", "{{.Name}}"),
            *(_out("iptables", "-t", table, "-S") for table in ("nat", "filter")),
            _out("ip", "netns", "list"),
            _out("ip", "-o", "link"),
        ]
        return [line for text in listed for line in text.splitlines() if self.prefix in line]


class _Places(Places):
    def put(self, text: str) -> str:
        return re.sub(r"\b(?=(?:nat|lb)-pm)", self.prefix, super().put(text))


def _out(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.fixture
def example(docker: Docker, image: str, tmp_path: Path) -> Iterator[Example]:
    """The examples, copied; whatever is left of them at the end is taken away by their own scripts."""
    for name in ("examples", "container"):
        shutil.copytree(ROOT / name, tmp_path / name)
    # A link's name has fifteen characters at most.
    prefix = f"t{os.getpid() % 1_000_000}-"
    ports = {port: free_port() for port in (8180, 9370)}
    made = Example(tmp_path, prefix, docker, image, ports, free_addresses())
    try:
        yield made
    finally:
        for name, stem in (("nat", "nat"), ("external-balancer", "lb")):
            words = [str(tmp_path / "examples" / name / "down")]
            subprocess.run(words, env=made.environment(stem), capture_output=True, timeout=60, check=False)


def test_a_traffic_ip_behind_an_address_of_the_host(example: Example) -> None:
    """R1, R2, R6, R20: a joined member takes the traffic IP over when its holder is killed, so the host's translation
    goes on as it is; the page's commands, and nothing is left after the last.
    """
    shown = example.run("nat", "nat")
    killed = next(one.wrote for one in shown if "failover" in one.commands)
    found = re.search(r"killed \S+-pm(\d): \S+-pm(\d) took over; .*: (\d+) ms", killed)
    assert found is not None, killed
    assert found[1] != found[2]
    assert int(found[3]) < BACK, killed
    assert example.left() == []


def test_a_balancer_in_front_of_addresses_of_their_own(example: Example) -> None:
    """R1, R4, R7: each member raises its own address and says by the health URL whether it serves; a balancer that
    asks there loses no request when one is killed or stopped; the page's commands, and nothing is left after the last.
    """
    shown = example.run("external-balancer", "lb")
    killed = next(one.wrote for one in shown if "failover" in one.commands)
    found = re.search(r"(\d+) of (\d+) requests failed, the slowest answer took (\d+) ms", killed)
    assert found is not None, killed
    assert int(found[1]) == 0, killed
    assert int(found[2]) > 20
    assert int(found[3]) < BACK, killed
    assert example.left() == []


def test_health_urls_notice_at_once(containers: Containers) -> None:
    """R7: both health URLs answer while traffic is served, and neither does a second after it is not."""
    with node() as origin:
        container = containers.run("--cap-add", "NET_ADMIN", "--init", "-t")
        container.serve([f"{container.host}:{origin}"])
        status, listed = container.rest("GET", "config/active/traffic_managers")
        assert status == 200
        (name,) = (child["name"] for child in listed["children"])
        container.put("traffic_managers", name, engine_health={"port": 9081})
        wait_for("the engine answers", lambda: container.fetch(9081, "/healthz")[0] == 200, LONG)
        begun = time.monotonic()
        assert container.healthz() == 200
        assert time.monotonic() - begun < 5
        stopping = threading.Thread(
            target=lambda: container.exec("/usr/local/zeus/stop-zeus", seconds=LONG), daemon=True
        )
        stopping.start()
        wait_for("no traffic is served", lambda: container.fetch(8080, seconds=1)[0] != 200, LONG)
        begun = time.monotonic()
        wait_for(
            "neither says that traffic is served",
            lambda: container.fetch(9081, "/healthz", seconds=1)[0] != 200 and not _managed(container),
            NOT_SERVED,
        )
        stopping.join(LONG)
        assert time.monotonic() - begun < NOT_SERVED


def _managed(container: Container) -> bool:
    try:
        return container.healthz() == 200
    except OSError:
        return False
