"""How the control plane's log looks: `LEVEL: text` on standard error.

Invariant: an entry is one line, whatever names of files and objects stand in it, and nothing in it steers a terminal;
only the trace of a fault of ours has lines of its own.
"""

from __future__ import annotations

import logging
import sys

from pointsman.document.fault import one_line


class LogLine(logging.Formatter):
    """Formats entries."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The entry without its trace."""
        return one_line(super().formatMessage(record))


def begin_log() -> None:
    """Sends what the control plane logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
