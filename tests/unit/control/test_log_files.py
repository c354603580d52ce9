"""Log files: found, searched within bounds, and nothing else is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.control import log_files
from pointsman.control.log_files import LogFiles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.mkdir()
    (made / "haproxy.log").write_bytes(b"First line\nSECOND \xff line\n\nthird\n")
    (made / "notes.txt").write_text("no")
    (made / "link.log").symlink_to(made / "notes.txt")
    (made / "folder.log").mkdir()
    return made


def test_only_plain_log_files_are_there(directory: Path) -> None:
    logs = LogFiles(directory)
    assert [file.name for file in logs.files()] == ["haproxy.log"]
    for name in ("notes.txt", "link.log", "folder.log", "../log/haproxy.log", "", "haproxy.log/"):
        with pytest.raises(FileNotFoundError):
            logs.tail(name, "", 10)
        with pytest.raises(FileNotFoundError):
            logs.content(name)
    assert LogFiles(directory / "nowhere").files() == ()


def test_lines_are_found_by_all_their_words(directory: Path) -> None:
    logs = LogFiles(directory)
    assert logs.tail("haproxy.log", "", 10).lines == ("First line", "SECOND \ufffd line", "third")
    assert logs.tail("haproxy.log", "line second", 10).lines == ("SECOND \ufffd line",)
    last = logs.tail("haproxy.log", "line", 1)
    assert last.lines == ("SECOND \ufffd line",) and last.matches == 2 and last.whole


def test_a_long_file_is_looked_through_from_its_end(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "TAIL_BYTES", 12)
    monkeypatch.setattr(log_files, "DOWNLOAD_BYTES", 7)
    (directory / "events.log").write_text("first\nsecond\nthird\n")
    tail = LogFiles(directory).tail("events.log", "", 10)
    assert tail.lines == ("third",) and not tail.whole, "the torn line is left out"
    size, pieces = LogFiles(directory).content("events.log")
    assert (size, b"".join(pieces)) == (7, b"\nthird\n")


def test_a_file_that_shrinks_keeps_its_promised_length(directory: Path) -> None:
    size, pieces = LogFiles(directory).content("haproxy.log")
    (directory / "haproxy.log").write_bytes(b"x")
    assert len(b"".join(pieces)) == size
