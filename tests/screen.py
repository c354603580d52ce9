"""A command on a terminal, for tests that type and look.

Invariant: nothing waits for ever: what does not come to the screen in time fails the test with what is there.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.leader, follower = pty.openpty()
        # A session of its own with this terminal, so that Ctrl-C is a signal.
        become = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", become, *words], stdin=follower, env=environment
        )
        os.close(follower)
        self.seen = ""
        self.whole = ""

    def expect(self, text: str, seconds: float = 30.0) -> None:
        """Waits until `text` is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} is not on the screen:\n{self.seen}"
            if select.select([self.leader], [], [], 0.2)[0]:
                try:
                    self._take(os.read(self.leader, 65536))
                except OSError:  # Linux: the other side is closed
                    assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def _take(self, part: bytes) -> None:
        self.seen += part.decode()
        self.whole += part.decode()

    def type(self, text: str) -> None:
        os.write(self.leader, text.encode())

    def end(self) -> int:
        """Waits for the command's end."""
        status = self.process.wait(30)
        with contextlib.suppress(OSError):
            while part := os.read(self.leader, 65536):
                self._take(part)
        os.close(self.leader)
        return status
