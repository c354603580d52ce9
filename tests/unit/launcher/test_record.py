"""What the launcher reads and writes of its own: torn, missing and unwritable files do no harm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pointsman.launcher.process import Running, start_ticks
from pointsman.launcher.record import JOURNAL_BYTES, Record
from pointsman.launcher.service import Service


def test_who_runs_is_found_again(tmp_path: Path) -> None:
    record = Record(tmp_path)
    running = Running.adopt(os.getpid())
    assert running is not None
    record.write([Service("control", ("a", "b"), running=running), Service("haproxy")])
    os.close(running.pidfd)
    own = {"pid": os.getpid(), "start": start_ticks(os.getpid()), "argv": ["a", "b"], "master_socket": ""}
    assert record.former() == {"control": own}
    record.remove()
    record.remove()
    assert record.former() == {}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", "\0", '{"children": 7, "engines": 7}', '{"engines": [7]}']
)
def test_a_torn_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "launcher.json").write_text(content)
    (tmp_path / "engines.json").write_text(content)
    assert Record(tmp_path).former() == {}
    assert Record(tmp_path).engines() is None


def test_engines_are_told_when_they_change(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.engines() is None
    (tmp_path / "engines.json").write_text(json.dumps({"engines": [{"name": "haproxy"}]}))
    assert record.engines() == {"haproxy": {"name": "haproxy"}}
    assert record.engines() is None
    assert record.engines(again=True) is not None
    (tmp_path / "engines.json").write_text(json.dumps({"engines": []}))
    assert record.engines() == {}


def test_the_journal_is_kept_small(tmp_path: Path) -> None:
    record = Record(tmp_path)
    journal = tmp_path / "launcher-events.jsonl"
    journal.write_bytes(b"x" * (JOURNAL_BYTES + 1))
    record.note("engine-exited", "haproxy", 'killed by "SIGKILL"')
    line = json.loads(journal.read_text())
    assert (line["what"], line["name"], line["detail"]) == ("engine-exited", "haproxy", 'killed by "SIGKILL"')


def test_a_directory_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    record = Record(tmp_path / "gone")
    record.write([])
    record.note("engine-exited", "haproxy", "")
    record.remove()
    assert record.engines() is None
