"""The control plane's log."""

from __future__ import annotations

import logging
import sys

import pytest

from pointsman.daemon.log_line import LogLine


@pytest.mark.parametrize(
    ("level", "word"), [("INFO", "INFO"), ("WARNING", "WARN"), ("ERROR", "ERROR"), ("CRITICAL", "FATAL")]
)
def test_levels_are_called_as_in_the_provision_log(level: str, word: str) -> None:
    """R26: one word for each level in all that a container writes: INFO, WARN, ERROR, FATAL."""
    record = logging.LogRecord("p", getattr(logging, level), "", 0, "text", (), None)
    assert LogLine().format(record) == f"{word}: text"


def test_no_name_makes_a_line_of_its_own_or_steers_a_terminal() -> None:
    hostile = "a\r\nFATAL: b\x1b[2J\u202e.key"
    record = logging.LogRecord("p", logging.WARNING, "", 0, "the file %s is set aside", (hostile,), None)
    assert LogLine().format(record) == r"WARN: the file a\r\nFATAL: b\x1b[2J\u202e.key is set aside"


def test_the_trace_of_a_fault_keeps_its_lines() -> None:
    try:
        raise RuntimeError
    except RuntimeError:
        record = logging.LogRecord("p", logging.ERROR, "", 0, "a fault", (), sys.exc_info())
    first, *trace = LogLine().format(record).splitlines()
    assert first == "ERROR: a fault"
    assert trace[0].startswith("Traceback")
