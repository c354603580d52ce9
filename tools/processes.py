"""Finds processes by the words of their command lines, for tests and measurements."""

from __future__ import annotations

import time
from pathlib import Path

EXEC_PATIENCE = 1.0
OF_THE_KERNEL = 0x0020_0000  # PF_KTHREAD among the flags of /proc/PID/stat


def command_line(pid: int) -> list[bytes]:
    """The words a process was started with; none when it has ended, or is a thread of the kernel.

    A process that is in `execve` (HAProxy's master becomes another program at every start and reload) has no words
    for a moment: they are waited for.
    """
    deadline = time.monotonic() + EXEC_PATIENCE
    while True:
        try:
            if words := Path(f"/proc/{pid}/cmdline").read_bytes():
                return words.rstrip(b"\0").split(b"\0")
            after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return []
        if after_name[0] in b"ZX" or int(after_name[6]) & OF_THE_KERNEL or time.monotonic() > deadline:
            return []
        time.sleep(0.001)


def with_word_below(path: Path) -> dict[int, list[bytes]]:
    """Processes one of whose words begins with `path`: pid -> words."""
    mark = str(path).encode()
    lines = {int(entry.name): command_line(int(entry.name)) for entry in Path("/proc").glob("[0-9]*")}
    return {pid: words for pid, words in lines.items() if any(word.startswith(mark) for word in words)}
