"""How the control plane's log looks: `LEVEL: text` on standard error, with the levels of the provision log.

Invariant: an entry is one line, whatever names of files and objects stand in it, and nothing in it steers a terminal;
only the trace of a fault of ours has lines of its own.
"""

from __future__ import annotations

import logging
import sys
from types import MappingProxyType

from pointsman.document.fault import one_line

_WORDS = MappingProxyType({logging.WARNING: "WARN", logging.CRITICAL: "FATAL"})


class LogLine(logging.Formatter):
    """Formats entries."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The entry without its trace."""
        level = _WORDS.get(record.levelno, record.levelname)
        return one_line(f"{level}: {super().formatMessage(record)}")


def begin_log() -> None:
    """Sends what the control plane logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLine())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
