"""Whether this machine can hold traffic IPs at all, and if not what is missing.

Invariant: asking changes nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_CAPABILITIES = {"NET_ADMIN": 12, "NET_RAW": 13}
"""What keepalived needs to add addresses and to speak VRRP (linux/capability.h)."""


def find_keepalived() -> Path | None:
    """The keepalived to run, POINTSMAN_KEEPALIVED where that is set; None when there is none."""
    named = os.environ.get("POINTSMAN_KEEPALIVED")
    if named is not None:
        return Path(named).resolve() if os.access(named, os.X_OK) else None
    found = shutil.which("keepalived", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    return Path(found).resolve() if found else None


def cannot_raise(binary: Path | None) -> str:
    """What keeps this process from having traffic IPs raised, with the remedy; "" when nothing does."""
    if binary is None:
        return "keepalived is not installed; install it and start the product again"
    missing = [name for name, number in _CAPABILITIES.items() if not _capable() >> number & 1]
    if missing:
        options = " ".join(f"--cap-add {name}" for name in missing)
        return f"it lacks the right {' and '.join(missing)}; run it as root, a container with {options}"
    return ""


def _capable() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
