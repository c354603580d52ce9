"""Installs the Debian packages of `ZEUS_PACKAGES` into the container's own file system.

Invariant: what is installed is written down beside the packages themselves, not in the home, so that a new container
with an old home installs them again and a restarted one does not; names reach apt only after `--`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from pointsman.private_file import write_private
from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.variable import without_secrets

STATE = Path("/var/lib/pointsman")
"""Where it is written down what is installed."""
_INSTALLED = "packages.json"
_BEGUN = "packages.begun"
_TOTAL_SECONDS = 1800.0
_HEARTBEAT_SECONDS = 15.0
_KEPT_LINES = 200
_OPTIONS = (
    "-q",
    "-y",
    *("-o", "Acquire::Retries=2"),
    *("-o", "Acquire::http::Timeout=30"),
    *("-o", "Acquire::https::Timeout=30"),
    *("-o", "DPkg::Lock::Timeout=60"),
    *("-o", "Dpkg::Use-Pty=0"),
    *("-o", "Dpkg::Options::=--force-confdef"),
    *("-o", "Dpkg::Options::=--force-confold"),
)
_OLD_JAVA = re.compile(r"openjdk-[5-8]-")


def missing_packages(wanted: Iterable[str], state: Path = STATE) -> tuple[str, ...]:
    """Those of `wanted` that this container has not installed yet."""
    installed = _installed(state)
    return tuple(name for name in wanted if name not in installed)


def check_possible(packages: Iterable[str]) -> None:
    """Raises `CannotProvision` when this container cannot install packages, or no Debian has one of them."""
    for name in packages:
        if _OLD_JAVA.match(name):
            raise CannotProvision(
                Exit.PACKAGES,
                f"ZEUS_PACKAGES: {name}: this Java is in no Debian any more; name default-jre-headless instead",
            )
    if os.statvfs("/usr").f_flag & os.ST_RDONLY or os.statvfs("/var/lib").f_flag & os.ST_RDONLY:
        raise CannotProvision(
            Exit.FILES,
            "ZEUS_PACKAGES: the container's file system is read-only; start without --read-only, "
            "or build an image that holds the packages",
        )
    if os.geteuid() != 0:
        raise CannotProvision(
            Exit.PACKAGES,
            "ZEUS_PACKAGES: only root can install packages; start without --user, "
            "or build an image that holds the packages",
        )


def install_packages(packages: Sequence[str], log: ProvisionLog, state: Path = STATE) -> None:
    """Installs packages and writes that down. Raises `CannotProvision`, `OSError`."""
    until = time.monotonic() + _TOTAL_SECONDS
    log.info(f"installing packages: {' '.join(packages)}")
    if (state / _BEGUN).exists():
        log.warn("a former installation was interrupted; finishing it")
        _run(["dpkg", "--configure", "-a"], log, until)
    _run(["apt-get", *_OPTIONS, "-o", "APT::Update::Error-Mode=any", "update"], log, until)
    write_private(state / _BEGUN, b"")
    _run(["apt-get", *_OPTIONS, "install", "--no-install-recommends", "--", *packages], log, until)
    installed = sorted({*_installed(state), *packages})
    write_private(state / _INSTALLED, json.dumps(installed, indent=1).encode("utf-8"))
    (state / _BEGUN).unlink()
    log.info(f"installed packages: {' '.join(packages)}")


def _installed(state: Path) -> frozenset[str]:
    try:
        return frozenset(map(str, json.loads((state / _INSTALLED).read_text(encoding="utf-8"))))
    except (FileNotFoundError, ValueError, TypeError):
        return frozenset()


def _run(words: Sequence[str], log: ProvisionLog, until: float) -> None:
    """Runs one command and tells of its progress. Raises `CannotProvision` with what it complained of."""
    what = " ".join(words[:1]) + " " + next(w for w in words if w in ("update", "install", "--configure"))
    environment = {**without_secrets(os.environ), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise CannotProvision(
            Exit.PACKAGES, f"ZEUS_PACKAGES: {words[0]} cannot be run ({error.strerror}); use our image"
        ) from None
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        finished = _follow(process, lines, log, what, until)
        status = process.wait(_HEARTBEAT_SECONDS) if finished else None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if status != 0:
        cause = "it takes too long" if status is None else _complaint(lines) or _ended(status)
        raise CannotProvision(
            Exit.PACKAGES,
            f"ZEUS_PACKAGES: {what} failed: {cause}; correct the names or the network, and start again",
        )


def _follow(
    process: subprocess.Popen[bytes], lines: deque[str], log: ProvisionLog, what: str, until: float
) -> bool:
    """Reads all that a command writes; whether it came to its end in time."""
    assert process.stdout is not None
    begun = told = time.monotonic()
    rest = b""
    while (now := time.monotonic()) < until:
        if now - told >= _HEARTBEAT_SECONDS:
            log.info(f"{what}: still at work after {now - begun:.0f} s")
            told = now
        if not select.select([process.stdout], [], [], min(1.0, until - now))[0]:
            # What a package started may hold the output open for ever.
            if process.poll() is not None:
                return True
            continue
        part = os.read(process.stdout.fileno(), 65_536)
        *whole, rest = (rest + part).split(b"\n")
        rest = rest[-10_000:]
        if not part and rest:
            whole.append(rest)
        for line in (line.decode("utf-8", "replace").strip() for line in whole):
            lines.append(line)
            if line.startswith("Setting up "):
                log.info(f"{what}: {line.rstrip(' .').lower()}")
                told = now
        if not part:
            return True
    return False


def _ended(status: int) -> str:
    return f"exit status {status}" if status > 0 else f"it was killed by {signal.Signals(-status).name}"


def _complaint(lines: Iterable[str]) -> str:
    errors = dict.fromkeys(
        line.removeprefix("E:").strip() for line in lines if line.startswith(("E:", "dpkg: error"))
    )
    return "; ".join(list(errors)[:3])[:500]
