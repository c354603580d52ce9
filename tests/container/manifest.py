"""Kubernetes manifests, and what a kubelet makes of them, for Docker.

Invariant: only what the manifests say is replayed; a field that is not understood here fails the test, so that a
manifest cannot promise what nobody tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).resolve().parents[2] / "container" / "kubernetes"
CONTAINER_KEYS = {
    "name", "image", "env", "ports", "readinessProbe", "resources", "securityContext", "volumeMounts",
}  # fmt: skip
SECURITY_KEYS = {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}


def manifests() -> list[dict[str, Any]]:
    """Every object of every file."""
    files = sorted(DIRECTORY.glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


def of_kind(kind: str) -> dict[str, Any]:
    """The one object of a kind."""
    (found,) = [one for one in manifests() if one["kind"] == kind]
    return found


class Projected:
    """A directory as a kubelet projects a ConfigMap or Secret: files are links through `..data`, which is swapped."""

    def __init__(self, directory: Path, content: Mapping[str, str]) -> None:
        self.directory = directory
        directory.mkdir()
        self._numbers = itertools.count(1)
        self._old: Path | None = None
        self.swap(content)

    def swap(self, content: Mapping[str, str]) -> None:
        """Brings new content, all at once, and removes the old."""
        new = self.directory / f"..2026_01_01_00_00_00.{next(self._numbers)}"
        new.mkdir()
        for name, text in content.items():
            (new / name).write_text(text)
        link = self.directory / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.directory / "..data")
        for name in content:
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(f"..data/{name}")
        for path in self.directory.iterdir():
            if path.is_symlink() and not path.exists():
                path.unlink()
        if self._old is not None:
            for path in self._old.iterdir():
                path.unlink()
            self._old.rmdir()
        self._old = new


def docker_flags(pod: dict[str, Any], volumes: Mapping[str, str]) -> list[str]:
    """The flags of `docker run` for a pod's container. `volumes` are the sources of volumes that are not emptyDir."""
    (container,) = pod["containers"]
    assert set(container) <= CONTAINER_KEYS
    security = container["securityContext"]
    assert set(security) <= SECURITY_KEYS
    flags = [word for one in container["env"] for word in ("-e", f"{one['name']}={one['value']}")]
    for name in security["capabilities"].get("add", ()):
        flags += ["--cap-add", name]
    for name in security["capabilities"].get("drop", ()):
        flags += ["--cap-drop", name]
    if security.get("readOnlyRootFilesystem"):
        flags.append("--read-only")
    if security.get("allowPrivilegeEscalation") is False:
        flags += ["--security-opt", "no-new-privileges"]
    empty = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    for mount in container["volumeMounts"]:
        place = mount["mountPath"]
        if mount["name"] in empty:
            flags += ["--tmpfs", place]
        else:
            flags += ["-v", f"{volumes[mount['name']]}:{place}{':ro' if mount.get('readOnly') else ''}"]
    return flags
