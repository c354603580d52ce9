"""runc for a machine whose root does not hold every capability: asks only for what the machine has to give.

`docker run --privileged` wants all the capabilities that the kernel knows, and Docker's default limits may be higher
than this machine allows; runc then refuses to start anything. `tools/docker_engine.py` puts this in runc's place.
Invariants: a container never gets more than was asked for; nothing but capabilities and limits is changed; the standard
library is enough.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNC = "/usr/sbin/runc"
# In the order of their bits (capabilities(7)); a newer kernel's further ones are dropped, which is safe.
CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)


def held() -> frozenset[str]:
    """The capabilities that a child of this process may have, such as "CAP_CHOWN"."""
    lines = Path("/proc/self/status").read_text().splitlines()
    bits = next(int(line.split()[1], 16) for line in lines if line.startswith("CapBnd:"))
    return frozenset(f"CAP_{name}" for bit, name in enumerate(CAPABILITIES) if bits >> bit & 1)


def hard_limit(name: str) -> int:
    """The machine's hard limit, such as of "RLIMIT_NOFILE"; -1 when there is none."""
    return resource.getrlimit(getattr(resource, name))[1]


def fitted(process: dict[str, Any], have: frozenset[str]) -> dict[str, Any]:
    """The `process` object of an OCI configuration with what the machine cannot give taken out."""
    asked = process.get("capabilities") or {}
    process["capabilities"] = {
        kind: [one for one in names or () if one in have] for kind, names in asked.items()
    }
    for limit in process.get("rlimits") or ():
        most = hard_limit(limit["type"])
        if "CAP_SYS_RESOURCE" not in have and most != resource.RLIM_INFINITY:
            limit["hard"], limit["soft"] = min(limit["hard"], most), min(limit["soft"], most)
    return process


def _option(words: Sequence[str], *names: str) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else following
    return ""


def main(words: Sequence[str]) -> None:
    """Rewrites the configuration that runc's `create`, `run` or `exec` is about to read, then becomes runc."""
    if "exec" in words and (process_file := _option(words, "--process", "-p")):
        path = Path(process_file)
        path.write_text(json.dumps(fitted(json.loads(path.read_text()), held())))
    elif {"create", "run"} & set(words):
        path = Path(_option(words, "--bundle", "-b") or ".", "config.json")
        configuration = json.loads(path.read_text())
        configuration["process"] = fitted(configuration["process"], held())
        path.write_text(json.dumps(configuration))
    os.execv(RUNC, ["runc", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
