"""The Kubernetes manifests, replayed with Docker: mounts, variables, capabilities, and a ConfigMap's `..data` swaps."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.container.docker import LONG, Container, Containers, node
from tests.container.manifest import Projected, docker_flags, of_kind
from tools.instance import wait_for

pytestmark = pytest.mark.root


def status(container: Container, path: str, port: int) -> int:
    """What a probe gets; 0 when nothing answers."""
    try:
        return container.request("GET", path, port=port)[0]
    except OSError:
        return 0


def test_the_manifests_give_an_instance_that_follows_its_configmap(
    containers: Containers, tmp_path: Path
) -> None:
    """R29: the StatefulSet's pod serves what the ConfigMap says, follows a swap, and keeps the last good one."""
    pod = of_kind("StatefulSet")["spec"]["template"]["spec"]
    data = of_kind("ConfigMap")["data"]
    network, _ = containers.network()
    volume = containers.name("home")
    configuration = Projected(tmp_path / "configuration", data)
    sources = {
        "home": volume,
        "configuration": str(configuration.directory),
        "password": str(Projected(tmp_path / "password", {"password": "admin\n"}).directory),
    }
    flags = docker_flags(pod, sources)
    try:
        with node("shop one") as port:
            container = containers.run(
                *flags,
                "--network",
                network,
                "--add-host",
                "shop:192.0.2.1",
                env={"ZEUS_PASS": ""},
                ready=False,
            )
            container.password = "admin"
            probe = pod["containers"][0]["readinessProbe"]["httpGet"]
            wait_for("the pod is ready", lambda: status(container, probe["path"], probe["port"]) == 200, LONG)
            assert container.rest("GET", "config/active/pools/shop")[0] == 200
            there = f"{container.host}:{port}"
            configuration.swap({**data, "00-pools": data["00-pools"].replace("shop:8000", there)})
            wait_for("the swap is in force", lambda: container.fetch(80) == (200, "shop one"), LONG)
            configuration.swap(
                {**data, "00-pools": "pools: [{name: shop, properties: {basic: {nodes_table: 7}}}]\n"}
            )
            wait_for("the failure shows", lambda: "00-pools" in container.logs(), LONG)
            assert container.fetch(80) == (200, "shop one")
            assert container.stop() == 0
    finally:
        containers.remove()
        containers.docker("volume", "rm", "-f", volume, check=False)
