"""Processes as the kernel knows them: who holds a lock, when one started, which program it runs, that it has ended.

Invariant: a process is told by its pidfd or its start time, never by its number alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


def claim(path: Path) -> int | None:
    """A descriptor of `path` with an exclusive lock, or None while another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def holders(path: Path) -> set[int]:
    """Processes that hold the lock on `path` (absolute, no links), not those that merely have it open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for entry in (process / "fd").iterdir():
                if entry.readlink() == path and "FLOCK" in (process / "fdinfo" / entry.name).read_text():
                    found.add(int(process.name))
    return found


def start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot (field 22 of /proc/PID/stat); None when it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in (b"Z", b"X") else int(after_name[19])


def runs(pid: int, programs: Collection[str]) -> bool:
    """Whether a process runs one of `programs` (real paths), also when the file was replaced since.

    The kernel hides the program of another user's process from root without SYS_PTRACE, as in a container. Then the
    first word of its command line counts, which every process can choose for itself.
    """
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)") in programs
    except PermissionError:
        with contextlib.suppress(OSError):
            first = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
            return os.path.realpath(os.fsdecode(first)) in programs
    except OSError:
        pass
    return False


def reap_orphans(ours: Collection[int]) -> None:
    """Takes note of the ends of children that nobody waits for; `ours` are left to those who do.

    As process 1 of a container the launcher becomes the parent of everything that loses its own.
    """
    with contextlib.suppress(ChildProcessError):  # there are no children
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in ours:
                return  # others behind it in the kernel's list are met the next time
            os.waitpid(ended.si_pid, 0)


@dataclass
class Running:
    """A process watched through a pidfd: our child, or an adopted one (whose exit status stays unknown)."""

    pid: int
    pidfd: int
    started_at: float
    child: subprocess.Popen[bytes] | None = None

    @classmethod
    def adopt(cls, pid: int, ticks: int | None = None) -> Running | None:
        """Watches a process that is not our child; None when it has ended or did not start at `ticks`."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return None
        now = start_ticks(pid)
        if now is None or ticks not in (None, now):
            os.close(pidfd)
            return None
        return cls(pid, pidfd, time.monotonic())

    def send(self, number: int) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def ended(self, within: float = 0.0) -> bool:
        """Whether the process has ended, or does so within `within` seconds."""
        return bool(select.select([self.pidfd], [], [], within)[0])

    def reap(self) -> tuple[int | None, str]:
        """Exit status (None unless it was our child that exited) and a phrase for the journal."""
        os.close(self.pidfd)
        if self.child is None:
            return None, "ended"
        status = self.child.wait()
        if status < 0:
            return None, f"killed by {signal.Signals(-status).name}"
        return status, f"exited with status {status}"
