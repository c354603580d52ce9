"""Builds an earlier version of the product from the history of this repository, to run it beside the present one.

Invariant: what is built is the wheel of that version, as a user would install it; the working tree is not touched.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "tests" / "upgrade-base"
"""Holds the commit of the tag `upgrade-base`, for clones that were made without tags."""


class NoHistory(Exception):
    """The commit is not in this clone; the text says which."""


def upgrade_base() -> str:
    """The commit of the build that upgrades start from. Raises `NoHistory`."""
    for name in ("refs/tags/upgrade-base", BASE.read_text(encoding="ascii").strip()):
        found = _git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode().strip()
    raise NoHistory(
        f"commit {BASE.read_text(encoding='ascii').strip()} is not in this clone; fetch its history"
    )


def build(commit: str, directory: Path) -> Path:
    """The wheel of a commit, unpacked below `directory`; put the path on PYTHONPATH to run it."""
    source, wheels, unpacked = directory / "source", directory / "wheels", directory / "installed"
    archive = _git("archive", "--format=tar", commit)
    if archive.returncode:
        raise NoHistory(archive.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(source)  # our own history
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(unpacked)
    return unpacked


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
