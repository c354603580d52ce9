"""`typed.py PROMPT ANSWER COMMAND...`: runs a command at a terminal and types an answer once it has asked.

Invariant: it ends with the command's status, or with 1 when the prompt does not come in time.
"""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time

SECONDS = 20.0


def main(prompt: str, answer: str, words: list[str]) -> int:
    """Runs the command; what it writes goes to standard output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    wrote, answered, until = b"", False, time.monotonic() + SECONDS
    with contextlib.suppress(OSError):  # the other end was closed
        while time.monotonic() < until and (part := os.read(ours, 65536)):
            wrote += part
            if not answered and prompt.encode() in wrote:
                os.write(ours, answer.encode() + b"\r")
                answered = True
    sys.stdout.write(wrote.decode(errors="replace").replace("\r", ""))
    try:
        status = process.wait(max(1.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return 1
    return status if answered else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
