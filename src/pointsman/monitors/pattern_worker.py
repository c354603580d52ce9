"""The process that runs regular expressions for the monitors: a search can take for ever and holds Python's
only lock.

Invariant: a search that outlives the limit ends this process by SIGALRM, whatever the expression does.
Standard library only, because it is started by its path. It ends when its input ends.
"""

from __future__ import annotations

import re
import signal
import struct
import sys
from typing import BinaryIO

SEARCH_SECONDS = 0.5
HEADER = struct.Struct(">II")
"""Lengths of the expression and of the data that follow."""


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers each request by one byte: "1" found, "0" not found, "E" the expression is not valid."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        pattern_length, data_length = HEADER.unpack(header)
        pattern, data = requests.read(pattern_length), requests.read(data_length)
        signal.setitimer(signal.ITIMER_REAL, SEARCH_SECONDS)
        try:
            answer = b"1" if re.search(pattern, data) else b"0"
        except (re.error, RecursionError, OverflowError):
            answer = b"E"
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
